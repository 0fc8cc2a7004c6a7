"""What the worker's SQL says that facts count for is what plain Python says of the same facts."""

from __future__ import annotations

import random
from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from services.scoring import contribution_store, rollup_store, source_store
from tests.facts import END, Facts
from tests.fix_services import House
from tests.scoring.oracle.reading import World
from tests.scoring.test_rollups import in_zone, record


def counted(house: House) -> dict[tuple[int, str], dict[str, Any]]:
    with psycopg.connect(house.url, row_factory=dict_row, options="-c timezone=UTC") as conn:
        rows = conn.execute("SELECT * FROM scoring.contribution").fetchall()
    return {(row["kind"], row["fact_id"]): {k: v for k, v in row.items() if k != "tenant_id"} for row in rows}


def expected(house: House, zone: str) -> dict[tuple[int, str], dict[str, Any]]:
    world = World(house.url, zone, timedelta(days=3), house.clock.now)
    found = {(int(c.kind), c.fact_id): asdict(c) for c in world.contributions()}
    for row in found.values():
        row["cost"] = None if row["cost"] is None else Decimal(str(row["cost"]))
    return found


@pytest.mark.parametrize(
    ("seed", "zone"), [(1, "UTC"), (2, "Asia/Kathmandu"), (3, "America/St_Johns"), (4, "Australia/Lord_Howe")]
)
async def test_every_fact_counts_for_what_the_rules_say(house: House, seed: int, zone: str) -> None:
    await in_zone(house, zone)
    facts, order = Facts(seed), random.Random(seed)
    house.clock.now = END - timedelta(hours=12)
    for _ in range(3):
        await record(house, facts, order, rounds=8)
        await house.drain()
        assert counted(house) == expected(house, zone)
        house.clock.advance(hours=30)
        await house.drain()
        assert counted(house) == expected(house, zone)


async def test_another_rule_would_be_found_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: conversations that nobody escalated count as escalated."""
    careless = contribution_store.CONVERSATIONS.sql.replace("c.escalated IS TRUE", "c.escalated IS NOT FALSE")
    assert careless != contribution_store.CONVERSATIONS.sql
    source = source_store.Source(
        "conversations", contribution_store.CONVERSATIONS.kinds, careless, contribution_store.CONVERSATIONS.listed
    )
    monkeypatch.setattr(rollup_store, "SOURCES", (source, *contribution_store.SOURCES[1:]))
    await in_zone(house, "UTC")
    house.clock.now = END
    await record(house, Facts(1), random.Random(1), rounds=12)
    await house.drain()
    assert counted(house) != expected(house, "UTC")
