"""The rows behind a number: which facts a measure counts, how much each, and what is told of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from tests.query.oracle.comparing import optional
from tests.query.oracle.days import Period
from tests.query.oracle.dimensions import EVERYTHING, Wanted
from tests.query.oracle.facts import Tenant
from tests.query.oracle.measures import COUNTED, MEASURES, TALLIED, Cell

#: Measures that count facts: whole numbers that add up fact by fact.
MEASURES_WITH_ROWS = {*COUNTED, *TALLIED, "orders"} - {"distinctCustomers"}


@dataclass(frozen=True, slots=True)
class Row:
    """A fact that counts, named as the contract's CountedFact; what is not known is None."""

    kind: int
    fact_id: str
    at: datetime
    agent_id: str | None
    customer_id: str | None
    platform: int | None
    outcome: int | None
    quantity: int
    amount: tuple[str, Fraction] | None


@dataclass(frozen=True, slots=True)
class Rows:
    """The facts behind a number by identity, and how much of it is of facts that were erased."""

    rows: dict[tuple[int, str], Row]
    erased: int

    @property
    def total(self) -> int:
        return sum(row.quantity for row in self.rows.values()) + self.erased


def rows_behind(tenant: Tenant, measure: str, period: Period, wanted: Wanted = EVERYTHING) -> Rows:
    """Return the facts that a measure counts in a period."""
    rows: dict[tuple[int, str], Row] = {}
    erased = 0
    for fact in tenant.facts:
        c = fact.counts
        if c.at not in period or fact not in wanted:
            continue
        quantity = int(MEASURES[measure](Cell([fact], tenant.rates)).value or 0)
        if quantity and fact.is_erased:
            erased += quantity
        elif quantity:
            money = None if c.amount is None or c.currency is None else (c.currency, Fraction(c.amount))
            who = c.agent_id or None, c.customer_id or None, c.platform or None
            rows[c.kind, c.fact_id] = Row(int(c.kind), c.fact_id, c.at, *who, c.outcome, quantity, money)
    return Rows(rows, erased)


def row_differences(expected: Rows, facts: Sequence[Any], total: int, erased: int) -> Iterator[str]:
    """Yield where the facts of all pages, and the totals told with them, are otherwise."""
    if (total, erased) != (expected.total, expected.erased):
        yield f"total {total} of which erased {erased}, expected {expected.total} of which {expected.erased}"
    shown = [_row(fact) for fact in facts]
    if len({(row.kind, row.fact_id) for row in shown}) != len(shown):
        yield "facts: some stand there twice"
    for row in shown:
        if expected.rows.get((row.kind, row.fact_id)) != row:
            yield f"{row}, expected {expected.rows.get((row.kind, row.fact_id))}"
    missing = expected.rows.keys() - {(row.kind, row.fact_id) for row in shown}
    if missing:
        yield f"missing: {sorted(missing)}"
    if [row.at for row in shown] != sorted((row.at for row in shown), reverse=True):
        yield "the newest do not come first"


def _row(fact: Any) -> Row:
    money = optional(fact, "amount")
    return Row(
        kind=fact.kind,
        fact_id=fact.fact_id,
        at=fact.at.ToDatetime(UTC),
        agent_id=optional(fact, "agent_id"),
        customer_id=optional(fact, "customer_id"),
        platform=optional(fact, "platform"),
        outcome=optional(fact, "outcome"),
        quantity=fact.quantity,
        amount=None if money is None else (money.currency_code, money.units + Fraction(money.nanos, 10**9)),
    )
