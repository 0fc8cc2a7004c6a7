"""SQL that says what conversations and payments count for, and where. docs/numbers.md says it in words."""

from __future__ import annotations

from services.scoring.event_source_store import APPOINTMENTS, CARTS, COSTS, EVENTS, FOLLOW_UPS
from services.scoring.measures import Kind, Outcome
from services.scoring.source_store import Source, columns, day, when

#: The numbers of the contract's enumerations that decide here.
_RESOLVED, _ABANDONED = 1, 2
_PURCHASE = 2
_CHARGE, _REFUND = 1, 2
_SETTLED, _FAILED = 2, 3

_HAS_ENDED = "c.end_time IS NOT NULL"
_IS_RESOLVED = f"(c.resolution IS NOT DISTINCT FROM {_RESOLVED} OR c.escalation_resolved_by IS NOT NULL)"
_IS_ABANDONED = f"c.resolution IS NOT DISTINCT FROM {_ABANDONED}"
_IS_COMPLETED = f"({_HAS_ENDED} AND NOT {_IS_ABANDONED} AND (c.escalated IS NOT TRUE OR {_IS_RESOLVED}))"

#: Conversations, at their start. A purchase's value counts unless a charge speaks for it.
_CONVERSATIONS = f"""
    SELECT {
    columns(
        kind=f"CAST({Kind.CONVERSATION:d} AS smallint)",
        fact_id="c.conversation_id",
        agent_id="c.agent_id",
        platform="c.platform",
        customer_id="c.customer_id",
        at="c.start_time",
        day=day("c.start_time"),
        conversations="CAST(1 AS smallint)",
        ended=f"CAST(CAST({_HAS_ENDED} AS int) AS smallint)",
        completed=f"CAST(CAST({_IS_COMPLETED} AS int) AS smallint)",
        escalated="CAST(CAST(c.escalated IS TRUE AS int) AS smallint)",
        conversions="CAST(CAST(c.conversion_type IS NOT NULL AS int) AS smallint)",
        duration_ms="CAST(floor(extract(epoch FROM c.end_time - c.start_time) * 1000) AS bigint)",
        csat_x100="c.csat_x100",
        response_ms="c.response_ms",
        sentiment="c.sentiment",
        orders="CAST(CAST(sale.counts AS int) AS smallint)",
        amount="CASE WHEN sale.counts THEN c.conversion_value END",
        currency="CASE WHEN sale.counts THEN c.conversion_currency END",
        outcome="CAST("
        + when(
            (_IS_ABANDONED, Outcome.ABANDONED_CONVERSATION),
            ("c.end_time IS NULL", 0),
            ("c.customer_messages > 0 AND c.agent_responses = 0", Outcome.UNANSWERED_CONVERSATION),
            (_IS_COMPLETED, Outcome.SUCCESS),
            ("true", Outcome.UNRESOLVED_ESCALATION),
        ).replace("THEN 0", "THEN NULL")
        + " AS smallint)",
    )
}
    FROM ingest.conversation AS c
    CROSS JOIN LATERAL (
        SELECT coalesce(c.conversion_type = {_PURCHASE}, false) AND c.conversion_value IS NOT NULL AND NOT EXISTS (
            SELECT FROM ingest.transaction AS t
            WHERE t.tenant_id = :tenant AND t.conversation_id = c.conversation_id AND t.kind = {_CHARGE}
        ) AND NOT EXISTS (
            SELECT FROM ingest.paid_conversation AS p WHERE p.tenant_id = :tenant AND p.conversation_id = c.conversation_id
        ) AS counts
    ) AS sale
    WHERE c.tenant_id = :tenant"""

#: Settled transactions and failed charges, when they became so. A refund belongs to whom its original belongs; `n` is what
#: speaks for a transaction: a refund's stored original, else itself. Without a conversation or an agent it is the agent's of
#: the customer's last conversation to which payments are still due.
_TRANSACTIONS = f"""
    SELECT {
    columns(
        kind=f"CAST({Kind.TRANSACTION:d} AS smallint)",
        fact_id="t.transaction_id",
        agent_id="coalesce(n.agent_id, link.agent_id, touch.agent_id, '')",
        platform="coalesce(link.platform, touch.platform, CAST(0 AS smallint))",
        customer_id="coalesce(n.customer_id, link.customer_id, '')",
        at="counted.at",
        day=day("counted.at"),
        orders=f"CAST(CAST(t.kind = {_CHARGE} AND t.status = {_SETTLED} AS int) AS smallint)",
        amount=f"CASE WHEN t.status = {_SETTLED} THEN CASE t.kind WHEN {_REFUND} THEN -t.amount ELSE t.amount END END",
        currency=f"CASE WHEN t.status = {_SETTLED} THEN t.currency END",
        outcome=f"CAST(CASE WHEN t.kind = {_REFUND} THEN NULL WHEN t.status = {_SETTLED} THEN {Outcome.SUCCESS:d} "
        f"ELSE {Outcome.FAILED_CHARGE:d} END AS smallint)",
    )
}
    FROM ingest.transaction AS t
    CROSS JOIN LATERAL (SELECT CASE t.status WHEN {_SETTLED} THEN t.settled_at WHEN {
    _FAILED
} THEN t.failed_at END AS at) AS counted
    LEFT JOIN ingest.transaction AS o
      ON o.tenant_id = :tenant AND o.transaction_id = t.original_transaction_id AND t.kind = {_REFUND} AND o.kind IS NOT NULL
    CROSS JOIN LATERAL (
        SELECT CASE WHEN o.tenant_id IS NULL THEN t.agent_id ELSE o.agent_id END AS agent_id,
               CASE WHEN o.tenant_id IS NULL THEN t.customer_id ELSE o.customer_id END AS customer_id,
               CASE WHEN o.tenant_id IS NULL THEN t.conversation_id ELSE o.conversation_id END AS conversation_id,
               CASE WHEN o.status = {_SETTLED} THEN o.settled_at ELSE counted.at END AS at
    ) AS n
    LEFT JOIN ingest.conversation AS link ON link.tenant_id = :tenant AND link.conversation_id = n.conversation_id
    LEFT JOIN LATERAL (
        SELECT c.agent_id, c.platform FROM ingest.conversation AS c
        WHERE c.tenant_id = :tenant AND c.customer_id = n.customer_id
          AND c.start_time <= n.at AND greatest(c.start_time, c.end_time) >= n.at - CAST(:attribution AS interval)
        ORDER BY c.start_time DESC, c.conversation_id COLLATE "C" DESC
        LIMIT 1
    ) AS touch ON n.agent_id IS NULL AND link.tenant_id IS NULL
    WHERE t.tenant_id = :tenant AND counted.at IS NOT NULL AND (t.status = {_SETTLED} OR t.kind = {_CHARGE})"""

CONVERSATIONS = Source(
    "conversations", (Kind.CONVERSATION,), _CONVERSATIONS, "c.conversation_id = ANY(CAST(:conversations AS text[]))"
)
TRANSACTIONS = Source("transactions", (Kind.TRANSACTION,), _TRANSACTIONS, "t.transaction_id = ANY(CAST(:transactions AS text[]))")

#: Everything that counts.
SOURCES = (CONVERSATIONS, TRANSACTIONS, APPOINTMENTS, CARTS, FOLLOW_UPS, EVENTS, COSTS)
