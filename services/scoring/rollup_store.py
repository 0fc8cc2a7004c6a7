"""SQL with which the worker writes what facts amount to. Each statement takes one JSON document of rows."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, fields
from datetime import date, datetime
from typing import Any

from sqlalchemy import ARRAY, Table, Text, any_, bindparam, delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.scoring.contributions import Contribution
from services.scoring.deltas import COUNTS, Cost, Money, Rollups
from services.scoring.measures import Measure
from services.scoring.presence import CustomerDays, Day, Place
from services.storage import schema

Row = dict[str, Any]


def _merge(table: Table, *, adds: bool) -> Any:
    """Return a statement that upserts rows: it adds to what is there, or replaces it."""
    key = [c.name for c in table.primary_key]
    values = [c.name for c in table.columns if c.name not in key]
    name = table.name
    change = ", ".join(f"{v} = {name}.{v} + EXCLUDED.{v}" if adds else f"{v} = EXCLUDED.{v}" for v in values)
    return text(
        f"INSERT INTO {table.fullname} SELECT r.* FROM json_populate_recordset(NULL::{table.fullname}, CAST(:rows AS json)) AS r "
        f"ORDER BY {', '.join(key)} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {change}"
    )


_ADDING = (
    schema.agent_day, schema.agent_interval, schema.revenue_day, schema.revenue_interval, schema.response_day,
    schema.response_interval, schema.tally_day, schema.tally_interval, schema.presence, schema.customer_revenue_day,
    schema.cost_period, schema.agent_state,
)  # fmt: skip
_ADD = {table.name: _merge(table, adds=True) for table in _ADDING}
_PUT_CONTRIBUTIONS = _merge(schema.contribution, adds=False)
_PUT_CUSTOMER_DAYS = _merge(schema.customer_day, adds=False)
#: Once retention has deleted facts, what they told of a customer does not go back: nobody could tell it again.
_PUT_CUSTOMER_STATES = text(
    """
    INSERT INTO scoring.customer_state AS t
    SELECT r.* FROM json_populate_recordset(NULL::scoring.customer_state, CAST(:rows AS json)) AS r ORDER BY customer_id
    ON CONFLICT (tenant_id, customer_id) DO UPDATE SET
        engagement_days = EXCLUDED.engagement_days, first_day = EXCLUDED.first_day, last_day = EXCLUDED.last_day,
        order_days = EXCLUDED.order_days, first_order_day = EXCLUDED.first_order_day,
        last_order_day = EXCLUDED.last_order_day, orders = EXCLUDED.orders,
        advocate = EXCLUDED.advocate OR (
            t.advocate AND EXISTS (SELECT FROM ingest.horizon AS h WHERE h.tenant_id = EXCLUDED.tenant_id)
        )
    """
)
#: The events of one moment go by their ids, which stand behind their sources.
_PUT_CAMPAIGNS = text(
    """
    UPDATE scoring.customer_state AS s SET campaign = coalesce((
        SELECT s.campaign FROM ingest.horizon AS h WHERE h.tenant_id = :tenant
    ), (
        SELECT k.campaign FROM scoring.contribution AS k
        WHERE k.tenant_id = :tenant AND k.customer_id = s.customer_id AND k.campaign IS NOT NULL AND k.measure = :interaction
        ORDER BY k.at, substr(k.fact_id, strpos(k.fact_id, '/') + 1) COLLATE "C", k.fact_id COLLATE "C"
        LIMIT 1
    ))
    WHERE s.tenant_id = :tenant AND s.customer_id = ANY(:customers)
    """
)
_DELETE_CONTRIBUTIONS = text(
    """
    DELETE FROM scoring.contribution WHERE tenant_id = :tenant
    AND (kind, fact_id) IN (SELECT * FROM unnest(CAST(:kinds AS smallint[]), CAST(:facts AS text[])))
    """
)
_DELETE_CUSTOMER_DAYS = text(
    """
    DELETE FROM scoring.customer_day WHERE tenant_id = :tenant
    AND (customer_id, day, agent_id, platform) IN (
        SELECT * FROM unnest(
            CAST(:customers AS text[]), CAST(:days AS date[]), CAST(:agents AS text[]), CAST(:platforms AS smallint[])
        )
    )
    """
)
_TOUCH = text(
    "INSERT INTO scoring.touched (tenant_id, subject_kind, subject_id, trace) SELECT tenant_id, subject_kind, subject_id, trace "
    "FROM json_populate_recordset(NULL::scoring.touched, CAST(:rows AS json))"
)


async def put_contributions(conn: AsyncConnection, contributions: Iterable[Contribution]) -> None:
    """Write what facts count for."""
    await _execute(conn, _PUT_CONTRIBUTIONS, [_row_of(c) for c in contributions])


async def delete_contributions(conn: AsyncConnection, keys: Collection[tuple[int, str]]) -> None:
    """Forget facts that count for nothing any more."""
    if keys:
        kinds, facts = zip(*keys, strict=True)
        await conn.execute(
            _DELETE_CONTRIBUTIONS, {"tenant": current_tenant(), "kinds": [int(k) for k in kinds], "facts": list(facts)}
        )


async def add_rollups(conn: AsyncConnection, grain: str, rollups: Rollups) -> None:
    """Add deltas to the rollups of a grain ("day" or "interval")."""
    counts = [_place(*k) | dict(zip(COUNTS, v, strict=True)) for k, v in rollups.counts.items() if any(v)]
    money = [_place(*k[:3]) | {"currency": k[3]} | asdict(v) for k, v in rollups.money.items() if v != Money()]
    responses = [_place(*k[:3]) | {"log_bucket": k[3], "n": n} for k, n in rollups.responses.items() if n]
    await _execute(conn, _ADD[f"agent_{grain}"], counts)
    await _execute(conn, _ADD[f"revenue_{grain}"], money)
    await _execute(conn, _ADD[f"response_{grain}"], responses)
    tallies = [_place(*k[:3]) | {"measure": k[3], "n": n} for k, n in rollups.tallies.items() if n]
    await _execute(conn, _ADD[f"tally_{grain}"], tallies)


async def add_presence(conn: AsyncConnection, moved: Mapping[Place, int]) -> None:
    """Add customers to, or take them from, the pairs of days on which they were there."""
    names = ("grouping", "group_id", "day", "previous_day")
    await _execute(conn, _ADD["presence"], [dict(zip(names, place, strict=True)) | {"n": n} for place, n in moved.items()])


async def add_customer_revenue(conn: AsyncConnection, money: Mapping[tuple[str, date, str], Money]) -> None:
    """Add to what customers paid on days."""
    rows = [
        {"customer_id": customer, "day": day, "currency": currency, "orders": m.orders, "amount": m.amount}
        for (customer, day, currency), m in money.items()
        if m.orders or m.amount
    ]
    await _execute(conn, _ADD["customer_revenue_day"], rows)


async def add_costs(conn: AsyncConnection, costs: Mapping[tuple[str, str, int, str, str, date, date], Cost]) -> None:
    """Add to what was spent for some days."""
    names = ("agent_id", "customer_id", "category", "campaign", "currency", "first_day", "end_day")
    rows = [dict(zip(names, k, strict=True)) | {"n": c.n, "amount": c.amount} for k, c in costs.items() if c != Cost()]
    await _execute(conn, _ADD["cost_period"], rows)


async def get_customer_days(conn: AsyncConnection, customers: Collection[str]) -> dict[str, dict[Day, tuple[int, int]]]:
    """Return what customers did on each day, by agent and platform."""
    c = schema.customer_day.c
    columns = (c.customer_id, c.day, c.agent_id, c.platform, c.conversations, c.orders)
    rows = await conn.execute(
        select(*columns).where(
            c.tenant_id == THIS_TENANT, c.customer_id == any_(bindparam(None, list(customers), type_=ARRAY(Text)))
        )
    )
    found: dict[str, dict[Day, tuple[int, int]]] = defaultdict(dict)
    for customer, day, agent, platform, conversations, orders in rows:
        found[customer][day, agent, platform] = (conversations, orders)
    return found


async def put_customer_days(
    conn: AsyncConnection,
    written: Mapping[tuple[str, date, str, int], tuple[int, int]],
    gone: Collection[tuple[str, date, str, int]],
) -> None:
    """Write customers' days, and delete those on which nothing is left."""
    names = ("customer_id", "day", "agent_id", "platform", "conversations", "orders")
    await _execute(conn, _PUT_CUSTOMER_DAYS, [dict(zip(names, (*key, *counts), strict=True)) for key, counts in written.items()])
    if gone:
        columns = (list(column) for column in zip(*gone, strict=True))
        keys = dict(zip(("customers", "days", "agents", "platforms"), columns, strict=True))
        await conn.execute(_DELETE_CUSTOMER_DAYS, {"tenant": current_tenant()} | keys)


