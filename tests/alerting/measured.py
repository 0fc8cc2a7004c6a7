"""What rules measure, written as ingest and scoring write it, and rules put as tests want them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg.types.json import Jsonb

from services.alerting import rule_json
from services.alerting.defaults import DEFAULT_RULES
from services.alerting.rules import AlertType, Comparison, Rule, Severity, SubjectKind
from services.runtime.windows import floor_to_quarter

TENANT = "default"
#: Those that tests know.
TENANTS = (TENANT, "other", "a", "b", "c")
COUNTS = (
    "conversations", "ended", "completed", "escalated", "conversions", "duration_ms", "csat_n", "csat_x100", "response_n",
    "response_ms", "kept", "no_show",
)  # fmt: skip
_COLUMNS = "tenant_id, rule_id, version, body, author, comment, put_at"
_PUT = f"INSERT INTO alerting.rule ({_COLUMNS}) VALUES (%s, %s, %s, %s, '', '', now())"


def rule(rule_id: str, measure: str, **told: Any) -> Rule:
    """Return a rule of agents whose measure is above 1, unless told otherwise."""
    said: dict[str, Any] = {
        "message": f"{measure} is wrong",
        "type": AlertType.PERFORMANCE,
        "severity": Severity.MEDIUM,
        "subject_kind": SubjectKind.AGENT,
        "comparison": Comparison.ABOVE,
        "fire_at": 1.0,
    }
    return Rule(rule_id=rule_id, measure=measure, **said | told)


def let_watchdogs_rest(url: str) -> None:
    """Let the rule whose alert always fires rest, so that a test finds the alerts that it makes and no other."""
    watchdog = next(each for added in DEFAULT_RULES for each in added if each.rule_id == "watchdog")
    with psycopg.connect(url) as conn:
        for tenant in TENANTS:
            body = Jsonb(rule_json.to_json(replace(watchdog, is_disabled=True)))
            conn.execute(f"{_PUT} ON CONFLICT DO NOTHING".encode(), [tenant, "watchdog", 1, body])


@dataclass
class Measured:
    """Writes rules, and the numbers that they measure, of one tenant, whose zone decides what a day is."""

    url: str
    tenant: str = TENANT
    zone: str = "UTC"

    async def rules(self, *rules: Rule) -> None:
        """Let the tenant have these rules and no others, not even the defaults, and have everything looked at."""
        given = "DELETE FROM alerting.rule WHERE tenant_id = %s"
        begun = (
            "INSERT INTO alerting.evaluation (tenant_id, evaluated_at, defaults) VALUES (%s, %s, %s)"
            " ON CONFLICT (tenant_id) DO UPDATE SET swept_at = NULL"
        )
        epoch = datetime(2000, 1, 1, tzinfo=UTC)
        async with await psycopg.AsyncConnection.connect(self.url) as conn:
            await conn.execute(given, [self.tenant])
            await conn.execute(begun, [self.tenant, epoch, len(DEFAULT_RULES)])
            for each in rules:
                await conn.execute(_PUT, [self.tenant, each.rule_id, each.version, Jsonb(rule_json.to_json(each))])

    async def settings(self, currency: str = "USD") -> None:
        """Let the tenant have its zone, and a reporting currency."""
        await self.execute(
            "INSERT INTO ingest.tenant_settings (tenant_id, reporting_currency, time_zone, attribution_window_days, version,"
            " updated_at) VALUES (%s, %s, %s, 7, 1, now())",
            [(self.tenant, currency, self.zone)],
        )

    async def know(self, *agents: str) -> None:
        """Let agents be known, as a fact that names them makes them."""
        put = "INSERT INTO scoring.agent_state (tenant_id, agent_id, revision) VALUES (%s, %s, 1) ON CONFLICT DO NOTHING"
        await self.execute(put, [(self.tenant, each) for each in agents])

    async def retire(self, agent: str) -> None:
        """Let an agent be gone for good."""
        await self.execute("INSERT INTO ingest.agent (tenant_id, agent_id, state) VALUES (%s, %s, 4)", [(self.tenant, agent)])

    async def count(self, at: datetime, agent: str = "agent", platform: int = 1, **counts: int) -> None:
        """Count conversations and appointments in the rollups by quarter of an hour and by day, and touch the agent."""
        await self.count_all([(at, agent, platform, counts)])

    async def count_all(self, counted: Iterable[tuple[datetime, str, int, dict[str, int]]]) -> None:
        """Count many, each at a moment, of an agent on a platform."""
        told = [(at, agent, platform, [counts.get(name, 0) for name in COUNTS]) for at, agent, platform, counts in counted]
        await self.execute(_upsert("agent_interval", ("agent_id", "bucket", "platform"), COUNTS),
                           [(self.tenant, a, floor_to_quarter(at), p, *n) for at, a, p, n in told])  # fmt: skip
        await self.execute(_upsert("agent_day", ("agent_id", "bucket", "platform"), COUNTS),
                           [(self.tenant, a, self.day(at), p, *n) for at, a, p, n in told])  # fmt: skip
        await self.execute(_upsert("counts_total_day", ("bucket", "platform"), COUNTS),
                           [(self.tenant, self.day(at), p, *n) for at, _, p, n in told])  # fmt: skip
        await self.touch(1, {agent for _, agent, _, _ in told})

    async def earn(self, at: datetime, amount: str, currency: str = "USD", agent: str = "agent", platform: int = 1) -> None:
        """Count an order."""
        await self.earn_all([(at, amount, agent, platform)], currency)

    async def earn_all(self, earned: Iterable[tuple[datetime, str, str, int]], currency: str = "USD") -> None:
        """Count orders: when, how much, of which agent and on which platform."""
        told, names = list(earned), ("orders", "amount")
        await self.execute(
            _upsert("revenue_interval", ("agent_id", "bucket", "platform", "currency"), names),
            [(self.tenant, agent, floor_to_quarter(at), p, currency, 1, Decimal(n)) for at, n, agent, p in told],
        )
        await self.execute(
            _upsert("revenue_day", ("agent_id", "bucket", "platform", "currency"), names),
            [(self.tenant, agent, self.day(at), p, currency, 1, Decimal(n)) for at, n, agent, p in told],
        )
        await self.execute(
            _upsert("revenue_total_day", ("bucket", "platform", "currency"), names),
            [(self.tenant, self.day(at), p, currency, 1, Decimal(n)) for at, n, _, p in told],
        )
        await self.touch(1, {agent for _, _, agent, _ in told})

    async def rate_all(self, rated: Iterable[tuple[datetime, str, str, int]]) -> None:
        """Let customers have rated conversations: when, with which agent, who, and how."""
        told = list(rated)
        await self.execute(
            "INSERT INTO scoring.contribution (tenant_id, kind, fact_id, agent_id, platform, customer_id, at, day, conversations,"
            " ended, completed, escalated, conversions, csat_x100, booked, kept, no_show, cancelled, orders)"
            " VALUES (%s, 1, %s, %s, 1, %s, %s, %s, 1, 1, 1, 0, 0, %s, 0, 0, 0, 0, 0)",
            [(self.tenant, f"{c} {a} {at}", a, c, at, self.day(at), 100 * score) for at, a, c, score in told],
        )
        await self.touch(2, {customer for _, _, customer, _ in told})

    async def receive(self, source: int, at: datetime, **counts: int) -> None:
        """Count reports that a source made."""
        values = [(self.tenant, source, floor_to_quarter(at), at, *(counts.get(n, 0) for n in ("created", "duplicate")))]
        await self.execute(
            "INSERT INTO ingest.sync_quarter (tenant_id, source, quarter, lane, last_received, created, duplicate)"
            " VALUES (%s, %s, %s, 0, %s, %s, %s)",
            values,
        )

    async def touch(self, kind: int, ids: Iterable[str]) -> None:
        await self.execute(
            "INSERT INTO scoring.touched (tenant_id, subject_kind, subject_id) VALUES (%s, %s, %s)",
            [(self.tenant, kind, each) for each in ids],
        )

    async def execute(self, statement: str, rows: Iterable[tuple[Any, ...]] = ((),)) -> None:
        """Run a statement as the owner of the database, once for each row."""
        async with self.at_once(), self._conn.cursor() as cursor:
            await cursor.executemany(statement.encode(), list(rows))

    @asynccontextmanager
    async def at_once(self) -> AsyncIterator[None]:
        """Write all that the block writes in one transaction."""
        if hasattr(self, "_conn"):
            yield
            return
        async with await psycopg.AsyncConnection.connect(self.url) as self._conn:
            yield
        del self._conn

    def day(self, at: datetime) -> date:
        """Return the tenant's day that a moment is on."""
        return at.astimezone(ZoneInfo(self.zone)).date()


def _upsert(table: str, key: tuple[str, ...], sums: tuple[str, ...]) -> str:
    names = ("tenant_id", *key, *sums)
    added = ", ".join(f"{name} = t.{name} + EXCLUDED.{name}" for name in sums)
    return (
        f"INSERT INTO scoring.{table} AS t ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})"
        f" ON CONFLICT (tenant_id, {', '.join(key)}) DO UPDATE SET {added}"
    )
