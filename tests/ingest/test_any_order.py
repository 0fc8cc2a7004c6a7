"""The same facts give the same tables and the same rollups, in whatever order, how often and in whatever calls they come.

A schedule says who sends what: facts are shuffled, some come again, and they are cut into calls of every kind, some of them at
once and with the worker counting between them or meanwhile. Whatever the schedule, what is stored afterwards is what it is
when every fact comes once, in order. RAPPORT_TEST_EXAMPLES says how many schedules are tried: then they are new ones every
time, and one that fails is made smaller, which takes minutes.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql
from rapport.ingest.v1 import ingest_service_pb2 as pb
from sqlalchemy import Table

from services.ingest import convert, recording
from services.storage import schema
from services.storage.verify import compare
from tests.facts import END
from tests.fix_services import House
from tests.ingest.schedules import Sender, consistent_facts, in_order, schedule

EXAMPLES = int(os.environ.get("RAPPORT_TEST_EXAMPLES", "0"))
SEEDS = range(max(4, EXAMPLES))

Contents = dict[str, list[dict[str, Any]]]

#: What tells how facts came, not what they say. `verify` answers for queues, and for agents that only a superseded
#: revision named: they stay known.
NOT_COMPARED = {
    "ingest.change",
    "ingest.sync_quarter",
    "scoring.progress",
    "scoring.touched",
    "scoring.quarantine",
    "scoring.agent_state",
}
_OF_THE_MOMENT = {"tenant_id", "recorded_at"}
_numbers = count(1)


def contents(url: str, tenant: str) -> Contents:
    """Return what a tenant's tables hold, without what depends on the moment and without rows that mean the same as none."""
    tables = [t for t in schema.metadata.sorted_tables if t.schema in {"ingest", "scoring"} and t.fullname not in NOT_COMPARED]
    with psycopg.connect(url) as conn:
        return {table.fullname: _rows(conn, table, tenant) for table in tables if "tenant_id" in table.c}


def _rows(conn: psycopg.Connection[Any], table: Table, tenant: str) -> list[dict[str, Any]]:
    names = [c.name for c in table.columns if c.name not in _OF_THE_MOMENT]
    if not names:
        return []
    key = {c.name for c in table.primary_key.columns}
    wanted = sql.SQL("SELECT {} FROM {} WHERE tenant_id = %s").format(
        sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(*table.fullname.split("."))
    )
    rows = [dict(zip(names, row, strict=True)) for row in conn.execute(wanted, [tenant])]
    may_be_empty = table.schema == "scoring" and table is not schema.contribution
    held = [row for row in rows if not may_be_empty or any(value for name, value in row.items() if name not in key)]
    return sorted(held, key=repr)


def _changed(wanted: Sequence[dict[str, Any]], found: Sequence[dict[str, Any]]) -> str:
    return f"{[row for row in wanted if row not in found]} became {[row for row in found if row not in wanted]}"


def verified(house: House, tenant: str) -> list[str]:
    """Return what `verify` objects to, a line a row, and changes that were not counted."""
    with compare.connect(house.url) as conn:
        found = compare.compare_tenant(conn, tenant, 0, lambda _: None, house.clock())
    rows = [f"{table.table}: {row}" for table in found.tables for row in table.examples]
    return rows + ([f"{found.waiting} waiting, {found.quarantined} quarantined"] if found.waiting or found.quarantined else [])


async def differences(house: House, seed: int, chance: random.Random) -> list[str]:
    """Play one schedule for a tenant of its own; return what differs from what the same facts give when they come in order."""
    house.clock.now = END - timedelta(hours=12)  # some carts and follow-ups are still open
    facts = consistent_facts(seed)
    rounds = schedule(facts, chance)
    plain, shuffled = f"in-order-{seed}", f"shuffled-{next(_numbers)}"
    wanted = contents(house.url, plain)
    if not wanted["ingest.event"]:
        sender = Sender(house, plain)
        await sender.play(in_order(facts))
        wanted = contents(house.url, plain)
        assert verified(house, plain) == []
    sender = Sender(house, shuffled)
    await sender.play(rounds)
    found = contents(house.url, shuffled)
    differing = [f"{table}: {_changed(wanted[table], found[table])}" for table in wanted if wanted[table] != found[table]]
    created, distinct = sender.outcomes[pb.OUTCOME_CREATED], len(wanted["ingest.conversation"]) + len(wanted["ingest.event"])
    if created != distinct or sender.outcomes[pb.OUTCOME_REJECTED]:
        differing.append(f"{created} created instead of {distinct}, {sender.outcomes[pb.OUTCOME_REJECTED]} rejected")
    differing += verified(house, shuffled)
    return [*differing, f"after {rounds}"] if differing else []


@settings(
    max_examples=EXAMPLES or 8,
    derandomize=not EXAMPLES,
    phases=[Phase.generate, Phase.shrink] if EXAMPLES else [Phase.generate],
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(seed=st.sampled_from(SEEDS), chance=st.randoms(use_true_random=False))
@pytest.mark.timeout(300 + EXAMPLES * 20)
async def test_the_same_facts_give_the_same_tables_and_rollups(house: House, seed: int, chance: random.Random) -> None:
    assert await differences(house, seed, chance) == []


async def found_out(house: House) -> list[str]:
    """Return what some schedules find in a house that has something wrong."""
    return [found for n in range(2) for found in await differences(house, 1, random.Random(n))]


async def test_a_recorder_that_does_not_compare_revisions_is_found_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: whoever comes last is right."""

    def last_wins(stored: recording.Stored | None, revision: int | None, content_hash: bytes) -> Any:
        return (recording.Outcome.UPDATED if stored else recording.Outcome.CREATED), revision or 0

    monkeypatch.setattr(recording, "decide", last_wins)
    assert any(found.startswith("ingest.conversation: ") for found in await found_out(house))


async def test_an_event_that_is_applied_twice_is_found_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: every arrival is taken for another event."""
    real, arrivals = convert.event_of, count(1)
    monkeypatch.setattr(convert, "event_of", lambda message: replace(real(message), event_id=f"{next(arrivals)}"))
    found = await found_out(house)
    assert any(line.startswith("ingest.event: ") for line in found)
