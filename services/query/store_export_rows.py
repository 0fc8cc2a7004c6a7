"""SQL of what is exported: each dataset's rows between two keys, in its columns' order, as CSV can hold them.

Lists are JSON, words are the contract's, and what is not known is NULL. Values are placeholders of the driver, which COPY,
taking no parameters, is given as literals.
"""

# Every part of the statements is written in this file.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Table

from services.query.exporting import GROUPS, Dataset
from services.storage.schema import (
    agent_day,
    appointment,
    conversation,
    customer_state,
    event,
    follow_up,
    revenue_day,
    transaction,
)

#: The event body of a cost, as ingest.event.kind has it, and the entities that events are states of.
_COST = 13
_TRANSACTION, _APPOINTMENT, _FOLLOW_UP = 2, 3, 7


@dataclass(frozen=True, slots=True)
class Source:
    """Where a dataset's rows come from.

    `tables` hold its keys, of the same columns in each. `rows` is the query, of which {name} stands for the conditions on the
    table called so, one of `aliases`. `time` is the row's own time, `since` what says that a row may have changed since a mark.
    `joined` names a table that is joined, and its column that is the key: {joined} stands for the same range of it, without
    which a page's rows would be looked for among all.
    """

    tables: tuple[Table, ...]
    aliases: tuple[str, ...]
    rows: str
    time: str
    since: str
    key_length: int = 1
    joined: tuple[str, str] | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """The names of the key's columns, which follow the tenant in the primary keys."""
        return tuple(self.tables[0].primary_key.columns.keys()[1 : 1 + self.key_length])


@dataclass(frozen=True, slots=True)
class Asked:
    """Which conditions a query has: rows behind a key, up to a key, of a time or later, before a time, changed since a mark."""

    after: bool
    up_to: bool
    start: bool
    end: bool
    since: bool


@cache
def query(dataset: Dataset, asked: Asked) -> str:
    """Return the query of a dataset's rows.

    Its values are tenant, after_0 and on, up_to_0 and on, start, end, since, since_day and groups, those that are asked for.
    """
    source = SOURCES[dataset]
    told = [
        (asked.start, f"{source.time} >= %(start)s"),
        (asked.end, f"{source.time} < %(end)s"),
        (asked.since, f"({source.since})"),
    ]
    bounds = [(asked.after, ">", "after"), (asked.up_to, "<=", "up_to")]
    conditions = {}
    for alias in source.aliases:
        parts = [f"{alias}.tenant_id = %(tenant)s"]
        parts += [_bound(source.key, alias, comparison, name) for is_asked, comparison, name in bounds if is_asked]
        parts += [part.replace("{t}", alias) for is_asked, part in told if is_asked]
        conditions[alias] = " AND ".join(parts)
    if source.joined is not None:
        alias, column = source.joined
        parts = [f"{alias}.tenant_id = %(tenant)s"]
        parts += [_bound((column,), alias, comparison, name) for is_asked, comparison, name in bounds if is_asked]
        conditions["joined"] = " AND ".join(parts)
    return source.rows.format(**conditions)


def _bound(key: Sequence[str], alias: str, comparison: str, name: str) -> str:
    columns = ", ".join(f"{alias}.{column}" for column in key)
    values = ", ".join(f"%({name}_{place})s" for place in range(len(key)))
    return f"({columns}) {comparison} ({values})"


def _word(column: str, *words: str) -> str:
    """Return the word for an enumeration's number, NULL for NULL."""
    listed = ", ".join(f"'{word}'" for word in words)
    return f"(ARRAY[{listed}])[{column}]"


_PLATFORMS = (
    "unspecified", "whatsapp", "instagram", "messenger", "web", "sms", "voice", "email", "telegram", "other",
)  # fmt: skip
_SOURCES = ("agent_wizard", "calendar", "payments", "billing", "widget", "my_agents", "insights")

