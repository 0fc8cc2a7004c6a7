"""A small world in which every rule of docs/numbers.md occurs once: its facts.

Tenant north lives in Berlin, where clocks go forward on 2040-03-25 at 01:00 UTC. Tenant south has no settings: UTC and seven
days. It uses north's ids, to show that tenants do not mix. The year is far off, so that intervals are never too old.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection
from psycopg.sql import SQL, Identifier, Placeholder

WHATSAPP, WEB = 1, 4
POSITIVE, NEUTRAL, NEGATIVE = 1, 2, 3
PURCHASE, LEAD, REFERRAL = 2, 3, 4
RESOLVED, ABANDONED, TRANSFERRED = 1, 2, 3
ADVOCACY = 5
CHARGE, REFUND = 1, 2
PENDING, SETTLED, FAILED = 1, 2, 3
BOOKED, COMPLETED, CANCELLED, NO_SHOW = 1, 3, 4, 5
CREATED, UPDATED, CHECKED_OUT = 1, 2, 3
OPEN, DONE, CALLED_OFF = 1, 2, 3

Row = dict[str, Any]

# The functions below take a table's columns in their order.
# ruff: noqa: PLR0917


def conversation(
    conversation_id: str, agent_id: str, customer_id: str, platform: int, start: str, end: str | None, **more: Any
) -> Row:
    who = {"conversation_id": conversation_id, "agent_id": agent_id, "customer_id": customer_id, "platform": platform}
    rest = {"session_id": "", "message_count": 0, "customer_messages": 0, "agent_responses": 0, "intents": "[]",
            "follow_up_required": False, "industry": "", "revision": 1, "content_hash": b""}  # fmt: skip
    return {**rest, **who, "start_time": start, "end_time": end, **more}


def purchase(value: str, currency: str) -> Row:
    return {"conversion_type": PURCHASE, "conversion_value": value, "conversion_currency": currency}


def transaction(
    transaction_id: str, kind: int, status: int, amount: str, currency: str, at: str | None = None, **names: Any
) -> Row:
    what = {"transaction_id": transaction_id, "kind": kind, "status": status, "amount": amount, "currency": currency}
    return {**what, "settled_at": at, **names}


def appointment(appointment_id: str, status: int, **more: Any) -> Row:
    return {"appointment_id": appointment_id, "status": status, **more}


def cart(cart_id: str, status: int, created: str, changed: str, **names: Any) -> Row:
    return {"cart_id": cart_id, "status": status, "created_at": created, "changed_at": changed, **names}


def follow_up(follow_up_id: str, status: int, opened: str, due: str | None, **names: Any) -> Row:
    return {"follow_up_id": follow_up_id, "status": status, "opened_at": opened, "due": due, **names}


def event(event_id: str, source: int, kind: int, **names: Any) -> Row:
    rest = {"occurred_at": "2040-03-01T00:00Z", "body": "{}", "content_hash": b""}
    return {"event_id": event_id, "source": source, "kind": kind, **rest, **names}


NORTH: dict[str, list[Row]] = {
    "ingest.tenant": [{}],
    "ingest.tenant_settings": [
        {"reporting_currency": "EUR", "time_zone": "Europe/Berlin", "attribution_window_days": 7, "version": 1,
         "updated_at": "2040-01-01T00:00Z"}
    ],
    "ingest.conversation": [
        # Half past midnight in Berlin's winter; its duration is cut to whole milliseconds.
        conversation("c1", "a1", "anna", WHATSAPP, "2040-03-24T23:30Z", "2040-03-24T23:40:00.0015Z", **purchase("120.50", "EUR"),
                     resolution=RESOLVED, csat_x100=450, response_ms=35000, sentiment=POSITIVE, stage=ADVOCACY),
        # Half past midnight in its summer. Escalated and nobody's: not completed. Answered at once: 0 is a measurement.
        conversation("c2", "a1", "anna", WHATSAPP, "2040-03-25T22:30Z", "2040-03-25T22:35Z", conversion_type=LEAD,
                     escalated=True, csat_x100=200, response_ms=0, sentiment=NEGATIVE),
        # The end of a quarter of an hour. Not ended. A failed charge names it, so its purchase is no order.
        conversation("c3", "a1", "ben", WEB, "2040-03-25T22:44:59.999Z", None, **purchase("80", "EUR")),
        conversation("c4", "a2", "ben", WEB, "2040-03-26T10:00Z", "2040-03-26T10:20Z", resolution=ABANDONED,
                     response_ms=1000, sentiment=NEUTRAL, escalated=False),
        # Escalated and settled by somebody: completed.
        conversation("c5", "a2", "cleo", WEB, "2040-03-26T10:05Z", "2040-03-26T10:15Z", resolution=TRANSFERRED,
                     escalated=True, escalation_resolved_by="lead", response_ms=1000, conversion_type=REFERRAL),
        # Begins with c5. In byte order c5 is the last of the two. Nobody answered: completed, but no success.
        conversation("C9", "a1", "cleo", WHATSAPP, "2040-03-26T10:05Z", "2040-03-26T10:06Z", customer_messages=2),
        # Five days long: still within the window when c7, which began later, is not. Escalated and resolved: completed.
        conversation("c6", "a2", "ben", WHATSAPP, "2040-03-28T09:00Z", "2040-04-02T09:00Z", escalated=True, resolution=RESOLVED),
        conversation("c7", "a1", "ben", WEB, "2040-03-30T09:00Z", "2040-03-30T09:01Z"),
        # A purchase without a currency is a conversion, but no order.
        conversation("c0", "a3", "cleo", WEB, "2040-03-26T09:00Z", None, conversion_type=PURCHASE),
        # Reported late: too old for the rollups by interval.
        conversation("c8", "a1", "anna", WHATSAPP, "2020-06-01T12:00Z", "2020-06-01T12:01Z", csat_x100=500, response_ms=5000),
    ],
    "ingest.transaction": [
        transaction("t1", CHARGE, FAILED, "80", "EUR", conversation_id="c3", failed_at="2040-03-25T23:00Z"),
        # The customer that it names comes before the conversation's.
        transaction("t2", CHARGE, SETTLED, "75", "EUR", "2040-03-26T11:00Z", conversation_id="c3", customer_id="dora"),
        # Last touch, to the second: seven days after c6 ended.
        transaction("t3", CHARGE, SETTLED, "10", "USD", "2040-04-09T09:00Z", customer_id="ben"),
        # Last touch: c6 and c7 are in the window, c7 began later.
        transaction("t4", CHARGE, SETTLED, "20", "EUR", "2040-04-06T09:00Z", customer_id="ben"),
        # Last touch too long ago.
        transaction("t5", CHARGE, SETTLED, "5", "EUR", "2040-04-20T00:00Z", customer_id="ben"),
        # The conversation is not stored; the agent counts.
        transaction("t6", CHARGE, SETTLED, "7.25", "EUR", "2040-03-26T10:01Z", agent_id="a2", conversation_id="nowhere"),
        # Stands where t4 stood when t4 settled, whatever it names itself.
        transaction("t7", REFUND, SETTLED, "20", "EUR", "2040-05-01T08:00Z", original_transaction_id="t4", agent_id="a9"),
        # Its original has not settled: last touch at its own time.
        transaction("t8", REFUND, SETTLED, "3", "EUR", "2040-03-26T12:00Z", original_transaction_id="t9"),
        transaction("t9", CHARGE, PENDING, "30", "EUR", customer_id="cleo"),
        # Its original is not stored. A refund leaves the conversation's own order alone. Ten past midnight in Berlin.
        transaction("t10", REFUND, SETTLED, "1.50", "EUR", "2040-03-25T22:10Z", original_transaction_id="lost",
                    conversation_id="c1"),
        transaction("t11", CHARGE, SETTLED, "9", "EUR", "2040-03-26T23:00Z"),
        # The agent that it names comes before the conversation's.
        transaction("t12", CHARGE, SETTLED, "30", "EUR", "2040-03-26T11:14:59Z", conversation_id="c4", agent_id="a1"),
        # Its original is a refund, which names nobody; that one's original is not looked at.
        transaction("t13", REFUND, SETTLED, "0.50", "EUR", "2040-05-02T08:00Z", original_transaction_id="t8"),
    ],
    "ingest.appointment": [
        # The agent that it names comes before the conversation's.
        appointment("p1", COMPLETED, agent_id="a1", conversation_id="c5", booked_at="2040-03-26T10:10Z",
                    scheduled_for="2040-03-27T09:00Z", status_at="2040-03-27T12:00Z"),
        # Never reported as booked, nor when it was to be. The customer that it names comes before the conversation's.
        appointment("p2", NO_SHOW, conversation_id="c4", customer_id="eve", status_at="2040-03-27T09:05Z"),
        appointment("p3", CANCELLED, booked_at="2040-03-27T09:10Z", scheduled_for="2040-04-01T10:00Z",
                    status_at="2040-03-28T10:00Z"),
        # Names a conversation that is not stored.
        appointment("p4", BOOKED, agent_id="a3", conversation_id="nowhere", booked_at="2040-03-27T09:00Z",
                    scheduled_for="2040-04-02T10:00Z", status_at="2040-03-27T09:00Z"),
    ],
    "ingest.cart": [
        # Checked out three days after its last change: still a success.
        cart("k1", CHECKED_OUT, "2040-03-26T10:30Z", "2040-03-29T10:30Z", conversation_id="c4"),
        # Open until a day after its last change.
        cart("k2", UPDATED, "2040-04-01T10:00Z", "2040-04-02T10:00Z", agent_id="a1", customer_id="gus"),
        # Left alone for long.
        cart("k3", CREATED, "2020-06-01T12:00Z", "2020-06-01T12:00Z", agent_id="a1", customer_id="anna"),
    ],
    "ingest.follow_up": [
        # Done; it was due half past midnight in Berlin.
        follow_up("f1", DONE, "2040-03-26T10:20Z", "2040-03-27T23:30Z", conversation_id="c5"),
        # Open for as long as it likes.
        follow_up("f2", OPEN, "2040-03-26T11:00Z", None, agent_id="a1"),
        follow_up("f3", OPEN, "2020-06-01T12:00Z", "2020-06-03T00:00Z", agent_id="a1"),
        follow_up("f4", OPEN, "2040-03-26T11:00Z", "2040-05-01T10:00Z", agent_id="a1"),
        # Called off: neither done nor overdue.
        follow_up("f5", CALLED_OFF, "2040-03-26T11:05Z", "2020-06-03T00:00Z", agent_id="a1"),
        follow_up("f6", DONE, "2040-03-26T11:14Z", None, agent_id="a1"),
    ],
    "ingest.event": [
        # An agent and a customer of whom nothing else is known.
        event("e1", 1, 10, agent_id="a4"), event("e2", 6, 23, customer_id="finn"),
        # As often as it says. Ten past midnight in Berlin.
        event("e3", 5, 14, agent_id="a1", occurred_at="2040-03-25T22:10Z", body='{"action": 4, "count": 5}'),
        # The platform is its own, agent and customer are the conversation's.
        event("e4", 7, 16, conversation_id="c5", occurred_at="2040-03-26T09:00Z",
              body='{"platform": 5, "campaign": "spring", "consent": true}'),
        # Earlier, but it names no campaign.
        event("e5", 7, 16, customer_id="cleo", occurred_at="2040-03-20T12:00Z", body='{"platform": 4, "consent": false}'),
        # From midnight to midnight in Berlin, over the end of winter time: seven days.
        event("e6", 4, 13, customer_id="ben", conversation_id="c4", body='{"category": 4, "amount": "30.50", "currency": "EUR", '
              '"campaign": "spring", "period_start": "2040-03-24T23:00:00Z", "period_end": "2040-03-31T22:00:00Z"}'),
        # Into the same days.
        event("e7", 4, 13, agent_id="a2", customer_id="ben", body='{"category": 4, "amount": "1.25", "currency": "EUR", '
              '"campaign": "spring", "period_start": "2040-03-25T12:00:00Z", "period_end": "2040-03-30T22:00:01Z"}'),
        # Without a period it is for its own day.
        event("e8", 4, 13, agent_id="a4", body='{"category": 1, "amount": "2", "currency": "USD"}'),
    ],
}  # fmt: skip

SOUTH: dict[str, list[Row]] = {
    "ingest.tenant": [{}],
    "ingest.conversation": [
        conversation("c1", "a1", "anna", WHATSAPP, "2040-03-24T23:30Z", "2040-03-24T23:40Z", **purchase("50", "GBP")),
    ],
    "ingest.transaction": [
        # Names c1: south's has no order any more, north's keeps its own.
        transaction("t1", CHARGE, PENDING, "50", "GBP", conversation_id="c1"),
        transaction("t2", CHARGE, SETTLED, "60", "GBP", "2040-03-31T23:40Z", customer_id="anna"),
    ],
}


def insert(conn: Connection[Any], tenant_id: str, tables: dict[str, list[Row]]) -> None:
    """Insert rows; columns that a row leaves out get their default."""
    for table, rows in tables.items():
        for row in rows:
            values = {"tenant_id": tenant_id, **row}
            statement = SQL("INSERT INTO {} ({}) VALUES ({})").format(
                Identifier(*table.split(".")),
                SQL(", ").join(map(Identifier, values)),
                SQL(", ").join(map(Placeholder, values)),
            )
            conn.execute(statement, values)
