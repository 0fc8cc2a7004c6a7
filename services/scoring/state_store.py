"""SQL that keeps what the customer models need of each customer, from the days on which they were there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import current_tenant
from services.scoring.measures import Measure

#: What days with a conversation or an order, with their `orders`, amount to.
SUMMARY = (
    "count(*) AS engagement_days, min(day) AS first_day, max(day) AS last_day, "
    "count(*) FILTER (WHERE orders > 0) AS order_days, min(day) FILTER (WHERE orders > 0) AS first_order_day, "
    "max(day) FILTER (WHERE orders > 0) AS last_order_day, coalesce(sum(orders), 0) AS orders"
)
#: A conversation that makes its customer an advocate: a referral, or the stage of advocacy.
IS_ADVOCATE = "(conversion_type = 4 OR stage = 5)"
#: Once retention has deleted facts, what they told of a customer does not go back: nobody could tell it again. Customers whose
#: first day moved are new on another day.
_PUT_STATES = text(
    f"""
    WITH put AS (
        INSERT INTO scoring.customer_state AS t (
            tenant_id, customer_id, engagement_days, first_day, last_day, order_days, first_order_day, last_order_day, orders,
            advocate
        )
        SELECT CAST(:tenant AS text), w.customer_id, d.engagement_days, d.first_day, d.last_day,
               d.order_days, d.first_order_day, d.last_order_day, d.orders,
               EXISTS (
                   SELECT FROM ingest.conversation AS c
                   WHERE c.tenant_id = :tenant AND c.customer_id = w.customer_id AND {IS_ADVOCATE}
               )
        FROM unnest(CAST(:customers AS text[])) AS w (customer_id)
        CROSS JOIN LATERAL (
            SELECT {SUMMARY}
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
        RETURNING old.first_day AS was_day, new.first_day AS day
    )
    INSERT INTO scoring.new_customers_day AS d (tenant_id, day, n)
    SELECT CAST(:tenant AS text), moved.day, sum(moved.n)
    FROM put CROSS JOIN LATERAL (VALUES (put.day, 1), (put.was_day, -1)) AS moved (day, n)
    WHERE put.day IS DISTINCT FROM put.was_day AND moved.day IS NOT NULL
    GROUP BY moved.day HAVING sum(moved.n) <> 0 ORDER BY moved.day
    ON CONFLICT (tenant_id, day) DO UPDATE SET n = d.n + EXCLUDED.n
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


@dataclass(frozen=True, slots=True)
class Moved:
    """Whom a batch concerned: customers, those whom an interaction may have brought, and whether days became empty."""

    customers: set[str]
    brought: set[str]
    emptied: bool


async def settle_customers(conn: AsyncConnection, customers: Collection[str], moved: Moved) -> None:
    """Write what the customer models need of customers whose days may have changed, and what brought them."""
    told = {"tenant": current_tenant(), "customers": sorted(customers)}
    if customers:
        await conn.execute(_PUT_STATES, told)
    if moved.emptied:
        await conn.execute(_DELETE_EMPTY_DAYS, told)
    if moved.brought:
        await conn.execute(_PUT_CAMPAIGNS, told | {"customers": sorted(moved.brought)})
