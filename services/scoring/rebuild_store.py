"""SQL that counts every fact anew and puts right what comes out differently: one statement a step.

Nobody else scores the tenant meanwhile. Each statement writes only rows that differ, in a transaction that others see whole or
not at all, so readers see the old numbers until it commits. Facts that are recorded while it goes on have changes waiting, and
are counted afterwards; so no statement needs to see the same moment as the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Date, Table, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import current_tenant
from services.scoring.contribution_store import CONVERSATIONS, SOURCES
from services.scoring.event_source_store import CART_CHECKED_OUT, CART_GIVEN_UP, CART_PATIENCE, FOLLOW_UP_OPEN
from services.scoring.facts_store import CART, FOLLOW_UP
from services.scoring.measures import Grouping, Measure
from services.scoring.presence_store import NEVER
from services.scoring.rollup_store import AGENT, NEXT_REVISION, Counting
from services.scoring.rollups import BY_DAY, BY_INTERVAL, COSTS, CUSTOMER_DAYS, CUSTOMER_REVENUE, TOTALS, Rollup
from services.scoring.source_store import COLUMNS, NOT_ERASED, Source
from services.scoring.state_store import IS_ADVOCATE, SUMMARY
from services.storage import locks, schema

#: Conversations counted by one statement: often enough for a progress bar, seldom enough to be worth its while.
CONVERSATIONS_AT_ONCE = 50_000

_MEMORY = text("SELECT set_config('work_mem', '128MB', true)")
_ALONE = text("SELECT pg_try_advisory_xact_lock(:key, hashtext(:tenant))")
_LEASE = (
    text("INSERT INTO scoring.progress (tenant_id) VALUES (:tenant) ON CONFLICT DO NOTHING"),
    text("SELECT FROM scoring.progress WHERE tenant_id = :tenant FOR UPDATE"),
)
_BOUNDS = text(
    """
    SELECT conversation_id FROM (
        SELECT conversation_id, row_number() OVER (ORDER BY conversation_id) AS n
        FROM ingest.conversation WHERE tenant_id = :tenant
    ) AS numbered WHERE mod(n, :step) = 0 ORDER BY conversation_id
    """
)
_SIZES = text(
    """
    SELECT (SELECT count(*) FROM ingest.conversation WHERE tenant_id = :tenant) AS conversations,
           (SELECT count(*) FROM ingest.transaction WHERE tenant_id = :tenant) AS transactions,
           (SELECT count(*) FROM ingest.appointment WHERE tenant_id = :tenant) AS appointments,
           (SELECT count(*) FROM ingest.cart WHERE tenant_id = :tenant) AS carts,
           (SELECT count(*) FROM ingest.follow_up WHERE tenant_id = :tenant) AS follow_ups,
           (SELECT count(*) FROM ingest.event WHERE tenant_id = :tenant AND entity_id IS NULL) AS events
    """
)
_HORIZON = text("SELECT day, previous_day, after_change FROM ingest.horizon WHERE tenant_id = :tenant")
#: The lock under which ingest changes settings.
_LOCK_SETTINGS = text(f"SELECT pg_advisory_xact_lock({locks.SETTINGS}, hashtext(:tenant))")
_PLACE_REMAINDER = (
    text(
        "UPDATE scoring.remainder SET day = CAST(at AT TIME ZONE CAST(:zone AS text) AS date) "
        "WHERE tenant_id = :tenant AND cost IS NULL"
    ),
    text(
        "UPDATE scoring.remainder_customer SET first_day = CAST(first_at AT TIME ZONE CAST(:zone AS text) AS date) "
        "WHERE tenant_id = :tenant AND first_at IS NOT NULL"
    ),
)
_SETTINGS = text(
    """
    INSERT INTO ingest.tenant_settings AS s (
        tenant_id, reporting_currency, time_zone, retention_days, attribution_window_days, version, updated_at
    ) VALUES (:tenant, :reporting_currency, :time_zone, :retention_days, :attribution_window_days, 1, :now)
    ON CONFLICT (tenant_id) DO UPDATE SET
        time_zone = EXCLUDED.time_zone, attribution_window_days = EXCLUDED.attribution_window_days,
        version = s.version + 1, updated_at = EXCLUDED.updated_at
    """
)


@dataclass(frozen=True, slots=True)
class Changed:
    """What a statement did to a table: rows written and deleted."""

    table: str
    written: int
    deleted: int


def _listed(columns: Sequence[str], alias: str) -> str:
    return ", ".join(f"{alias}.{c}" for c in columns)


def _same(key: Sequence[str], left: str, right: str) -> str:
    return " AND ".join(f"{left}.{k} = {right}.{k}" for k in key)


def _put_right(
    table: Table, new: str, values: Sequence[str], *, kept: str = "true", gone: str = "true", ctes: str = ""
) -> TextClause:
    """Return the statement that makes a table hold the rows of the SELECT `new`, and those alone.

    `kept` is the condition on a row (`o`) of the table to be looked at at all, `gone` that on one that is not among the new
    ones to be deleted.
    """
    key = [c.name for c in table.primary_key]
    columns = [*key, *values]
    return text(
        f"""
        WITH {ctes} new AS ({new}),
        compared AS MATERIALIZED (
            SELECT {", ".join(f"coalesce(n.{k}, o.{k}) AS {k}" for k in key)}, {_listed(values, "n")},
                   n.tenant_id IS NULL AS is_gone
            FROM new AS n
            FULL JOIN (SELECT * FROM {table.fullname} AS o WHERE o.tenant_id = :tenant AND {kept}) AS o ON {_same(key, "n", "o")}
            WHERE CASE WHEN n.tenant_id IS NULL THEN {gone} ELSE
                o.tenant_id IS NULL OR ({_listed(values, "n")}) IS DISTINCT FROM ({_listed(values, "o")}) END
        ),
        put AS (
            INSERT INTO {table.fullname} AS t ({", ".join(columns)})
            SELECT CAST(:tenant AS text), {", ".join(columns[1:])} FROM compared WHERE NOT is_gone ORDER BY {", ".join(key)}
            ON CONFLICT ({", ".join(key)}) DO UPDATE SET {", ".join(f"{v} = EXCLUDED.{v}" for v in values)}
            RETURNING 1
        ),
        gone AS (
            DELETE FROM {table.fullname} AS t USING compared AS c
            WHERE t.tenant_id = :tenant AND c.is_gone AND {_same(key, "t", "c")} RETURNING 1
        )
        SELECT (SELECT count(*) FROM put) AS written, (SELECT count(*) FROM gone) AS deleted
        """
    )


#: The first range begins before every id, and the last ends after every one.
_IN_RANGE = " AND c.conversation_id > :after AND (c.conversation_id <= :upto OR :upto = '')"
_KEPT_IN_RANGE = " AND o.fact_id > :after AND (o.fact_id <= :upto OR :upto = '')"


def contributions_statement(sources: tuple[Source, ...]) -> TextClause:
    """Return the statement that puts right what facts of some sources count for; conversations go by ranges of their ids."""
    ranged = CONVERSATIONS in sources
    kinds = ", ".join(str(int(kind)) for source in sources for kind in source.kinds)
    new = " UNION ALL ".join(source.select(everything=True) + (_IN_RANGE if ranged else "") for source in sources)
    return _put_right(
        schema.contribution,
        f"SELECT * FROM ({new}) AS every WHERE day >= :frozen",
        [c for c in COLUMNS if c not in {"tenant_id", "kind", "fact_id"}],
        kept=f"o.kind IN ({kinds}) AND o.day >= :frozen{_KEPT_IN_RANGE if ranged else ''}",
        gone=NOT_ERASED,
    )


_COUNTED = ", ".join(c.name for c in schema.remainder.columns if c.name not in {"tenant_id", "kind", "fact_id"})
#: Every contribution, those of erased facts too; these are nobody's, and costs of them are somebody's.
_DELTA = f"""delta AS (
    SELECT 1 AS s, {_COUNTED}, customer_id FROM scoring.contribution WHERE tenant_id = :tenant AND day >= :frozen
    UNION ALL
    SELECT 1, {_COUNTED}, CASE WHEN cost IS NULL THEN '' ELSE ' ' END FROM scoring.remainder
    WHERE tenant_id = :tenant AND day >= :frozen
),"""


def _rollup(rollup: Rollup) -> TextClause:
    """Return the statement that puts a rollup right, from the frozen day on."""
    placed = next(n for n in ("bucket", "day", "first_day") if n in rollup.table.c)
    bound = ":frozen" if isinstance(rollup.table.c[placed].type, Date) else ":intervals_from"
    return _put_right(rollup.table, rollup.select(), list(rollup.values), kept=f"o.{placed} >= {bound}", ctes=_DELTA)


def _months(months: Rollup, days: Table) -> TextClause:
    """Return the statement that puts months right, from days: a month may hold frozen days, which no fact tells any more."""
    new = f"""
        SELECT CAST(:tenant AS text) AS tenant_id, CAST(date_trunc('month', bucket) AS date) AS bucket, platform, log_bucket,
               sum(n) AS n
        FROM {days.fullname} WHERE tenant_id = :tenant GROUP BY 2, 3, 4 HAVING sum(n) <> 0
    """
    return _put_right(months.table, new, list(months.values))


def _pairs(grouping: Grouping, group: str, partition: str) -> str:
    """Return the SELECT of each day on which customers were there with the one before in the same group."""
    # A day with several rows is its own predecessor in all but the first. Rows come in the order of the key: nothing is sorted.
    return f"""SELECT CAST({grouping:d} AS smallint) AS grouping, group_id, day, previous_day, 1 AS n FROM (
            SELECT {group} AS group_id, day, lag(day, 1, {NEVER}) OVER (PARTITION BY {partition} ORDER BY day) AS previous_day
            FROM scoring.customer_day WHERE tenant_id = :tenant AND conversations > 0
        ) AS present WHERE day <> previous_day"""


_PRESENCE = _put_right(
    schema.presence,
    f"""
    SELECT CAST(:tenant AS text) AS tenant_id, grouping, group_id, day, previous_day, sum(n) AS n
    FROM (
        {_pairs(Grouping.TENANT, "''", "customer_id")}
        UNION ALL
        {_pairs(Grouping.AGENT, "agent_id", "customer_id, agent_id")}
        UNION ALL
        {_pairs(Grouping.PLATFORM, "CAST(platform AS text)", "customer_id, platform")}
        UNION ALL
        SELECT grouping, group_id, day, previous_day, n FROM scoring.remainder_presence WHERE tenant_id = :tenant
    ) AS pairs
    WHERE day >= :frozen
    GROUP BY 2, 3, 4, 5 HAVING sum(n) <> 0
    """,
    ["n"],
    kept="o.day >= :frozen",
)

_NAMED = ("conversation", "event", "appointment", "transaction", "cart", "follow_up")


def _named(column: str) -> str:
    """Return the SELECT of whom facts name: agents or customers."""
    return " UNION ".join(f"SELECT {column} FROM ingest.{table} WHERE tenant_id = :tenant" for table in _NAMED)


#: As the worker keeps them: with a horizon, what was found out about a customer does not go back.
_CUSTOMERS = _put_right(
    schema.customer_state,
    f"""
    SELECT CAST(:tenant AS text) AS tenant_id, n.customer_id,
           coalesce(e.engagement_days, 0) AS engagement_days, e.first_day, e.last_day,
           coalesce(e.order_days, 0) AS order_days, e.first_order_day, e.last_order_day, coalesce(e.orders, 0) AS orders,
           a.customer_id IS NOT NULL OR (coalesce(s.advocate, false) AND h.day IS NOT NULL) AS advocate,
           CASE WHEN h.day IS NOT NULL THEN coalesce(s.campaign, b.campaign) ELSE b.campaign END AS campaign
    FROM ({_named("customer_id")} UNION SELECT customer_id FROM scoring.customer_state WHERE tenant_id = :tenant) AS n
    LEFT JOIN (
        SELECT customer_id, {SUMMARY}
        FROM (
            SELECT customer_id, day, sum(orders) AS orders FROM scoring.customer_day
            WHERE tenant_id = :tenant AND (conversations > 0 OR orders > 0) GROUP BY customer_id, day
        ) AS days
        GROUP BY customer_id
    ) AS e USING (customer_id)
    LEFT JOIN (
        SELECT DISTINCT customer_id FROM ingest.conversation WHERE tenant_id = :tenant AND {IS_ADVOCATE}
    ) AS a USING (customer_id)
    LEFT JOIN (
        SELECT DISTINCT ON (customer_id) customer_id, campaign FROM scoring.contribution
        WHERE tenant_id = :tenant AND campaign IS NOT NULL AND measure = {Measure.INTERACTION:d}
        ORDER BY customer_id, at, substr(fact_id, strpos(fact_id, '/') + 1) COLLATE "C", fact_id COLLATE "C"
    ) AS b USING (customer_id)
    LEFT JOIN scoring.customer_state AS s ON s.tenant_id = :tenant AND s.customer_id = n.customer_id
    LEFT JOIN ingest.horizon AS h ON h.tenant_id = :tenant
    WHERE n.customer_id <> ''
    """,
    [
        "engagement_days", "first_day", "last_day", "order_days", "first_order_day", "last_order_day", "orders", "advocate",
        "campaign",
    ],
)  # fmt: skip

#: From what was put right before. Erased customers came all the same.
_NEW_CUSTOMERS = _put_right(
    schema.new_customers_day,
    """
    SELECT CAST(:tenant AS text) AS tenant_id, day, count(*) AS n
    FROM (
        SELECT first_day AS day FROM scoring.customer_state WHERE tenant_id = :tenant AND first_day IS NOT NULL
        UNION ALL
        SELECT first_day FROM scoring.remainder_customer WHERE tenant_id = :tenant
    ) AS came
    GROUP BY day
    """,
    ["n"],
)

#: Every agent's numbers may have moved: who watches them is told, and rules are evaluated again.
_AGENTS = text(
    f"""
    WITH named AS (
        SELECT agent_id FROM ({_named("agent_id")} UNION SELECT agent_id FROM scoring.agent_state WHERE tenant_id = :tenant) AS n
        WHERE agent_id <> ''
    ), put AS (
        INSERT INTO scoring.agent_state (tenant_id, agent_id, revision)
        SELECT CAST(:tenant AS text), agent_id, {NEXT_REVISION} FROM named ORDER BY agent_id
        ON CONFLICT (tenant_id, agent_id) DO UPDATE SET revision = EXCLUDED.revision
    )
    INSERT INTO scoring.touched (tenant_id, subject_kind, subject_id) SELECT CAST(:tenant AS text), {AGENT}, agent_id FROM named
    """
)
_DUE = _put_right(
    schema.due,
    f"""
    SELECT CAST(:tenant AS text) AS tenant_id, CAST({CART} AS smallint) AS kind, cart_id AS entity_id,
           changed_at + {CART_PATIENCE} AS due_at
    FROM ingest.cart
    WHERE tenant_id = :tenant AND status NOT IN ({CART_CHECKED_OUT}, {CART_GIVEN_UP}) AND changed_at + {CART_PATIENCE} > :now
    UNION ALL
    SELECT CAST(:tenant AS text), CAST({FOLLOW_UP} AS smallint), follow_up_id, due
    FROM ingest.follow_up WHERE tenant_id = :tenant AND status = {FOLLOW_UP_OPEN} AND due > :now
    """,
    ["due_at"],
    kept=f"o.kind IN ({CART}, {FOLLOW_UP}) AND o.due_at > :now",
)

ROLLUPS = (*BY_DAY, *BY_INTERVAL, *TOTALS, COSTS, CUSTOMER_DAYS, CUSTOMER_REVENUE)
#: The days that months are made of.
DAYS_OF = {"response_total_month": schema.response_total_day, "duration_total_month": schema.duration_total_day}


async def begin(conn: AsyncConnection) -> bool:
    """Become the only one who scores the tenant, waiting for who does; False while another rebuild goes on."""
    told = {"tenant": current_tenant()}
    if not (await conn.execute(_ALONE, told | {"key": locks.REBUILD})).scalar_one():
        return False
    for statement in _LEASE:
        await conn.execute(statement, told)
    await conn.execute(_MEMORY)
    return True


async def get_bounds(conn: AsyncConnection) -> list[str]:
    """Return the ids at which the conversations are divided into parts."""
    told = {"tenant": current_tenant(), "step": CONVERSATIONS_AT_ONCE}
    return list((await conn.execute(_BOUNDS, told)).scalars())


async def get_sizes(conn: AsyncConnection) -> dict[str, int]:
    """Return how many facts there are, by what lists them."""
    return dict((await conn.execute(_SIZES, {"tenant": current_tenant()})).mappings().one())


async def get_horizon(conn: AsyncConnection) -> tuple[Any, ...] | None:
    """Return where retention stands that deletes the tenant's facts; None while it has not begun."""
    row = (await conn.execute(_HORIZON, {"tenant": current_tenant()})).one_or_none()
    return None if row is None else tuple(row)