async def put_customer_states(conn: AsyncConnection, states: Mapping[str, CustomerDays], advocates: Collection[str]) -> None:
    """Write what the customer models need; segments and campaigns stay as they are."""
    rows = [{"customer_id": k, "advocate": k in advocates} | asdict(v) for k, v in states.items()]
    await _execute(conn, _PUT_CUSTOMER_STATES, rows)


async def put_campaigns(conn: AsyncConnection, customers: Collection[str]) -> None:
    """Write which campaign brought each of the customers: that of the first counted interaction that names one."""
    if customers:
        told = {"tenant": current_tenant(), "customers": list(customers), "interaction": int(Measure.INTERACTION)}
        await conn.execute(_PUT_CAMPAIGNS, told)


async def bump_agents(conn: AsyncConnection, agents: Collection[str]) -> None:
    """Make agents known, and tell who watches them that their numbers moved."""
    await _execute(conn, _ADD["agent_state"], [{"agent_id": agent, "revision": 1} for agent in agents])


async def touch(conn: AsyncConnection, subjects: Collection[tuple[int, str]], trace: str | None) -> None:
    """Ask alerting to evaluate agents (1) and customers (2) again."""
    await _execute(
        conn, _TOUCH, [{"subject_kind": kind, "subject_id": subject, "trace": trace} for kind, subject in sorted(subjects)]
    )


async def set_drained(conn: AsyncConnection, now: datetime) -> None:
    """Note when the tenant was scored last."""
    await conn.execute(update(schema.progress).where(schema.progress.c.tenant_id == THIS_TENANT).values(drained_at=now))


async def prune_intervals(conn: AsyncConnection, before: datetime) -> None:
    """Delete numbers by quarter of an hour that are too old to be kept."""
    for table in (schema.agent_interval, schema.revenue_interval, schema.response_interval, schema.tally_interval):
        await conn.execute(delete(table).where(table.c.tenant_id == THIS_TENANT, table.c.bucket < before))


_COLUMNS = tuple(f.name for f in fields(Contribution))


def _row_of(c: Contribution) -> Row:
    """Return a contribution as a row, without the columns that it leaves absent."""
    return {name: value for name in _COLUMNS if (value := getattr(c, name)) is not None}


def _place(agent_id: str, bucket: date | datetime, platform: int) -> Row:
    return {"agent_id": agent_id, "bucket": bucket, "platform": platform}


async def _execute(conn: AsyncConnection, statement: Any, rows: list[Row]) -> None:
    if rows:
        tenant = current_tenant()
        await conn.execute(statement, {"rows": json.dumps([{"tenant_id": tenant} | row for row in rows], default=str)})
