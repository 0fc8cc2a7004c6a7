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
from services.scoring.contribution_store import COLUMNS, SOURCES, Source
from services.scoring.measures import Grouping, Kind, Measure
from services.scoring.rollups import BY_DAY, BY_INTERVAL, COSTS, CUSTOMER_DAYS, CUSTOMER_REVENUE
from services.storage import schema

#: Stands for "not there before".
NEVER = "DATE '0001-01-01'"
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
        DELETE FROM scoring.contribution AS t USING missing AS m
        WHERE t.tenant_id = :tenant AND t.kind = m.kind AND t.fact_id = m.fact_id AND t.day >= :frozen
        RETURNING {_listed(_VALUES, "t.")}
    ),
    delta AS MATERIALIZED (
        SELECT 1 AS s, {_listed(_VALUES)} FROM put
        UNION ALL
        SELECT -1, {_listed(_VALUES, "was_")} FROM put WHERE was_day >= :frozen
        UNION ALL
        SELECT -1, {_listed(_VALUES)} FROM gone
    )"""

#: Among what customers are told apart: groupings with their groups.
GROUPS = (
    f"(VALUES ({Grouping.TENANT:d}, ''), ({Grouping.AGENT:d}, agent_id), ({Grouping.PLATFORM:d}, CAST(platform AS text))) "
    "AS g (grouping, group_id)"
)
_IN_GROUP = (
    f"CASE grouping WHEN {Grouping.TENANT:d} THEN true WHEN {Grouping.AGENT:d} THEN d.agent_id = group_id "
    "ELSE CAST(d.platform AS text) = group_id END"
)
#: One customer's day beside another, among the days before this batch.
_BESIDE = f"""
    SELECT d.day FROM scoring.customer_day AS d
    WHERE d.tenant_id = :tenant AND d.customer_id = f.customer_id AND d.conversations > 0 AND {_IN_GROUP}"""

#: A day on which a customer begins or ceases to be there comes between two others. Those beside it are all that has to be
#: looked at: what lies between two days without such a one is the same before and after, and cancels out. `within` says that
#: the day is not after all that was known of the customer before this batch, so that there may be something beside it later.
PRESENCE = f"""
    turned AS (
        SELECT p.customer_id, p.day, p.agent_id, p.platform, CASE WHEN p.conversations > 0 THEN 1 ELSE -1 END AS change,
               coalesce(p.day <= s.last_day, false) AS within
        FROM put_days AS p
        LEFT JOIN scoring.customer_state AS s ON s.tenant_id = :tenant AND s.customer_id = p.customer_id
        WHERE (p.was_conversations > 0) <> (p.conversations > 0)
    ),
    turned_groups AS (
        SELECT grouping, group_id, customer_id, day, sum(change) AS change, bool_or(within) AS within
        FROM turned CROSS JOIN LATERAL {GROUPS} GROUP BY 1, 2, 3, 4
    ),
    flips AS (
        SELECT grouping, group_id, customer_id, day, had.n > 0 AS was, had.n + change > 0 AS is_there, within
        FROM turned_groups AS f CROSS JOIN LATERAL (
            SELECT count(*) AS n FROM scoring.customer_day AS d
            WHERE d.tenant_id = :tenant AND d.customer_id = f.customer_id AND d.day = f.day AND d.conversations > 0
              AND f.within AND {_IN_GROUP}
        ) AS had
        WHERE (had.n > 0) <> (had.n + change > 0)
    ),
    around AS (
        SELECT grouping, group_id, customer_id, day, bool_and(was) AS was, bool_and(is_there) AS is_there
        FROM (
            SELECT grouping, group_id, customer_id, day, was, is_there FROM flips
            UNION ALL
            SELECT f.grouping, f.group_id, f.customer_id, beside.day, true, true
            FROM flips AS f CROSS JOIN LATERAL (
                ({_BESIDE} AND d.day < f.day ORDER BY d.day DESC LIMIT 1)
                UNION ALL
                ({_BESIDE} AND d.day > f.day AND f.within ORDER BY d.day LIMIT 1)
            ) AS beside
        ) AS both_sides
        GROUP BY 1, 2, 3, 4
    ),
    pairs AS (
        SELECT grouping, group_id, day, lag(day, 1, {NEVER}) OVER before AS previous_day, -1 AS n
        FROM around WHERE was WINDOW before AS (PARTITION BY grouping, group_id, customer_id ORDER BY day)
        UNION ALL
        SELECT grouping, group_id, day, lag(day, 1, {NEVER}) OVER after, 1
        FROM around WHERE is_there WINDOW after AS (PARTITION BY grouping, group_id, customer_id ORDER BY day)
    )"""


def add_presence(table: str, sign: str = "") -> str:
    """Return the statement that adds `pairs` to a table of presence, or takes them from it."""
    return (
        f"INSERT INTO {table} AS p (tenant_id, grouping, group_id, day, previous_day, n) "
        f"SELECT CAST(:tenant AS text), grouping, group_id, day, previous_day, {sign}sum(n) FROM pairs "
        "GROUP BY 2, 3, 4, 5 HAVING sum(n) <> 0 ORDER BY 2, 3, 4, 5 "
        "ON CONFLICT (tenant_id, grouping, group_id, day, previous_day) DO UPDATE SET n = p.n + EXCLUDED.n"
    )


#: What customers did on days, before and after.
PUT_DAYS = CUSTOMER_DAYS.add(
    " RETURNING customer_id, day, agent_id, platform, coalesce(old.conversations, 0) AS was_conversations, new.conversations, "
    "new.orders"
)

_TOLD = f"""
    known_agents AS (
        INSERT INTO scoring.agent_state AS a (tenant_id, agent_id, revision)
        SELECT CAST(:tenant AS text), agent_id, 1
        FROM (SELECT agent_id FROM delta UNION SELECT unnest(CAST(:agents AS text[]))) AS named_agents
        WHERE agent_id <> '' ORDER BY agent_id
        ON CONFLICT (tenant_id, agent_id) DO UPDATE SET revision = a.revision + 1
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
    added = [f"put_{r.table.name} AS ({r.add()})" for r in (*BY_DAY, *BY_INTERVAL, COSTS, CUSTOMER_REVENUE)]
    parts = [
        f"named AS ({named})", f"new AS MATERIALIZED ({new})", CHANGED, *added, f"put_days AS ({PUT_DAYS})", PRESENCE,
        f"put_presence AS ({add_presence('scoring.presence')})", _TOLD,
    ]  # fmt: skip
    return text(f"WITH {', '.join(parts)} {_ANSWER}")


#: Once retention has deleted facts, what they told of a customer does not go back: nobody could tell it again.
_PUT_STATES = text(
    """
    INSERT INTO scoring.customer_state AS t (
        tenant_id, customer_id, engagement_days, first_day, last_day, order_days, first_order_day, last_order_day, orders,
        advocate
    )
    SELECT CAST(:tenant AS text), w.customer_id, d.engagement_days, d.first_day, d.last_day,
           d.order_days, d.first_order_day, d.last_order_day, d.orders,
           EXISTS (
               SELECT FROM ingest.conversation AS c
               WHERE c.tenant_id = :tenant AND c.customer_id = w.customer_id AND (c.conversion_type = 4 OR c.stage = 5)
           )
    FROM unnest(CAST(:customers AS text[])) AS w (customer_id)
    CROSS JOIN LATERAL (
        SELECT count(*) AS engagement_days, min(day) AS first_day, max(day) AS last_day,
               count(*) FILTER (WHERE e.orders > 0) AS order_days, min(day) FILTER (WHERE e.orders > 0) AS first_order_day,
               max(day) FILTER (WHERE e.orders > 0) AS last_order_day, coalesce(sum(e.orders), 0) AS orders
        FROM (
            SELECT day, sum(c.orders) AS orders FROM scoring.customer_day AS c
            WHERE c.tenant_id = :tenant AND c.customer_id = w.customer_id AND (c.conversations > 0 OR c.orders > 0)
            GROUP BY day
        ) AS e
    ) AS d
    ORDER BY w.customer_id
    ON CONFLICT (tenant_id, customer_id) DO UPDATE SET
        engagement_days = EXCLUDED.engagement_days, first_day = EXCLUDED.first_day, last_day = EXCLUDED.last_day,
        order_days = EXCLUDED.order_days, first_order_day = EXCLUDED.first_order_day,
        last_order_day = EXCLUDED.last_order_day, orders = EXCLUDED.orders,
        advocate = EXCLUDED.advocate OR (
            t.advocate AND EXISTS (SELECT FROM ingest.horizon AS h WHERE h.tenant_id = :tenant)
        )
    """
)
_KNOW_AGENTS = text(
    """
    INSERT INTO scoring.agent_state AS a (tenant_id, agent_id, revision)
    SELECT CAST(:tenant AS text), agent_id, 1 FROM unnest(CAST(:agents AS text[])) AS agent_id
    ON CONFLICT (tenant_id, agent_id) DO UPDATE SET revision = a.revision + 1
    """
)
_DELETE_EMPTY_DAYS = text(
    """
    DELETE FROM scoring.customer_day
    WHERE tenant_id = :tenant AND customer_id = ANY(CAST(:customers AS text[])) AND conversations = 0 AND orders = 0
    """
)
#: The events of one moment go by their ids, which stand behind their sources.
_PUT_CAMPAIGNS = text(
    f"""
    UPDATE scoring.customer_state AS s SET campaign = coalesce((
        SELECT s.campaign FROM ingest.horizon AS h WHERE h.tenant_id = :tenant
    ), (
        SELECT k.campaign FROM scoring.contribution AS k
        WHERE k.tenant_id = :tenant AND k.customer_id = s.customer_id AND k.campaign IS NOT NULL
          AND k.measure = {Measure.INTERACTION:d}
        ORDER BY k.at, substr(k.fact_id, strpos(k.fact_id, '/') + 1) COLLATE "C", k.fact_id COLLATE "C"
        LIMIT 1
    ))
    WHERE s.tenant_id = :tenant AND s.customer_id = ANY(CAST(:customers AS text[]))
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


@dataclass(frozen=True, slots=True)
class Moved:
    """Whom a batch concerned: customers, those whom an interaction may have brought, and whether days became empty."""

    customers: set[str]
    brought: set[str]
    emptied: bool


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


async def settle_customers(conn: AsyncConnection, customers: Collection[str], moved: Moved) -> None:
    """Write what the customer models need of customers whose days may have changed, and what brought them."""
    told = {"tenant": current_tenant(), "customers": sorted(customers)}
    if customers:
        await conn.execute(_PUT_STATES, told)
    if moved.emptied:
        await conn.execute(_DELETE_EMPTY_DAYS, told)
    if moved.brought:
        await conn.execute(_PUT_CAMPAIGNS, told | {"customers": sorted(moved.brought)})


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
