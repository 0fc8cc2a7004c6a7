"""A database from before events were counted: the migration folds what is stored, and scoring counts it."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from services.runtime.database import Database
from services.runtime.tenancy import set_tenant
from services.scoring.worker import Worker
from services.storage import migrate
from services.storage.verify import compare
from tests.fix_services import Clock
from tests.storage import scenario_facts as facts

CART, FOLLOW_UP = 17, 18
#: Kind, hour, event_id, body: in no order, with two of one moment.
TOLD: list[tuple[int, int, str, dict[str, Any]]] = [
    (CART, 3, "c", {"cart_id": "k", "action": 2}),
    (CART, 1, "a", {"cart_id": "k", "action": 1, "value": "10", "currency": "EUR"}),
    (CART, 2, "b", {"cart_id": "k", "action": 3}),
    (FOLLOW_UP, 1, "d", {"follow_up_id": "f", "status": 1, "action": "call", "due": "2040-01-02T00:00:00Z", "assignee": "Ada"}),
    (FOLLOW_UP, 3, "f", {"follow_up_id": "f", "status": 2}),
    (FOLLOW_UP, 3, "E", {"follow_up_id": "f", "status": 1, "assignee": "Bo"}),
    (FOLLOW_UP, 4, "g", {"follow_up_id": "f", "status": 2}),
    (12, 1, "h", {"transaction_id": "t", "kind": 1, "status": 3, "amount": "5", "currency": "EUR"}),
    (12, 2, "i", {"transaction_id": "t", "kind": 1, "status": 2, "amount": "5", "currency": "EUR"}),
    (12, 3, "j", {"transaction_id": "t", "kind": 1, "status": 3, "amount": "5", "currency": "EUR"}),
    (12, 4, "k", {"transaction_id": "t", "kind": 1, "status": 3, "amount": "5", "currency": "EUR"}),
    (11, 1, "l", {"appointment_id": "p", "status": 2}),
    (11, 2, "m", {"appointment_id": "p", "status": 2}),
    (14, 1, "n", {"widget_id": "w", "action": 4, "count": 3}),
]
_ENTITIES = {11: (3, "appointment_id"), 12: (2, "transaction_id")}


def event(kind: int, hour: int, event_id: str, body: dict[str, Any]) -> facts.Row:
    entity, key = _ENTITIES.get(kind, (None, ""))
    at = f"2040-01-01T{hour:02}:00Z"
    names = {"occurred_at": at, "body": json.dumps(body), "customer_id": "ben", "entity_kind": entity, "entity_id": body.get(key)}
    return facts.event(event_id, 7, kind, **names)


@pytest.fixture
def old_url(empty_database_url: str) -> str:
    """A database of before, with facts."""
    migrate.upgrade(empty_database_url, "0001")
    with psycopg.connect(empty_database_url) as conn:
        stored = {
            "ingest.tenant": [{}],
            "ingest.conversation": [facts.conversation("c", "a", "ben", 1, "2040-01-01T00:00Z", "2040-01-01T00:10Z")],
            "ingest.transaction": [facts.transaction("t", 1, 3, "5", "EUR", customer_id="ben")],
            "ingest.appointment": [facts.appointment("p", 2, customer_id="ben")],
            "ingest.event": [event(*told) for told in TOLD],
        }
        facts.insert(conn, "north", stored)
    return empty_database_url


async def test_what_was_stored_before_is_folded_and_counted(old_url: str) -> None:
    migrate.upgrade(old_url)

    def rows(query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(old_url) as conn:
            conn.execute("SET timezone = 'UTC'")
            return conn.execute(query.encode()).fetchall()

    hours = "to_char({}, 'HH24')".format
    cart = f"SELECT status, value::text, currency, customer_id, {hours('created_at')}, {hours('changed_at')} FROM ingest.cart"
    assert rows(cart) == [(2, "10", "EUR", "ben", "01", "03")]
    # In byte order "E" comes before "f": done since three.
    follow_up = f"SELECT status, action, assignee, {hours('opened_at')}, {hours('status_at')} FROM ingest.follow_up"
    assert rows(follow_up) == [(2, "call", "Bo", "01", "03")]
    assert rows(f"SELECT {hours('failed_at')} FROM ingest.transaction") == [("03",)]
    assert rows("SELECT reschedules FROM ingest.appointment") == [(2,)]

    set_tenant("north")
    database = Database(old_url, "rapport_scoring")
    await Worker(database, Clock(), batch=100).drain("north")
    await database.close()
    measures = dict(rows("SELECT measure, sum(n)::int FROM scoring.tally_day GROUP BY 1"))
    assert measures == {1: 2, 5: 1, 23: 3, 80: 1, 81: 1}
    with compare.connect(old_url) as conn:
        result = compare.compare_tenant(conn, "north", 0, lambda _: None)
    assert (result.waiting, result.quarantined, result.different) == (0, 0, 0)
