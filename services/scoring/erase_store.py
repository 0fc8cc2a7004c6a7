"""SQL that keeps what erased facts counted for, and forgets whom they concerned."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import ARRAY, Text, any_, bindparam, delete, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.scoring.measures import Measure
from services.scoring.presence_store import GROUPS, NEVER, PRESENCE, PUT_DAYS, add_presence
from services.scoring.rollups import COSTS, CUSTOMER_REVENUE
from services.scoring.state_store import Moved
from services.storage import schema
from services.storage.personal import CUSTOMER_ID, tables_naming_customers

#: Stands for erased customers where a cost was spent on one of them: nobody can be called so, and nobody shares it.
SOMEBODY = " "
#: What a remainder keeps as it is.
_KEPT = ", ".join(c.name for c in schema.remainder.columns if c.name not in {"fact_id", "at"})
#: What rollups are made of.
_COUNTED = ", ".join(c.name for c in schema.remainder.columns if c.name not in {"tenant_id", "kind", "fact_id"})


def _move(which: str) -> Any:
    return text(
        f"""
        WITH gone AS (DELETE FROM scoring.contribution WHERE tenant_id = :tenant AND {which} RETURNING *)
        INSERT INTO scoring.remainder (fact_id, at, {_KEPT})
        SELECT gen_random_uuid()::text, date_bin('15 minutes', at, TIMESTAMPTZ 'epoch'), {_KEPT} FROM gone
        """
    )


_MOVE_ALL = _move("customer_id = ANY(:customers)")
#: Facts of somebody that go with somebody else's conversation. Whose they were is forgotten; what they counted for stays.
_MAKE_NOBODYS = text(
    f"""
    WITH gone AS (
        DELETE FROM scoring.contribution WHERE tenant_id = :tenant
        AND (kind, fact_id) IN (SELECT * FROM unnest(CAST(:kinds AS smallint[]), CAST(:facts AS text[])))
        RETURNING *
    ), kept AS (
        INSERT INTO scoring.remainder (fact_id, at, {_KEPT})
        SELECT gen_random_uuid()::text, date_bin('15 minutes', at, TIMESTAMPTZ 'epoch'), {_KEPT} FROM gone
    ), delta AS MATERIALIZED (
        SELECT -1 AS s, {_COUNTED}, customer_id FROM gone
        UNION ALL
        SELECT 1, {_COUNTED}, CASE WHEN cost IS NULL THEN '' ELSE '{SOMEBODY}' END FROM gone
    ),
    put_costs AS ({COSTS.add()}),
    put_money AS ({CUSTOMER_REVENUE.add()}),
    put_days AS ({PUT_DAYS}),
    {PRESENCE},
    put_presence AS ({add_presence("scoring.remainder_presence", "-")})
    SELECT array(SELECT DISTINCT customer_id FROM gone WHERE customer_id <> '') AS customers,
           array(SELECT DISTINCT customer_id FROM gone WHERE measure = {Measure.INTERACTION:d} AND customer_id <> '') AS brought,
           EXISTS (SELECT FROM put_days WHERE conversations = 0 AND orders = 0) AS emptied
    """
)
_KEEP_PRESENCE = text(
    f"""
    WITH pairs AS (
        SELECT grouping, group_id, day, lag(day, 1, {NEVER}) OVER before AS previous_day, 1 AS n
        FROM (
            SELECT DISTINCT grouping, group_id, customer_id, day
            FROM scoring.customer_day AS d CROSS JOIN LATERAL {GROUPS}
            WHERE d.tenant_id = :tenant AND d.customer_id = ANY(:customers) AND d.conversations > 0
        ) AS present
        WINDOW before AS (PARTITION BY grouping, group_id, customer_id ORDER BY day)
    )
    {add_presence("scoring.remainder_presence")}
    """
)
_KEEP_FIRST_DAYS = text(
    """
    INSERT INTO scoring.remainder_customer (tenant_id, random_id, first_day, first_at, campaign)
    SELECT s.tenant_id, gen_random_uuid(), s.first_day, date_bin('15 minutes', min(k.at), TIMESTAMPTZ 'epoch'), s.campaign
    FROM scoring.customer_state AS s
    LEFT JOIN scoring.contribution AS k ON k.tenant_id = s.tenant_id AND k.customer_id = s.customer_id
        AND (k.conversations > 0 OR k.orders > 0)
    WHERE s.tenant_id = :tenant AND s.customer_id = ANY(:customers) AND s.first_day IS NOT NULL
    GROUP BY s.tenant_id, s.customer_id, s.first_day, s.campaign
    """
)
_KEEP_COSTS = text(
    f"""
    INSERT INTO scoring.cost_period AS p
        (tenant_id, agent_id, customer_id, category, campaign, currency, first_day, end_day, n, amount)
    SELECT tenant_id, agent_id, '{SOMEBODY}', category, campaign, currency, first_day, end_day, sum(n), sum(amount)
    FROM scoring.cost_period WHERE tenant_id = :tenant AND customer_id = ANY(:customers)
    GROUP BY tenant_id, agent_id, category, campaign, currency, first_day, end_day
    ON CONFLICT (tenant_id, agent_id, customer_id, category, campaign, currency, first_day, end_day)
    DO UPDATE SET n = p.n + EXCLUDED.n, amount = p.amount + EXCLUDED.amount
    """
)
_FORGET_QUEUED = tuple(
    text(
        f"DELETE FROM {table} WHERE tenant_id = :tenant AND ({kind}, {entity}) IN "
        "(SELECT * FROM unnest(CAST(:kinds AS smallint[]), CAST(:ids AS text[])))"
    )
    for table, kind, entity in (("scoring.quarantine", "kind", "entity_id"), ("scoring.due", "kind", "entity_id"))
)


async def keep_first_days(conn: AsyncConnection, customers: Collection[str]) -> None:
    """Note when some customers first had a conversation or an order, but not who they were."""
    await conn.execute(_KEEP_FIRST_DAYS, {"tenant": current_tenant(), "customers": list(customers)})


async def keep_costs(conn: AsyncConnection, customers: Collection[str]) -> None:
    """Keep what was spent on some customers as spent on somebody."""
    await conn.execute(_KEEP_COSTS, {"tenant": current_tenant(), "customers": list(customers)})


async def move_all_to_remainder(conn: AsyncConnection, customers: Collection[str]) -> None:
    """Make everything that counts for some customers nobody's."""
    await conn.execute(_MOVE_ALL, {"tenant": current_tenant(), "customers": list(customers)})


