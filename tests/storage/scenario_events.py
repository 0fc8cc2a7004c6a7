"""The same small world: what its carts, follow-ups and events, and how its facts came out, must amount to, by hand."""

from __future__ import annotations

from typing import Any

from tests.storage.scenario_facts import WEB, WHATSAPP, Row

_COUNTED = ("conversations", "ended", "completed", "escalated", "conversions", "booked", "kept", "no_show", "cancelled", "orders")

# The functions below take a table's columns in their order.
# ruff: noqa: PLR0917


def fact(kind: int, fact_id: str, agent_id: str, platform: int, customer_id: str, at: str, day: str, **counts: Any) -> Row:
    where = {"agent_id": agent_id, "platform": platform, "customer_id": customer_id, "at": at, "day": day}
    return {"kind": kind, "fact_id": fact_id, **where, **dict.fromkeys(_COUNTED, 0), **counts}


def tally(agent_id: str, bucket: str, platform: int, measure: int, n: int = 1) -> Row:
    return {"agent_id": agent_id, "bucket": bucket, "platform": platform, "measure": measure, "n": n}


def spent(
    agent_id: str, customer_id: str, category: int, campaign: str, currency: str, first: str, end: str, n: int, amount: str
) -> Row:
    what = {"agent_id": agent_id, "customer_id": customer_id, "category": category, "campaign": campaign, "currency": currency}
    return {**what, "first_day": first, "end_day": end, "n": n, "amount": amount}


def due(kind: int, entity_id: str, due_at: str) -> Row:
    return {"kind": kind, "entity_id": entity_id, "due_at": due_at}


#: What costs say beside their amounts.
_SPRING = {"currency": "EUR", "category": 4, "campaign": "spring", "end_day": "2040-04-01"}
_NO_CAMPAIGN = {"currency": "USD", "category": 1, "end_day": "2040-03-02"}

CONTRIBUTIONS: list[Row] = [
    fact(5, "k1", "a2", WEB, "ben", "2040-03-26T10:30Z", "2040-03-26", measure=80, quantity=1, outcome=1),
    fact(5, "k2", "a1", 0, "gus", "2040-04-01T10:00Z", "2040-04-01", measure=80, quantity=1),
    fact(5, "k3", "a1", 0, "anna", "2020-06-01T12:00Z", "2020-06-01", measure=80, quantity=1, outcome=8),
    fact(6, "f1", "a2", WEB, "cleo", "2040-03-26T10:20Z", "2040-03-26", measure=81, quantity=1),
    fact(7, "f1", "a2", WEB, "cleo", "2040-03-27T23:30Z", "2040-03-28", outcome=1),
    fact(6, "f2", "a1", 0, "", "2040-03-26T11:00Z", "2040-03-26", measure=81, quantity=1),
    fact(6, "f3", "a1", 0, "", "2020-06-01T12:00Z", "2020-06-01", measure=81, quantity=1),
    fact(7, "f3", "a1", 0, "", "2020-06-03T00:00Z", "2020-06-03", outcome=9),
    fact(6, "f4", "a1", 0, "", "2040-03-26T11:00Z", "2040-03-26", measure=81, quantity=1),
    fact(6, "f5", "a1", 0, "", "2040-03-26T11:05Z", "2040-03-26", measure=81, quantity=1),
    fact(6, "f6", "a1", 0, "", "2040-03-26T11:14Z", "2040-03-26", measure=81, quantity=1),
    fact(7, "f6", "a1", 0, "", "2040-03-26T11:14Z", "2040-03-26", outcome=1),
    fact(8, "1/e1", "a4", 0, "", "2040-03-01T00:00Z", "2040-03-01", measure=90, quantity=1),
    fact(8, "6/e2", "", 0, "finn", "2040-03-01T00:00Z", "2040-03-01", measure=95, quantity=1),
    fact(8, "5/e3", "a1", 0, "", "2040-03-25T22:10Z", "2040-03-26", measure=23, quantity=5),
    fact(8, "7/e4", "a2", 5, "cleo", "2040-03-26T09:00Z", "2040-03-26", measure=30, quantity=1, campaign="spring"),
    fact(9, "7/e4", "a2", 5, "cleo", "2040-03-26T09:00Z", "2040-03-26", measure=31, quantity=1),
    fact(8, "7/e5", "", WEB, "cleo", "2040-03-20T12:00Z", "2040-03-20", measure=30, quantity=1),
    fact(8, "4/e6", "a2", WEB, "ben", "2040-03-24T23:00Z", "2040-03-25", cost="30.50", **_SPRING),
    fact(8, "4/e7", "a2", 0, "ben", "2040-03-25T12:00Z", "2040-03-25", cost="1.25", **_SPRING),
    fact(8, "4/e8", "a4", 0, "", "2040-03-01T00:00Z", "2040-03-01", cost="2", **_NO_CAMPAIGN),
]

