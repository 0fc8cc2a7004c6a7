"""SQL that reads agents' sums of some industries: these are told by conversations, and kept in no rollup."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import current_tenant
from services.runtime.windows import Window
from services.scoring.measures import Kind
from services.scoring.team import Sums
from services.storage.money import RATE_HOLDS_DAYS

#: What conversations and payments count for, also those of customers who were erased: of these the industry is the agent's.
_FACTS = f"""
    SELECT kind, fact_id, agent_id, platform, day, ended, completed, escalated, conversions, csat_x100, response_ms,
           amount, currency
    FROM {{table}} WHERE tenant_id = :tenant AND at >= :start AND at < :end AND agent_id <> '' AND kind IN (
        {Kind.CONVERSATION:d}, {Kind.TRANSACTION:d}
    )"""

_SUMS = text(
    f"""
    WITH fact AS (
        {_FACTS.format(table="scoring.contribution")} UNION ALL {_FACTS.format(table="scoring.remainder")}
    ), told AS (
        SELECT f.*, f.kind = {Kind.CONVERSATION:d} AS is_conversation,
               CASE f.kind WHEN {Kind.CONVERSATION:d} THEN f.fact_id ELSE (
                   SELECT CASE WHEN o.kind IS NULL THEN t.conversation_id ELSE o.conversation_id END
                   FROM ingest.transaction AS t
                   LEFT JOIN ingest.transaction AS o ON o.tenant_id = :tenant AND o.transaction_id = t.original_transaction_id
                   WHERE t.tenant_id = :tenant AND t.transaction_id = f.fact_id
               ) END AS conversation_id
        FROM fact AS f WHERE cardinality(CAST(:platforms AS int[])) = 0 OR f.platform = ANY(CAST(:platforms AS int[]))
    ), meant AS (
        SELECT t.*, CASE WHEN t.currency = :currency THEN 1 ELSE (
                   SELECT r.rate FROM ingest.exchange_rate AS r
                   WHERE r.tenant_id = :tenant AND r.from_currency = t.currency AND r.to_currency = :currency
                     AND r.day <= t.day AND r.day >= t.day - {RATE_HOLDS_DAYS}
                   ORDER BY r.day DESC LIMIT 1
               ) END AS rate
        FROM told AS t
        LEFT JOIN ingest.conversation AS c ON c.tenant_id = :tenant AND c.conversation_id = t.conversation_id
        LEFT JOIN ingest.agent AS a ON a.tenant_id = :tenant AND a.agent_id = t.agent_id
        WHERE coalesce(nullif(c.industry, ''), a.industry, '') = ANY(CAST(:industries AS text[]))
    )
    SELECT agent_id,
           count(*) FILTER (WHERE is_conversation) AS conversations,
           sum(ended) AS ended, sum(completed) AS completed, sum(escalated) AS escalated, sum(conversions) AS conversions,
           count(csat_x100) AS csat_n, coalesce(sum(csat_x100), 0) AS csat_x100,
           coalesce(sum(CAST(csat_x100 AS int) * csat_x100), 0) AS csat_x100_sq,
           count(response_ms) AS response_n, coalesce(sum(response_ms), 0) AS response_ms,
           coalesce(sum(CAST(response_ms AS numeric) * response_ms), 0) AS response_ms_sq,
           coalesce(sum(amount * rate), 0) AS revenue, coalesce(sum(amount * rate * amount * rate), 0) AS revenue_sq,
           coalesce(bool_or(amount <> 0 AND rate IS NULL), false) AS is_partly_unconverted
    FROM meant GROUP BY agent_id
    """
)


async def get_sums(
    conn: AsyncConnection, window: Window, currency: str, platforms: Collection[int], industries: Collection[str]
) -> list[Sums]:
    """Return the sums of every agent who had such a conversation in the window or was paid for one; revenue in `currency`."""
    told: dict[str, Any] = {"tenant": current_tenant(), "start": window.start, "end": window.end, "currency": currency}
    rows = await conn.execute(_SUMS, told | {"platforms": list(platforms), "industries": list(industries)})
    return [Sums(**row) for row in rows.mappings()]