async def make_nobodys(conn: AsyncConnection, keys: Collection[tuple[int, str]]) -> Moved:
    """Make contributions nobody's, under random names, and known to the quarter of an hour only; return whom that concerned."""
    told = {"kinds": [int(kind) for kind, _ in keys], "facts": [fact for _, fact in keys]}
    row = (await conn.execute(_MAKE_NOBODYS, {"tenant": current_tenant()} | told)).one()
    return Moved(set(row.customers), set(row.brought), row.emptied)


async def keep_presence(conn: AsyncConnection, customers: Collection[str]) -> None:
    """Note on which days some customers were there, but not who they were."""
    await conn.execute(_KEEP_PRESENCE, {"tenant": current_tenant(), "customers": list(customers)})


async def forget_queued(conn: AsyncConnection, things: Iterable[tuple[int, str]]) -> None:
    """Delete what was set aside of these things, by the kinds of their changes, and what is due of them."""
    named = list(things)
    told = {"tenant": current_tenant(), "kinds": [int(kind) for kind, _ in named], "ids": [thing for _, thing in named]}
    for statement in _FORGET_QUEUED:
        await conn.execute(statement, told)


async def forget_customers(conn: AsyncConnection, customers: Collection[str]) -> None:
    """Delete every row that names one of the customers, and what alerting was still to look at of them."""
    ids = bindparam("ids", list(customers), type_=ARRAY(Text))
    for table in tables_naming_customers("scoring"):
        await conn.execute(delete(table).where(table.c.tenant_id == THIS_TENANT, table.c[CUSTOMER_ID] == any_(ids)))
    t = schema.touched.c
    await conn.execute(delete(schema.touched).where(t.tenant_id == THIS_TENANT, t.subject_kind == 2, t.subject_id == any_(ids)))  # noqa: PLR2004  # a customer
