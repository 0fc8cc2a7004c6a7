"""Writes what scoring and ingest write of many facts at once: rollups by quarter of an hour and by day, ratings, and receipts."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

QUARTER = timedelta(minutes=15)
AGENTS, CUSTOMERS = ("a", "b", "c"), ("u", "v", "w")
_COUNTS = ("conversations", "ended", "escalated", "conversions", "response_n", "response_ms")


@dataclass
class Quarter:
    """What happened in a quarter of an hour: counts by agent and platform, money, ratings by customer, receipts by source."""

    bucket: datetime
    counts: dict[tuple[str, int], tuple[int, ...]] = field(default_factory=dict)
    money: dict[tuple[str, int, str], tuple[int, Decimal]] = field(default_factory=dict)
    ratings: list[tuple[str, datetime, int]] = field(default_factory=list)
    receipts: dict[int, int] = field(default_factory=dict)


def random_quarter(r: random.Random, bucket: datetime) -> Quarter:
    """Return a random quarter: busy hours and quiet ones, bad ones and good ones."""
    made = Quarter(bucket)
    mood = random.Random(f"{bucket:%m%d}{bucket.hour // 6}")
    busy, bad = mood.choice([0, 0.2, 0.6]), mood.choice([0.05, 0.2, 0.5])
    for agent in AGENTS:
        for platform in (1, 4):
            if r.random() < busy:
                n = 1 + r.randrange(4)
                escalated = sum(r.random() < bad for _ in range(n))
                responses = r.randrange(n + 1)
                made.counts[agent, platform] = (n, n, escalated, r.randrange(n + 1), responses, responses * r.randrange(60_000))
        if r.random() < busy / 3:
            currency = r.choice(["USD", "USD", "EUR", "GBP" if bucket.day == 26 and agent == "c" else "USD"])
            made.money[agent, 1, currency] = (1, Decimal(r.randrange(1, 9000)) / 100)
    for customer in CUSTOMERS:
        if r.random() < 0.05:
            made.ratings.append((customer, bucket + timedelta(seconds=r.randrange(900)), 100 * r.randrange(1, 6)))
    for source in (0, 3):
        if r.random() < busy / 2:
            made.receipts[source] = 1
    return made


class Rollups:
    """Writes quarters of the tenant "default", whose days are those of a time zone, and touches whom they concern."""

    def __init__(self, url: str, zone: str) -> None:
        self._url, self._zone = url, ZoneInfo(zone)

    async def write(self, quarters: Iterable[Quarter]) -> None:
        async with await psycopg.AsyncConnection.connect(self._url) as conn, conn.pipeline(), conn.cursor() as cursor:
            for quarter in quarters:
                await self._write(cursor, quarter)

    async def _write(self, cursor: Any, quarter: Quarter) -> None:
        bucket, day = quarter.bucket, quarter.bucket.astimezone(self._zone).date()
        touched = {(1, agent) for agent, *_ in (*quarter.counts, *quarter.money)} | {(2, c) for c, *_ in quarter.ratings}
        for (agent, platform), values in quarter.counts.items():
            named = dict(zip(_COUNTS, values, strict=True))
            await _add(cursor, "scoring.agent_interval", {"agent_id": agent, "bucket": bucket, "platform": platform}, named)
            await _add(cursor, "scoring.agent_day", {"agent_id": agent, "bucket": day, "platform": platform}, named)
            await _add(cursor, "scoring.counts_total_day", {"bucket": day, "platform": platform}, named)
            await cursor.execute(
                "INSERT INTO scoring.agent_state (tenant_id, agent_id) VALUES ('default', %s) ON CONFLICT DO NOTHING", [agent]
            )
        for (agent, platform, currency), (orders, amount) in quarter.money.items():
            key, sums = {"platform": platform, "currency": currency}, {"orders": orders, "amount": amount}
            await _add(cursor, "scoring.revenue_interval", {"agent_id": agent, "bucket": bucket, **key}, sums)
            await _add(cursor, "scoring.revenue_day", {"agent_id": agent, "bucket": day, **key}, sums)
            await _add(cursor, "scoring.revenue_total_day", {"bucket": day, **key}, sums)
        for customer, at, csat in quarter.ratings:
            await cursor.execute(
                "INSERT INTO scoring.contribution (tenant_id, kind, fact_id, agent_id, platform, customer_id, at, day,"
                " conversations, ended, completed, escalated, conversions, csat_x100, booked, kept, no_show, cancelled, orders)"
                " VALUES ('default', 1, %s, 'a', 1, %s, %s, %s, 1, 1, 1, 0, 0, %s, 0, 0, 0, 0, 0)",
                [f"{customer} {at}", customer, at, day, csat],
            )
        for source, n in quarter.receipts.items():
            await cursor.execute(
                "INSERT INTO ingest.sync_quarter (tenant_id, source, quarter, lane, created, last_received)"
                " VALUES ('default', %s, %s, 0, %s, %s)",
                [source, bucket, n, bucket],
            )
        for subject in sorted(touched):
            await cursor.execute(
                "INSERT INTO scoring.touched (tenant_id, subject_kind, subject_id) VALUES ('default', %s, %s)", subject
            )


async def _add(cursor: Any, table: str, key: dict[str, Any], sums: dict[str, Any]) -> None:
    names = ", ".join(["tenant_id", *key, *sums])
    values = ", ".join(["'default'", *["%s"] * (len(key) + len(sums))])
    changes = ", ".join(f"{name} = t.{name} + EXCLUDED.{name}" for name in sums)
    conflict = ", ".join(["tenant_id", *key])
    await cursor.execute(
        f"INSERT INTO {table} AS t ({names}) VALUES ({values}) ON CONFLICT ({conflict}) DO UPDATE SET {changes}",
        [*key.values(), *sums.values()],
    )
