"""SQL that counts: what facts count for now, less what they counted for before, added to every rollup.

One statement counts a whole batch, so a batch costs the database what it must and the worker next to nothing. What it takes
besides the parameters of `contribution_store` is in `Counting`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import TextClause, delete, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.scoring.contribution_store import SOURCES
from services.scoring.measures import Kind, Measure
from services.scoring.presence_store import PRESENCE, PUT_DAYS, add_presence
from services.scoring.rollups import BY_DAY, BY_INTERVAL, COSTS, CUSTOMER_REVENUE, MONTHS, TOTALS
from services.scoring.source_store import COLUMNS, NOT_ERASED, Source
from services.scoring.state_store import Moved
from services.storage import schema

#: How `touched` calls agents and customers.
AGENT, CUSTOMER = 1, 2

_VALUES = tuple(c for c in COLUMNS if c not in {"tenant_id", "kind", "fact_id"})


def _listed(columns: Collection[str], prefix: str = "") -> str:
    return ", ".join(f"{prefix}{c}" for c in columns)


#: What counted before `frozen` stays counted: neither taken back nor added.
CHANGED = f"""
    kept AS (SELECT * FROM new WHERE day >= :frozen),
    missing AS (SELECT kind, fact_id FROM named EXCEPT SELECT kind, fact_id FROM kept),
    put AS (
        INSERT INTO scoring.contribution AS t ({_listed(COLUMNS)})
        SELECT CAST(:tenant AS text), {_listed(COLUMNS[1:])} FROM kept ORDER BY kind, fact_id
        ON CONFLICT (tenant_id, kind, fact_id) DO UPDATE SET {", ".join(f"{v} = EXCLUDED.{v}" for v in _VALUES)}
        WHERE ({_listed(_VALUES, "t.")}) IS DISTINCT FROM ({_listed(_VALUES, "EXCLUDED.")})
        RETURNING {", ".join(f"old.{v} AS was_{v}, new.{v} AS {v}" for v in _VALUES)}
    ),
    gone AS (
        DELETE FROM scoring.contribution AS o USING missing AS m
        WHERE o.tenant_id = :tenant AND o.kind = m.kind AND o.fact_id = m.fact_id AND o.day >= :frozen AND {NOT_ERASED}
        RETURNING {_listed(_VALUES, "o.")}
    ),
    delta AS MATERIALIZED (
        SELECT 1 AS s, {_listed(_VALUES)} FROM put
        UNION ALL
        SELECT -1, {_listed(_VALUES, "was_")} FROM put WHERE was_day >= :frozen
        UNION ALL
        SELECT -1, {_listed(_VALUES)} FROM gone
    )"""

#: One number for all agents that move together: only who holds the tenant's lease writes it, so it grows as it commits.
NEXT_REVISION = "(SELECT coalesce(max(revision), 0) + 1 FROM scoring.agent_state WHERE tenant_id = :tenant)"

_TOLD = f"""
    known_agents AS (
        INSERT INTO scoring.agent_state (tenant_id, agent_id, revision)
        SELECT CAST(:tenant AS text), agent_id, {NEXT_REVISION}
        FROM (SELECT agent_id FROM delta UNION SELECT unnest(CAST(:agents AS text[]))) AS named_agents
        WHERE agent_id <> '' ORDER BY agent_id
        ON CONFLICT (tenant_id, agent_id) DO UPDATE SET revision = EXCLUDED.revision
    ),
    told AS (
        INSERT INTO scoring.touched (tenant_id, subject_kind, subject_id, trace)
        SELECT DISTINCT CAST(:tenant AS text), subject_kind, subject_id, CAST(:trace AS text)
        FROM delta CROSS JOIN LATERAL (VALUES ({AGENT}, agent_id), ({CUSTOMER}, customer_id)) AS x (subject_kind, subject_id)
        WHERE subject_id <> '' ORDER BY subject_kind, subject_id
    )"""

#: A conversation may make its customer an advocate without counting for anything else.
_ANSWER = f"""
    SELECT array(
               SELECT customer_id FROM delta WHERE customer_id <> ''
               UNION SELECT customer_id FROM new WHERE kind = {Kind.CONVERSATION:d} AND customer_id <> ''
           ) AS customers,
           array(SELECT DISTINCT customer_id FROM delta WHERE measure = {Measure.INTERACTION:d} AND customer_id <> '') AS brought,
           EXISTS (SELECT FROM put_days WHERE conversations = 0 AND orders = 0) AS emptied"""


@cache
def counting_statement(sources: tuple[Source, ...]) -> TextClause:
    """Return the statement that counts facts of some sources."""
    named = " UNION ALL ".join(
        f"SELECT CAST({kind:d} AS smallint) AS kind, unnest(CAST(:{source.ids} AS text[])) AS fact_id"
        for source in sources
        for kind in source.kinds
    )
    new = " UNION ALL ".join(source.select(everything=False) for source in sources)
    added = [f"put_{r.table.name} AS ({r.add()})" for r in (*BY_DAY, *BY_INTERVAL, *TOTALS, *MONTHS, COSTS, CUSTOMER_REVENUE)]
    parts = [
        f"named AS ({named})", f"new AS MATERIALIZED ({new})", CHANGED, *added, f"put_days AS ({PUT_DAYS})", PRESENCE,
        f"put_presence AS ({add_presence('scoring.presence')})", _TOLD,
    ]  # fmt: skip
    return text(f"WITH {', '.join(parts)} {_ANSWER}")


_KNOW_AGENTS = text(
    f"""
    INSERT INTO scoring.agent_state (tenant_id, agent_id, revision)
    SELECT CAST(:tenant AS text), agent_id, {NEXT_REVISION} FROM unnest(CAST(:agents AS text[])) AS agent_id
    ON CONFLICT (tenant_id, agent_id) DO UPDATE SET revision = EXCLUDED.revision
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """What a batch is counted by: the tenant's time zone and attribution window, the moment, and what stays as it is.

    Numbers of days before `frozen` are not touched; quarters of an hour before `intervals_from` are not kept.
    """

    zone: str
    attribution: timedelta
    now: datetime
    frozen: date
    intervals_from: datetime
    trace: str | None