async def lock_settings(conn: AsyncConnection) -> None:
    """Keep the tenant's settings as they are until the transaction ends, but for this transaction."""
    await conn.execute(_LOCK_SETTINGS, {"tenant": current_tenant()})


async def place_remainder(conn: AsyncConnection, zone: str) -> None:
    """Put what erased facts counted for on the days of another time zone: moments are kept to the quarter of an hour.

    On which days erased customers were there stays as it was found, and so do the days of costs: of these no moment is kept.
    """
    for statement in _PLACE_REMAINDER:
        await conn.execute(statement, {"tenant": current_tenant(), "zone": zone})


async def put_conversations(conn: AsyncConnection, by: Counting, after: str, upto: str) -> Changed:
    """Put right what conversations with ids in (after, upto] count for; without an end for an empty `upto`."""
    return await _run(conn, "contribution", contributions_statement((CONVERSATIONS,)), by, after=after, upto=upto)


async def put_source(conn: AsyncConnection, source: Source, by: Counting) -> Changed:
    """Put right what the facts of another source, and all that are listed with it, count for."""
    sources = tuple(s for s in SOURCES if s.ids == source.ids)
    return await _run(conn, "contribution", contributions_statement(sources), by)


async def put_rollup(conn: AsyncConnection, rollup: Rollup, by: Counting) -> Changed:
    """Put a rollup right, from what facts count for."""
    return await _run(conn, rollup.table.name, _rollup(rollup), by)


