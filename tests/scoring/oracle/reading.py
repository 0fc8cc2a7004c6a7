"""Reads every stored fact and says in plain Python what each counts for: the rules of docs/numbers.md told a second time."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg.rows import dict_row

from tests.scoring.oracle.contributions import (
    AppointmentFact,
    Belonging,
    Contribution,
    ConversationFact,
    TransactionFact,
    of_appointment,
    of_conversation,
    of_transaction,
)
from tests.scoring.oracle.expiring import CartFact, FollowUpFact, of_cart, of_follow_up
from tests.scoring.oracle.occurrences import EventFact, of_event

#: Events that are states of an entity, which counts in their place.
_STATES = {11, 12, 17, 18}
#: Which field of an event's body decides what it counts in.
_TOLD = {14: "action", 15: "status", 19: "outcome", 20: "result", 22: "state"}

Row = dict[str, Any]


class World:
    """Everything that is stored of one tenant."""

    def __init__(self, url: str, zone: str, attribution: timedelta, now: datetime) -> None:
        with psycopg.connect(url, row_factory=dict_row, options="-c timezone=UTC") as conn:
            self._rows: dict[str, list[Row]] = {
                table: conn.execute(f"SELECT * FROM ingest.{table}".encode()).fetchall()
                for table in ("conversation", "transaction", "appointment", "cart", "follow_up", "event", "paid_conversation")
            }
        self._zone, self._attribution, self._now = ZoneInfo(zone), attribution, now
        self._conversations = {c["conversation_id"]: c for c in self._rows["conversation"]}
        self._transactions = {t["transaction_id"]: t for t in self._rows["transaction"]}
        self._of_customer: dict[str, list[Row]] = defaultdict(list)
        for c in self._rows["conversation"]:
            self._of_customer[c["customer_id"]].append(c)
        self._paid = {p["conversation_id"] for p in self._rows["paid_conversation"]}
        self._paid |= {t["conversation_id"] for t in self._rows["transaction"] if t["kind"] == 1}

    def contributions(self) -> list[Contribution]:
        """Return what every fact counts for."""
        found = [of_conversation(self._conversation(c), self._day) for c in self._rows["conversation"]]
        found += [c for t in self._rows["transaction"] if (c := of_transaction(self._transaction(t), self._day)) is not None]
        for row in self._rows["appointment"]:
            found += of_appointment(AppointmentFact(**self._linked(row, AppointmentFact)), self._day)
        found += [of_cart(CartFact(**self._linked(row, CartFact)), self._day, self._now) for row in self._rows["cart"]]
        for row in self._rows["follow_up"]:
            found += of_follow_up(FollowUpFact(**self._linked(row, FollowUpFact)), self._day, self._now)
        for row in self._rows["event"]:
            if row["kind"] not in _STATES:
                found += of_event(self._event(row), self._day)
        return found

    def _day(self, moment: datetime) -> Any:
        return moment.astimezone(self._zone).date()

    def _conversation(self, row: Row) -> ConversationFact:
        told = {name: row[name] for name in ConversationFact.__slots__ if name in row}
        return ConversationFact(**told, is_paid_for=row["conversation_id"] in self._paid)

    def _transaction(self, row: Row) -> TransactionFact:
        """A refund goes by its original, once that is known."""
        original = self._transactions.get(row["original_transaction_id"]) if row["kind"] == 2 else None
        speaks = row if original is None or original["kind"] is None else original
        at = speaks["settled_at"] if speaks is original and speaks["status"] == 2 else row["settled_at"] or row["failed_at"]
        told = {name: row[name] for name in ("transaction_id", "kind", "status", "amount", "currency", "settled_at", "failed_at")}
        return TransactionFact(
            **told,
            agent_id=speaks["agent_id"],
            customer_id=speaks["customer_id"],
            link=self._link(speaks),
            touch=self._touch(speaks["customer_id"], at),
        )

    def _touch(self, customer: str | None, at: datetime | None) -> Belonging | None:
        """Return the customer's last conversation to which payments are still due at a moment."""
        if customer is None or at is None:
            return None
        due = [
            c
            for c in self._of_customer[customer]
            if c["start_time"] <= at and max(c["start_time"], c["end_time"] or c["start_time"]) >= at - self._attribution
        ]
        last = max(due, key=lambda c: (c["start_time"], c["conversation_id"]), default=None)
        return None if last is None else Belonging(last["agent_id"], last["platform"], customer)

    def _link(self, row: Row) -> Belonging | None:
        c = self._conversations.get(row["conversation_id"])
        return None if c is None else Belonging(c["agent_id"], c["platform"], c["customer_id"])

    def _linked(self, row: Row, fact: Any) -> Row:
        return {name: row[name] for name in fact.__slots__ if name in row} | {"link": self._link(row)}

    def _event(self, row: Row) -> EventFact:
        body, kind = row["body"], row["kind"]
        is_touch, is_cost = kind == 16, kind == 13

        def moment(name: str) -> datetime | None:
            return datetime.fromisoformat(body[name]) if is_cost and body.get(name) else None

        return EventFact(
            **{name: row[name] for name in ("source", "event_id", "kind", "occurred_at", "agent_id", "customer_id")},
            period_start=moment("period_start"),
            period_end=moment("period_end"),
            told=body.get(_TOLD[kind]) if kind in _TOLD else None,
            times=body.get("count") if kind == 14 else None,
            platform=body.get("platform") if is_touch else None,
            consent=body.get("consent") if is_touch else None,
            campaign=body.get("campaign") or None if is_touch or is_cost else None,
            category=body["category"] if is_cost else None,
            amount=body["amount"] if is_cost else None,
            currency=body["currency"] if is_cost else None,
            link=self._link(row),
        )
