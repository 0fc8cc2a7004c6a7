"""What became of the items that were sent, counted and told."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from rapport.ingest.v1.ingest_service_pb2 import (
    OUTCOME_CREATED,
    OUTCOME_DUPLICATE,
    OUTCOME_REJECTED,
    OUTCOME_STALE,
    OUTCOME_UPDATED,
    Outcome,
    OutcomeCounts,
)
from rich.table import Table

from rapport_client import FieldProblem
from services.cli.layout import number, table
from services.cli.rules import Rounding

#: The outcomes of items that were taken, in the order in which they are told.
TAKEN = {
    "created": OUTCOME_CREATED,
    "updated": OUTCOME_UPDATED,
    "duplicate": OUTCOME_DUPLICATE,
    "stale": OUTCOME_STALE,
}

_INDEX = re.compile(r"\[\d+\]")


@dataclass(slots=True)
class Tally:
    """Counts outcomes, and refusals by reason and field."""

    outcomes: Counter[Outcome.ValueType] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)

    def take(self, outcomes: Iterable[Outcome.ValueType]) -> None:
        """Count the outcomes of items that were taken; the refused ones are counted by `refuse`."""
        self.outcomes.update(outcome for outcome in outcomes if outcome != OUTCOME_REJECTED)

    def count(self, counts: OutcomeCounts) -> None:
        """Count items that were taken, by how many met each outcome; the refused ones are counted by `refuse`."""
        for word, outcome in TAKEN.items():
            self.outcomes[outcome] += getattr(counts, word)

    def refuse(self, reason: str, fields: Iterable[FieldProblem]) -> None:
        """Count one refused item under its reason and the fields that it names, places in lists left out."""
        paths = dict.fromkeys(_INDEX.sub("[]", problem.field) for problem in fields if problem.field)
        self.refusals[" ".join([reason, ", ".join(paths)]).strip()] += 1

    @property
    def refused(self) -> int:
        """Items that were refused."""
        return self.refusals.total()

    @property
    def total(self) -> int:
        """Items counted."""
        return self.outcomes.total() + self.refused

    def counts(self) -> dict[str, int]:
        """Return the number of items by outcome word, zeros included."""
        return {word: self.outcomes[outcome] for word, outcome in TAKEN.items()} | {"rejected": self.refused}


def outcome_table(title: str, tallies: dict[str, Tally]) -> Table:
    """Return a table of outcomes, a row a tally."""
    words = [*TAKEN, "rejected"]
    made = table(title, "", *words, numeric=words)
    for name, tally in tallies.items():
        made.add_row(name, *(number(count) for count in tally.counts().values()))
    return made


def refusal_table(tally: Tally) -> Table:
    """Return a table of refusals by reason, the most frequent first."""
    made = table("Rejected, by reason and field", "Reason", "Items", numeric=["Items"], wraps=["Reason"])
    for reason, count in tally.refusals.most_common():
        made.add_row(reason, number(count))
    return made


def skip_table(skips: Counter[str]) -> Table:
    """Return a table of rows that were left out on purpose, by reason, the most frequent first."""
    made = table("Skipped, by the mapping's reason", "Reason", "Rows", numeric=["Rows"], wraps=["Reason"])
    for reason, count in skips.most_common():
        made.add_row(reason, number(count))
    return made


def rounding_sentence(rounding: Rounding) -> str:
    """Return how many amounts were rounded, and what that added to their sum."""
    added = ", ".join(f"{amount:+f} {currency}" for currency, amount in sorted(rounding.added.items()))
    return f"{number(rounding.amounts)} amounts were rounded to {rounding.decimals} decimals, which added {added} in all"