NORTH: dict[str, list[Row]] = {
    "scoring.tally_interval": [
        tally("a4", "2040-03-01T00:00Z", 0, 90),
        tally("", "2040-03-01T00:00Z", 0, 95),
        tally("", "2040-03-20T12:00Z", WEB, 30),
        tally("a1", "2040-03-24T23:30Z", WHATSAPP, 1),
        tally("a1", "2040-03-25T22:00Z", 0, 23, 5),
        tally("a1", "2040-03-25T22:30Z", WHATSAPP, 4),
        tally("a1", "2040-03-25T23:00Z", WEB, 5),
        tally("a2", "2040-03-26T09:00Z", 5, 30),
        tally("a2", "2040-03-26T09:00Z", 5, 31),
        tally("a2", "2040-03-26T10:00Z", WEB, 2),
        tally("a2", "2040-03-26T10:00Z", WEB, 1),
        tally("a1", "2040-03-26T10:00Z", WHATSAPP, 3),
        tally("a2", "2040-03-26T10:00Z", 0, 1),
        tally("a2", "2040-03-26T10:15Z", WEB, 81),
        tally("a2", "2040-03-26T10:30Z", WEB, 1),
        tally("a2", "2040-03-26T10:30Z", WEB, 80),
        tally("a1", "2040-03-26T11:00Z", WEB, 1, 2),
        tally("a1", "2040-03-26T11:00Z", 0, 81, 4),
        tally("a1", "2040-03-26T11:00Z", 0, 1),
        tally("", "2040-03-26T23:00Z", 0, 1),
        tally("a1", "2040-03-27T09:00Z", WEB, 1),
        tally("a2", "2040-03-27T09:00Z", WEB, 6),
        tally("a2", "2040-03-27T23:30Z", WEB, 1),
        tally("a2", "2040-03-28T09:00Z", WHATSAPP, 1),
        tally("a1", "2040-03-30T09:00Z", WEB, 1),
        tally("", "2040-04-01T10:00Z", 0, 7),
        tally("a1", "2040-04-01T10:00Z", 0, 80),
        tally("a1", "2040-04-06T09:00Z", WEB, 1),
        tally("a2", "2040-04-09T09:00Z", WHATSAPP, 1),
        tally("", "2040-04-20T00:00Z", 0, 1),
    ],
    "scoring.tally_day": [
        tally("a1", "2020-06-01", WHATSAPP, 1),
        tally("a1", "2020-06-01", 0, 8),
        tally("a1", "2020-06-01", 0, 80),
        tally("a1", "2020-06-01", 0, 81),
        tally("a1", "2020-06-03", 0, 9),
        tally("a4", "2040-03-01", 0, 90),
        tally("", "2040-03-01", 0, 95),
        tally("", "2040-03-20", WEB, 30),
        tally("a1", "2040-03-25", WHATSAPP, 1),
        tally("a1", "2040-03-26", WHATSAPP, 4),
        tally("a1", "2040-03-26", WHATSAPP, 3),
        tally("a1", "2040-03-26", WEB, 5),
        tally("a1", "2040-03-26", WEB, 1, 2),
        tally("a1", "2040-03-26", 0, 23, 5),
        tally("a1", "2040-03-26", 0, 81, 4),
        tally("a1", "2040-03-26", 0, 1),
        tally("a2", "2040-03-26", WEB, 2),
        tally("a2", "2040-03-26", WEB, 1, 2),
        tally("a2", "2040-03-26", WEB, 80),
        tally("a2", "2040-03-26", WEB, 81),
        tally("a2", "2040-03-26", 0, 1),
        tally("a2", "2040-03-26", 5, 30),
        tally("a2", "2040-03-26", 5, 31),
        tally("", "2040-03-27", 0, 1),
        tally("a1", "2040-03-27", WEB, 1),
        tally("a2", "2040-03-27", WEB, 6),
        tally("a2", "2040-03-28", WHATSAPP, 1),
        tally("a2", "2040-03-28", WEB, 1),
        tally("a1", "2040-03-30", WEB, 1),
        tally("", "2040-04-01", 0, 7),
        tally("a1", "2040-04-01", 0, 80),
        tally("a1", "2040-04-06", WEB, 1),
        tally("a2", "2040-04-09", WHATSAPP, 1),
        tally("", "2040-04-20", 0, 1),
    ],
    "scoring.cost_period": [
        spent("a2", "ben", 4, "spring", "EUR", "2040-03-25", "2040-04-01", 2, "31.75"),
        spent("a4", "", 1, "", "USD", "2040-03-01", "2040-03-02", 1, "2"),
    ],
    "scoring.due": [due(6, "k2", "2040-04-03T10:00Z"), due(7, "f4", "2040-05-01T10:00Z")],
}

SOUTH: dict[str, list[Row]] = {
    "scoring.tally_interval": [tally("a1", "2040-03-24T23:30Z", WHATSAPP, 1), tally("a1", "2040-03-31T23:30Z", WHATSAPP, 1)],
    "scoring.tally_day": [tally("a1", "2040-03-24", WHATSAPP, 1), tally("a1", "2040-03-31", WHATSAPP, 1)],
}