_CONVERSATIONS = f"""
    SELECT c.conversation_id, c.agent_id, c.customer_id, {_word("c.platform + 1", *_PLATFORMS)} AS platform, c.session_id,
           c.start_time, c.end_time, c.message_count, c.customer_messages, c.agent_responses, c.response_ms,
           c.first_response_ms, c.csat_x100 / 100.0::float8 AS rating,
           {_word("c.conversion_type", "appointment", "purchase", "lead", "referral")} AS conversion_type, c.conversion_value,
           c.conversion_currency, {_word("c.sentiment", "positive", "neutral", "negative")} AS sentiment, c.sentiment_confidence,
           array_to_json(c.emotions) AS emotions, c.intents, c.escalated::text AS escalated, c.escalation_reason,
           c.escalated_at, c.escalation_resolved_by, c.follow_up_required::text AS follow_up_required,
           array_to_json(c.follow_up_actions) AS follow_up_actions, array_to_json(c.tags) AS tags,
           {_word("c.stage", "awareness", "consideration", "decision", "retention", "advocacy")} AS stage,
           array_to_json(c.touchpoints) AS touchpoints, c.previous_interactions, c.days_since_first_contact,
           {_word("c.resolution", "resolved", "abandoned", "transferred")} AS resolution, c.industry, c.revision, c.recorded_at,
           n.day, n.duration_ms, (n.completed = 1)::text AS completed,
           {_word("n.outcome", "success", "abandoned", "unanswered", "unresolved")} AS outcome, n.orders, n.amount, n.currency
    FROM ingest.conversation AS c
    LEFT JOIN scoring.contribution AS n ON {{joined}} AND n.kind = 1 AND n.fact_id = c.conversation_id
    WHERE {{c}}
    ORDER BY c.conversation_id
"""
_AGENT_DAYS = f"""
    SELECT agent_id, bucket, {_word("platform + 1", *_PLATFORMS)} AS platform,
           coalesce(conversations, 0), coalesce(ended, 0), coalesce(completed, 0), coalesce(escalated, 0),
           coalesce(conversions, 0), coalesce(duration_ms, 0), coalesce(csat_n, 0), coalesce(csat_x100, 0),
           coalesce(csat_x100_sq, 0), coalesce(response_n, 0), coalesce(response_ms, 0), coalesce(response_ms_sq, 0),
           coalesce(positive, 0), coalesce(neutral, 0), coalesce(negative, 0), coalesce(booked, 0), coalesce(kept, 0),
           coalesce(no_show, 0), coalesce(cancelled, 0), coalesce(revenue, '[]'::json)
    FROM (SELECT * FROM scoring.agent_day AS d WHERE {{d}}) AS d
    FULL JOIN (
        SELECT m.agent_id, m.bucket, m.platform, json_agg(
            json_build_object('currency', m.currency, 'orders', m.orders, 'amount', m.amount::text) ORDER BY m.currency
        ) AS revenue
        FROM scoring.revenue_day AS m WHERE {{m}}
        GROUP BY m.agent_id, m.bucket, m.platform
    ) AS m USING (agent_id, bucket, platform)
    ORDER BY agent_id, bucket, platform
"""
_CUSTOMER_SCORES = f"""
    SELECT s.customer_id, {_word("s.segment", "new_customer", "at_risk", "high_value", "regular", "occasional")} AS segment,
           s.segment_since, s.engagement_days, s.first_day, s.last_day, s.order_days, s.first_order_day, s.last_order_day,
           s.orders, s.advocate::text AS advocate, s.campaign,
           p.scored_on, p.churn_risk, p.p_alive, p.upsell_potential, p.predicted_value, p.model_version, p.policy_version
    FROM scoring.customer_state AS s
    LEFT JOIN scoring.customer_score AS p ON {{joined}} AND p.customer_id = s.customer_id
    WHERE {{s}}
    ORDER BY s.customer_id
"""
_TRANSACTIONS = f"""
    SELECT t.transaction_id, {_word("t.kind", "charge", "refund")} AS kind,
           {_word("t.status", "pending", "settled", "failed")} AS status, t.amount, t.currency, t.original_transaction_id,
           t.agent_id, t.customer_id, t.conversation_id, t.settled_at, t.failed_at
    FROM ingest.transaction AS t
    WHERE {{t}}
    ORDER BY t.transaction_id
"""
_APPOINTMENTS = f"""
    SELECT t.appointment_id, {_word("t.status", "booked", "rescheduled", "completed", "cancelled", "no_show")} AS status,
           t.booked_at, t.scheduled_for, t.status_at, t.service, t.reschedules, t.agent_id, t.customer_id, t.conversation_id
    FROM ingest.appointment AS t
    WHERE {{t}}
    ORDER BY t.appointment_id
"""
_FOLLOW_UPS = f"""
    SELECT t.follow_up_id, t.action, t.due, t.assignee, {_word("t.status", "open", "done", "cancelled")} AS status,
           t.opened_at, t.status_at, t.agent_id, t.customer_id, t.conversation_id
    FROM ingest.follow_up AS t
    WHERE {{t}}
    ORDER BY t.follow_up_id
"""
_COSTS = f"""
    SELECT {_word("e.source", *_SOURCES)} AS source, e.event_id,
           {_word("(e.body ->> 'category')::int", "model_usage", "messaging", "seat", "acquisition", "other")} AS category,
           e.body ->> 'amount' AS amount, e.body ->> 'currency' AS currency, e.body ->> 'units' AS units,
           e.body ->> 'unit' AS unit, e.body ->> 'campaign' AS campaign, (e.body ->> 'period_start')::timestamptz AS period_start,
           (e.body ->> 'period_end')::timestamptz AS period_end, e.occurred_at, e.agent_id, e.customer_id, e.conversation_id,
           e.recorded_at
    FROM ingest.event AS e
    WHERE {{e}} AND e.kind = {_COST}
    ORDER BY e.source, e.event_id
"""