async def count_facts(
    conn: AsyncConnection, facts: Mapping[str, Collection[str]], agents: Collection[str], by: Counting
) -> Moved:
    """Count facts, listed by their sources' parameters, in every rollup, and make agents known."""
    sources = tuple(s for s in SOURCES if facts.get(s.ids))
    told = {name: list(ids) for name, ids in facts.items()}
    values: dict[str, Any] = {name: getattr(by, name) for name in by.__slots__}
    values |= told | {"agents": list(agents), "tenant": current_tenant()}
    row = (await conn.execute(counting_statement(sources), values)).one()
    return Moved(set(row.customers), set(row.brought), row.emptied)


async def know_agents(conn: AsyncConnection, agents: Collection[str]) -> None:
    """Make agents known, and tell who watches them that something about them changed."""
    await conn.execute(_KNOW_AGENTS, {"tenant": current_tenant(), "agents": sorted(agents)})


async def touch(conn: AsyncConnection, subjects: Sequence[tuple[int, str]], trace: str | None) -> None:
    """Ask alerting to evaluate agents (1) and customers (2) again."""
    if subjects:
        tenant = current_tenant()
        rows = [{"tenant_id": tenant, "subject_kind": kind, "subject_id": who, "trace": trace} for kind, who in subjects]
        await conn.execute(schema.touched.insert(), rows)


async def set_drained(conn: AsyncConnection, now: datetime) -> None:
    """Note when the tenant was scored last."""
    await conn.execute(update(schema.progress).where(schema.progress.c.tenant_id == THIS_TENANT).values(drained_at=now))


async def prune_intervals(conn: AsyncConnection, before: datetime) -> None:
    """Delete numbers by quarter of an hour that are too old to be kept."""
    for rollup in BY_INTERVAL:
        table: Any = rollup.table
        await conn.execute(delete(table).where(table.c.tenant_id == THIS_TENANT, table.c.bucket < before))
