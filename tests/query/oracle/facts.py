"""Everything that counts for one tenant, read from the stored facts, with what its dimensions are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.query.oracle.money import Rates
from tests.scoring.oracle.contributions import Contribution
from tests.scoring.oracle.reading import World

Row = dict[str, Any]

CONVERSATION, TRANSACTION, BOOKING, OUTCOME, CART, OPENED, FOLLOW_UP, EVENT, CONSENT = range(1, 10)
#: Where facts are reported from, by the contract's numbers; events that stand for themselves say so themselves.
_SOURCES = {CONVERSATION: 0, TRANSACTION: 3, BOOKING: 2, OUTCOME: 2, CART: 7, OPENED: 7, FOLLOW_UP: 7}
_QUARTER_S = 900


@dataclass(frozen=True, slots=True)
class Fact:
    """What a fact counts for, and what is told of it. `who` is the customer, even one who was erased.

    Of what is erased, moments are known to the quarter of an hour; `was` is what it counted for before.
    """

    counts: Contribution
    who: str
    is_erased: bool = False
    was: Contribution | None = None
    conversation: Row | None = None
    industry: str = ""
    segment: int = 0

    @property
    def source(self) -> int:
        """The contract's number of where it comes from; 0 where that is not known."""
        c = self.counts
        if c.kind in _SOURCES:
            return _SOURCES[c.kind]
        return 0 if self.is_erased else int(c.fact_id.partition("/")[0])


@dataclass(frozen=True, slots=True)
class Tenant:
    """What the numbers of a tenant at one moment rest on."""

    facts: Sequence[Fact]
    zone: str
    now: datetime
    rates: Rates
    agents: Mapping[str, Row]
    rows: Mapping[str, Sequence[Row]]


class Stored(World):
    """The stored facts with their dimensions."""

    def __init__(self, url: str, zone: str, attribution: timedelta, now: datetime) -> None:
        super().__init__(url, zone, attribution, now)
        with psycopg.connect(url, row_factory=dict_row, options="-c timezone=UTC") as conn:
            read = {
                table: conn.execute(f"SELECT * FROM {table}".encode()).fetchall()
                for table in ("ingest.agent", "ingest.exchange_rate", "ingest.tenant_settings", "scoring.customer_state")
            }
        self._settings = read["ingest.tenant_settings"]
        self._known_rates = read["ingest.exchange_rate"]
        self._agents = {a["agent_id"]: a for a in read["ingest.agent"]}
        # The daily sweep puts customers into segments; which one a customer is in is taken as found.
        self._segments = {c["customer_id"]: c["segment"] or 0 for c in read["scoring.customer_state"]}
        self._naming: dict[tuple[int, ...], dict[str, str | None]] = {
            kinds: {row[key]: row["conversation_id"] for row in self._rows[table]}
            for kinds, table, key in (
                ((BOOKING, OUTCOME), "appointment", "appointment_id"),
                ((CART,), "cart", "cart_id"),
                ((OPENED, FOLLOW_UP), "follow_up", "follow_up_id"),
            )
        }
        self._naming[EVENT, CONSENT] = {f"{e['source']}/{e['event_id']}": e["conversation_id"] for e in self._rows["event"]}

    def tenant(self, remains: Sequence[Fact] = ()) -> Tenant:
        """Return everything that counts; `remains` are what erased facts counted for."""
        told = self._settings[0] if self._settings else {"reporting_currency": "USD"}
        into = told["reporting_currency"]
        known = {(r["from_currency"], r["day"]): r["rate"] for r in self._known_rates if r["to_currency"] == into}
        facts = [self._fact(c) for c in self.contributions()]
        # An agent's industry is known still where the conversation is not.
        left = [replace(f, industry=self._industry(f.counts.agent_id, None)) for f in remains]
        return Tenant([*facts, *left], str(self._zone), self._now, Rates(into, known), self._agents, self._rows)

    def _fact(self, c: Contribution) -> Fact:
        conversation = self._conversations.get(self._conversation_of(c) or "")
        # A cost is told as JSON; everything else of money is exact already.
        counts = c if c.cost is None else replace(c, cost=Decimal(str(c.cost)))
        return Fact(
            counts=counts,
            who=c.customer_id,
            conversation=conversation,
            industry=self._industry(c.agent_id, conversation),
            segment=self._segments.get(c.customer_id, 0),
        )

    def _industry(self, agent_id: str, conversation: Row | None) -> str:
        told = conversation["industry"] if conversation else ""
        return told or (self._agents.get(agent_id) or {}).get("industry") or ""

    def _conversation_of(self, c: Contribution) -> str | None:
        """Return the conversation that a fact is or names; a refund names its original's, once that is known."""
        if c.kind == CONVERSATION:
            return c.fact_id
        if c.kind == TRANSACTION:
            paid = self._transactions[c.fact_id]
            original = self._transactions.get(paid["original_transaction_id"])
            speaks = paid if original is None or original["kind"] is None else original
            told: str | None = speaks["conversation_id"]
            return told
        return next(named[c.fact_id] for kinds, named in self._naming.items() if c.kind in kinds)


def remains_of(before: Tenant, after: Tenant, erased: str) -> list[Fact]:
    """Return what facts counted for that went with an erased customer: nobody's now, and without a conversation."""
    stored = {(f.counts.kind, f.counts.fact_id) for f in after.facts}
    gone = [f for f in before.facts if (f.counts.kind, f.counts.fact_id) not in stored]
    return [
        Fact(
            counts=replace(f.counts, customer_id="", at=_quarter(f.counts.at), fact_id=f"gone-{f.counts.fact_id}"),
            who=erased if f.who == erased else "",
            is_erased=True,
            was=f.counts,
        )
        for f in gone
    ]


def _quarter(moment: datetime) -> datetime:
    return moment - timedelta(seconds=moment.timestamp() % _QUARTER_S)
