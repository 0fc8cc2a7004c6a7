"""SQL that keeps what erased facts counted for, and forgets whom they concerned."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import ARRAY, Text, any_, bindparam, delete, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.scoring.presence import Place
from services.storage import schema
from services.storage.personal import CUSTOMER_ID, tables_naming_customers

#: Stands for erased customers where a cost was spent on one of them: nobody can be called so, and nobody shares it.
SOMEBODY = " "
#: What a remainder keeps as it is.
_KEPT = ", ".join(c.name for c in schema.remainder.columns if c.name not in {"fact_id", "at"})


def _move(which: str) -> Any:
    return text(
        f"""
        WITH gone AS (DELETE FROM scoring.contribution WHERE tenant_id = :tenant AND {which} RETURNING *)
        INSERT INTO scoring.remainder (fact_id, at, {_KEPT})
        SELECT gen_random_uuid()::text, date_bin('15 minutes', at, TIMESTAMPTZ 'epoch'), {_KEPT} FROM gone
        """
    )


_MOVE = _move("(kind, fact_id) IN (SELECT * FROM unnest(CAST(:kinds AS smallint[]), CAST(:facts AS text[])))")
_MOVE_ALL = _move("customer_id = ANY(:customers)")
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
_ADD_PRESENCE = text(
    """
    INSERT INTO scoring.remainder_presence AS p (tenant_id, grouping, group_id, day, previous_day, n)
    SELECT :tenant, r.* FROM unnest(
        CAST(:groupings AS smallint[]), CAST(:groups AS text[]), CAST(:days AS date[]), CAST(:previous AS date[]),
        CAST(:n AS bigint[])
    ) AS r
    ON CONFLICT (tenant_id, grouping, group_id, day, previous_day) DO UPDATE SET n = p.n + EXCLUDED.n
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


async def move_to_remainder(conn: AsyncConnection, keys: Collection[tuple[int, str]]) -> None:
    """Make contributions nobody's, under random names, and known to the quarter of an hour only."""
    told = {"kinds": [int(kind) for kind, _ in keys], "facts": [fact for _, fact in keys]}
    await conn.execute(_MOVE, {"tenant": current_tenant()} | told)


async def add_presence(conn: AsyncConnection, moved: Mapping[Place, int]) -> None:
    """Add to the pairs of days that no customer accounts for."""
    if moved:
        groupings, groups, days, previous = zip(*moved, strict=True)
        columns = {"groupings": groupings, "groups": groups, "days": days, "previous": previous, "n": tuple(moved.values())}
        await conn.execute(_ADD_PRESENCE, {"tenant": current_tenant()} | {name: list(values) for name, values in columns.items()})


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