async def put_months(conn: AsyncConnection, rollup: Rollup, by: Counting) -> Changed:
    """Put a rollup by month right, from that by day."""
    return await _run(conn, rollup.table.name, _months(rollup, DAYS_OF[rollup.table.name]), by)


async def put_presence(conn: AsyncConnection, by: Counting) -> Changed:
    """Put presence right, from customers' days."""
    return await _run(conn, "presence", _PRESENCE, by)


async def put_customers(conn: AsyncConnection, by: Counting) -> Changed:
    """Put right what the customer models need, from customers' days; segments stay as they are."""
    return await _run(conn, "customer_state", _CUSTOMERS, by)


async def put_new_customers(conn: AsyncConnection, by: Counting) -> Changed:
    """Put right on which days customers were new, from what the customer models need of them."""
    return await _run(conn, "new_customers_day", _NEW_CUSTOMERS, by)


async def put_due(conn: AsyncConnection, by: Counting) -> Changed:
    """Put right what time alone will change."""
    return await _run(conn, "due", _DUE, by)


async def touch_agents(conn: AsyncConnection) -> None:
    """Make every agent known that a fact names, tell who watches them, and have rules evaluated."""
    await conn.execute(_AGENTS, {"tenant": current_tenant()})


async def put_settings(conn: AsyncConnection, settings: dict[str, Any], now: datetime) -> None:
    """Change the settings that numbers are made by."""
    await conn.execute(_SETTINGS, settings | {"tenant": current_tenant(), "now": now})


async def _run(conn: AsyncConnection, table: str, statement: TextClause, by: Counting, **told: Any) -> Changed:
    values: dict[str, Any] = {name: getattr(by, name) for name in by.__slots__} | told | {"tenant": current_tenant()}
    row = (await conn.execute(statement, values)).one()
    return Changed(table, row.written, row.deleted)
