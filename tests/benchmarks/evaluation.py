"""How long it takes to look at every rule of every agent: 20 rules of 1,000 agents, in one transaction as the worker does it.

Agents have had conversations for 56 days, and in 30 quarters of an hour of each of the last nine. One agent in a hundred breaks
two rules, so that the time has the writing of alerts in it, too.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.types.json import Jsonb

from services.alerting import rule_json
from services.alerting.conditions import Absence, Anomaly, BurnRate, Change, Condition, Threshold
from services.alerting.defaults import DEFAULT_RULES
from services.alerting.evaluation import evaluate
from services.alerting.rounds import Round
from services.alerting.rules import AlertType, Comparison, Rule, Severity, SubjectKind
from services.runtime.database import Database

TENANT = "evaluated"
AGENTS, RULES, FIRING = 1000, 20, 20
DAYS, DAYS_OF_QUARTERS, QUARTERS = 56, 9, 30
NOW = datetime(2026, 5, 4, 12, 7, 30, tzinfo=UTC)
_DAY = timedelta(days=1)
_SUMS = ("conversations", "ended", "completed", "escalated", "conversions", "duration_ms", "csat_n", "csat_x100", "response_n",
         "response_ms")  # fmt: skip
_MEASURES = ("averageResponseTime", "customerSatisfactionAvg", "conversionRate", "escalationRate", "conversationCompletionRate")
_DAY_S = 86_400


def rules() -> Iterator[Rule]:
    """Yield rules of agents by every condition that agents have."""
    for measure in _MEASURES:
        yield _rule(f"{measure}-day", measure, Threshold(), _DAY_S)
        yield _rule(f"{measure}-hour", measure, Threshold(), 3600)
        yield _rule(f"{measure}-change", measure, Change(weeks=1), _DAY_S)
    yield _rule("week", "conversionRate", Change(weeks=4), 7 * _DAY_S)
    yield _rule("burning", "escalationRate", BurnRate(50), _DAY_S)
    yield _rule("falls", "totalConversations", Anomaly(), _DAY_S)
    yield _rule("rises", "conversionsGenerated", Anomaly(), _DAY_S)
    yield _rule("silent", "totalConversations", Absence(), _DAY_S)


def _rule(rule_id: str, measure: str, condition: Condition, window_s: int) -> Rule:
    return Rule(
        rule_id=rule_id,
        message=rule_id,
        type=AlertType.PERFORMANCE,
        severity=Severity.LOW,
        subject_kind=SubjectKind.AGENT,
        measure=measure,
        comparison=Comparison.ABOVE,
        fire_at=60_000 if measure == "averageResponseTime" else 1e6,
        window_s=window_s,
        condition=condition,
    )


async def evaluate_many(url: str) -> float:
    """Fill a migrated database, whose owner's URL this is, and return the seconds that one look at everything takes."""
    with psycopg.connect(url, autocommit=True) as conn:
        fill(conn)
    database = Database(url, "rapport_alerting")
    try:
        # The first look makes statements; the second, with nothing open any more, is what goes on.
        await look(database)
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("DELETE FROM alerting.alert")
        began = time.perf_counter()
        fired = await look(database)
        took = time.perf_counter() - began
    finally:
        await database.close()
    if fired != FIRING:
        raise AssertionError(f"{fired} alerts, not {FIRING}")
    return took


async def look(database: Database) -> int:
    """Look at everything once, and return how many alerts changed."""
    async with database.transaction(TENANT) as conn:
        return len(await evaluate(conn, Round({}, is_due=True, is_sweep=True), NOW, uuid4))


def fill(conn: psycopg.Connection[Any]) -> None:
    """Write rules and numbers."""
    chance = random.Random(1)
    made = list(rules())
    assert len(made) == RULES
    begun = "INSERT INTO alerting.evaluation (tenant_id, evaluated_at, defaults) VALUES (%s, %s, %s)"
    conn.execute(begun, [TENANT, NOW, len(DEFAULT_RULES)])
    columns = "tenant_id, rule_id, version, body, author, comment, put_at"
    put = f"INSERT INTO alerting.rule ({columns}) VALUES (%s, %s, 1, %s, '', '', now())".encode()
    conn.cursor().executemany(put, [(TENANT, each.rule_id, Jsonb(rule_json.to_json(each))) for each in made])
    days = [(NOW - n * _DAY).date() for n in range(DAYS + 1)]
    copy(conn, "agent_day", ((agent, day, 40 * QUARTERS // 30, chance) for agent in range(AGENTS) for day in days))
    # From eight in the morning until half past three.
    first = NOW.replace(hour=8, minute=0, second=0)
    quarters = [first - d * _DAY + n * timedelta(minutes=15) for d in range(DAYS_OF_QUARTERS) for n in range(QUARTERS)]
    copy(conn, "agent_interval", ((agent, each, 2, chance) for agent in range(AGENTS) for each in quarters))
    conn.execute("ANALYZE scoring.agent_day, scoring.agent_interval")


def copy(conn: psycopg.Connection[Any], table: str, rows: Iterator[tuple[int, Any, int, random.Random]]) -> None:
    """Write rows of an agent, a bucket and how many conversations it has."""
    statement = f"COPY scoring.{table} (tenant_id, agent_id, bucket, platform, {', '.join(_SUMS)}) FROM STDIN"
    with conn.cursor() as cursor, cursor.copy(statement.encode()) as out:
        for agent, bucket, most, chance in rows:
            n = chance.randint(1, most)
            ms = (90_000 if agent % 100 == 0 else 20_000) * n
            out.write_row((TENANT, f"agent {agent}", bucket, 1, n, n, n, 0, n // 2, n * 60_000, n, n * 400, n, ms))
