"""What a round of chaos came to, and how that is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from tests.alerting.validators import VALIDATORS
from tests.chaos import alert_acts

#: What objections to each promise are called in the figures.
NAMES = {
    "missing": "reliable",
    "repeated": "unique",
    "out_of_order": "ordered",
    "torn": "atomic",
    "unmarked": "bookmarkable",
    "unresumed": "resumable",
    "misworded": "worded",
    "lost_acts": "done",
    "repeated_acts": "once",
    "unknown_acts": "asked",
    "inconsistent": "following",
}
#: What is promised of streams, and of what people do.
STREAMS, ACTS = (*VALIDATORS, "worded"), tuple(alert_acts.VALIDATORS)
_MAIN, _OTHERS = ("reliable", "unique", "ordered"), ("atomic", "bookmarkable", "resumable", "worded")


@dataclass(frozen=True, slots=True)
class Round:
    """One round: what was hit, what was written, done and seen, what the validators say, and what else went wrong.

    `acts` has how many were `sent`, `again` (several times), and `refused`; `erased` counts customers. At its end
    `newest` is the log's last revision.
    """

    blows: tuple[str, ...]
    newest: int
    revisions: int
    acts: Counter[str]
    erased: int
    messages: int
    streams: Counter[str]
    said: Mapping[str, list[str]]
    failures: list[str]
    seconds: float

    def count(self, *promises: str) -> int:
        """Return how many objections there are for some promises; for all, when none is named."""
        return sum(len(self.said.get(promise, ())) for promise in promises or NAMES.values())


def sums(rounds: Sequence[Round]) -> dict[str, Any]:
    """Return the figures of all rounds."""
    whole = together(rounds)
    return {
        "rounds": len(rounds),
        "kills": sum(map(_kills, rounds)),
        "restarts": sum(done.blows.count("restart") for done in rounds),
        "revisions": whole.revisions,
        "acts": whole.acts["sent"],
        "acts_sent_again": whole.acts["again"],
        "acts_refused": whole.acts["refused"],
        "erased": whole.erased,
        "streams": whole.streams.total(),
        "messages": whole.messages,
        "ends": dict(whole.streams),
        **{name: whole.count(promise) for name, promise in NAMES.items()},
        "failures": len(whole.failures),
    }


def _kills(done: Round) -> int:
    """Return how many processes were killed; PostgreSQL counts as one."""
    return sum({"replicas": 2, "everything": 4, "restart": 0}.get(blow, 1) for blow in done.blows)


def together(rounds: Sequence[Round]) -> Round:
    """Return rounds as if they were one."""
    return Round(
        blows=(f"{sum(map(_kills, rounds))} kills",),
        newest=max((done.newest for done in rounds), default=0),
        revisions=sum(done.revisions for done in rounds),
        acts=sum((done.acts for done in rounds), Counter[str]()),
        erased=sum(done.erased for done in rounds),
        messages=sum(done.messages for done in rounds),
        streams=sum((done.streams for done in rounds), Counter[str]()),
        said={promise: [line for done in rounds for line in done.said.get(promise, ())] for promise in NAMES.values()},
        failures=[line for done in rounds for line in done.failures],
        seconds=sum(done.seconds for done in rounds),
    )


def line_of(done: Round) -> str:
    """Return a round in a line."""
    return (
        f"{', '.join(done.blows)} · {done.revisions:,} revisions · {done.acts['sent']:,} acts, {done.acts['again']:,} sent again"
        f" · {done.erased} erased · {done.streams.total():,} streams · {done.messages:,} messages"
        f" · missing {done.count('reliable')} · repeated {done.count('unique')} · out of order {done.count('ordered')}"
        f" · other objections {done.count(*_OTHERS)} · to acts {done.count(*ACTS)} · failures {len(done.failures)}"
        f" · {done.seconds:.1f} s"
    )


def table_of(rounds: Iterable[tuple[str, Round]]) -> Table:
    """Return rounds, each with the name of its kind, as a table."""
    made = Table(title="Streams of alerts under kill -9", title_justify="left")
    made.add_column("")
    for name in ("Revisions", "Streams", "Messages", "Missing", "Repeated", "Disordered", "Others", "Acts", "Failures"):
        made.add_column(name, justify="right")
    for kind, done in rounds:
        objections = (*map(done.count, _MAIN), done.count(*_OTHERS), done.count(*ACTS), len(done.failures))
        counts = (done.revisions, done.streams.total(), done.messages, *objections)
        made.add_row(kind, *(f"{count:,}" for count in counts))
    return made