def _of_events(entity: int, key: str) -> str:
    """Return what says of an entity that one of its events was recorded since a mark."""
    return (
        "EXISTS (SELECT FROM ingest.event AS e WHERE e.tenant_id = %(tenant)s "
        f"AND e.entity_kind = {entity} AND e.entity_id = {{t}}.{key} AND e.recorded_at >= %(since)s)"
    )


#: A conversation counts otherwise when payments begin or cease to speak for it: when something of a transaction was recorded
#: that names it, or named it before.
_SPOKEN_FOR = f"""
    c.recorded_at >= %(since)s OR EXISTS (
        SELECT FROM ingest.event AS o JOIN ingest.event AS e ON e.tenant_id = o.tenant_id AND e.entity_id = o.entity_id
        WHERE o.tenant_id = %(tenant)s AND o.entity_kind = {_TRANSACTION} AND o.conversation_id = c.conversation_id
        AND e.entity_kind = {_TRANSACTION} AND e.recorded_at >= %(since)s)"""
_SCORED = """
    {t}.last_day >= %(since_day)s OR NOT EXISTS (
        SELECT FROM scoring.customer_score AS q WHERE q.tenant_id = %(tenant)s AND q.customer_id = {t}.customer_id
        AND q.scored_on < %(since_day)s)"""
_SCORED_ON = (
    "(SELECT q.scored_on FROM scoring.customer_score AS q WHERE q.tenant_id = %(tenant)s AND q.customer_id = {t}.customer_id)"
)

SOURCES: dict[Dataset, Source] = {
    Dataset.CONVERSATIONS: Source((conversation,), ("c",), _CONVERSATIONS, "c.start_time", _SPOKEN_FOR, joined=("n", "fact_id")),
    Dataset.AGENT_DAYS: Source(
        (agent_day, revenue_day),
        ("d", "m"),
        _AGENT_DAYS,
        "{t}.bucket",
        f"{{t}}.agent_id = '' OR hashtext({{t}}.agent_id) & {GROUPS - 1} = ANY (%(groups)s)",
        key_length=3,
    ),
    Dataset.CUSTOMER_SCORES: Source(
        (customer_state,), ("s",), _CUSTOMER_SCORES, _SCORED_ON, _SCORED, joined=("p", "customer_id")
    ),
    Dataset.TRANSACTIONS: Source(
        (transaction,),
        ("t",),
        _TRANSACTIONS,
        "coalesce(t.settled_at, t.failed_at)",
        _of_events(_TRANSACTION, "transaction_id"),
    ),
    Dataset.APPOINTMENTS: Source(
        (appointment,), ("t",), _APPOINTMENTS, "t.booked_at", _of_events(_APPOINTMENT, "appointment_id")
    ),
    Dataset.FOLLOW_UPS: Source((follow_up,), ("t",), _FOLLOW_UPS, "t.opened_at", _of_events(_FOLLOW_UP, "follow_up_id")),
    Dataset.COSTS: Source(
        (event,),
        ("e",),
        _COSTS,
        "coalesce((e.body ->> 'period_start')::timestamptz, e.occurred_at)",
        "e.recorded_at >= %(since)s",
        key_length=2,
    ),
}
