"""What every rollup must hold, as SQL over the temporary table `expected` and the stored facts.

Parameters are `tenant` and `as_of`, the moment at which it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum, auto

from psycopg.sql import SQL, Composable, Identifier
from sqlalchemy import Table

from services.storage import schema
from services.storage.verify import horizon, remainder

_INTERVAL = SQL("date_bin('15 minutes', at, timestamptz '1970-01-01 00:00:00+00')")
_DAY = SQL("day")


class Zeros(Enum):
    """What rows mean whose every column outside the key is 0, false or absent."""

    #: The same as no row.
    EQUAL_NO_ROW = auto()
    #: They must be there when expected; one that is there otherwise is left from a fact that was corrected.
    MAY_REMAIN = auto()
    #: What any other row means.
    COUNT = auto()


#: When a column holds something, by the type that it has in Python.
_HOLDS = {
    bool: SQL("{}"),
    date: SQL("{} IS NOT NULL"),
    str: SQL("{} IS NOT NULL"),
    int: SQL("{} <> 0"),
    Decimal: SQL("{} <> 0"),
}


@dataclass(frozen=True, slots=True)
class Rollup:
    """One table, and the SELECT of what it must hold, with the table's columns but `tenant_id` and those `ignored`.

    Where `recent_only`, intervals that began more than 35 days ago are not compared: they may have been cleared away.
    """

    table: Table
    expected: Composable
    ignored: frozenset[str] = frozenset()
    recent_only: bool = False
    zeros: Zeros = Zeros.EQUAL_NO_ROW

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.table.primary_key.columns if c.name != "tenant_id")

    @property
    def values(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.table.columns if not c.primary_key and c.name not in self.ignored)

    @property
    def holds_something(self) -> Composable:
        """The condition on a row that it means more than no row does."""
        if self.zeros is Zeros.COUNT:
            return SQL("true")
        conditions = [_HOLDS[self.table.c[v].type.python_type].format(Identifier(v)) for v in self.values]
        return SQL("({})").format(SQL(" OR ").join([SQL("false"), *conditions]))


_COUNTS = SQL("""
    SELECT {key}, sum(conversations) AS conversations, sum(ended) AS ended, sum(completed) AS completed,
           sum(escalated) AS escalated, sum(conversions) AS conversions,
           coalesce(sum(duration_ms), 0) AS duration_ms,
           count(csat_x100) AS csat_n, coalesce(sum(csat_x100), 0) AS csat_x100,
           coalesce(sum(csat_x100::bigint * csat_x100), 0) AS csat_x100_sq,
           count(response_ms) AS response_n, coalesce(sum(response_ms), 0) AS response_ms,
           coalesce(sum(response_ms::numeric * response_ms), 0) AS response_ms_sq,
           count(*) FILTER (WHERE sentiment = 1) AS positive,
           count(*) FILTER (WHERE sentiment = 2) AS neutral,
           count(*) FILTER (WHERE sentiment = 3) AS negative,
           sum(booked) AS booked, sum(kept) AS kept, sum(no_show) AS no_show, sum(cancelled) AS cancelled
    FROM expected
    GROUP BY {group}
""")

_REVENUE = SQL("""
    SELECT {key}, coalesce(currency, '') AS currency,
           sum(orders) AS orders, sum(amount) AS amount, sum(amount * amount) AS amount_sq
    FROM expected
    WHERE amount IS NOT NULL
    GROUP BY {group}, coalesce(currency, '')
""")

_HISTOGRAM = SQL("""
    SELECT {key}, ceil(ln(greatest({ms}, 1)::float8) / ln(1.04::float8))::int AS log_bucket, count(*) AS n
    FROM expected
    WHERE {ms} IS NOT NULL
    GROUP BY {group}, log_bucket
""")

#: Of days before the horizon, which the horizon's month may have, only what is stored by day is known.
_MONTHS = SQL("""
    SELECT date_trunc('month', day)::date AS bucket, platform, log_bucket, sum(n) AS n
    FROM (
        SELECT day, platform, ceil(ln(greatest({ms}, 1)::float8) / ln(1.04::float8))::int AS log_bucket, 1::bigint AS n
        FROM expected
        WHERE {ms} IS NOT NULL AND day >= %(horizon_day)s
        UNION ALL
        SELECT bucket, platform, log_bucket, n FROM {days} WHERE tenant_id = %(tenant)s AND bucket < %(horizon_day)s
    ) AS known
    GROUP BY 1, 2, 3
""")

_TALLIES = SQL("""
    SELECT {key}, counted.measure, sum(counted.n) AS n
    FROM expected
    CROSS JOIN LATERAL (VALUES (outcome, 1::bigint), (expected.measure, quantity)) AS counted (measure, n)
    WHERE counted.measure IS NOT NULL
    GROUP BY {group}, counted.measure
""")


def _kept(tables: Sequence[Table], bucket: SQL, *, by_agent: bool = True, recent_only: bool = False) -> tuple[Rollup, ...]:
    """Return what the rollups of one grain must hold: counts, revenue, response times, durations, tallies."""
    group = SQL("agent_id, {}, platform" if by_agent else "{}, platform").format(bucket)
    key = SQL("agent_id, {} AS bucket, platform" if by_agent else "{} AS bucket, platform").format(bucket)
    ms = (Identifier("response_ms"), Identifier("duration_ms"))
    histograms = (_HISTOGRAM.format(key=key, group=group, ms=each) for each in ms)
    counts, revenue, tallies = (each.format(key=key, group=group) for each in (_COUNTS, _REVENUE, _TALLIES))
    expected = (counts, revenue, *histograms, tallies)
    return tuple(Rollup(table, each, recent_only=recent_only) for table, each in zip(tables, expected, strict=True))


_COSTS = SQL("""
    SELECT agent_id, customer_id, category, coalesce(campaign, '') AS campaign, currency, day AS first_day, end_day,
           count(*) AS n, sum(cost) AS amount
    FROM expected
    WHERE cost IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5, 6, 7
""")

_CUSTOMER_DAYS = SQL("""
    SELECT customer_id, day, agent_id, platform, sum(conversations) AS conversations, sum(orders) AS orders
    FROM expected
    WHERE customer_id <> ''
    GROUP BY 1, 2, 3, 4
""")

_CUSTOMER_REVENUE = SQL("""
    SELECT customer_id, day, coalesce(currency, '') AS currency, sum(orders) AS orders, sum(amount) AS amount
    FROM expected
    WHERE customer_id <> '' AND amount IS NOT NULL
    GROUP BY 1, 2, 3
""")

_PRESENCE = SQL("""
    WITH met AS (
        SELECT DISTINCT g.grouping, g.group_id, e.customer_id, e.day
        FROM {days} AS e
        CROSS JOIN LATERAL (VALUES (1, ''), (2, e.agent_id), (3, e.platform::text)) AS g (grouping, group_id)
        WHERE e.conversations > 0 AND e.customer_id <> ''
    ), paired AS (
        SELECT m.grouping, m.group_id, m.day,
               lag(m.day, 1, date '0001-01-01') OVER (
                   PARTITION BY m.grouping, m.group_id, m.customer_id ORDER BY m.day
               ) AS previous_day
        FROM met m
    )
    SELECT p.grouping, p.group_id, p.day, p.previous_day, sum(p.n)::bigint AS n
    FROM (SELECT grouping, group_id, day, previous_day, 1::bigint AS n FROM paired UNION ALL {erased}) AS p
    GROUP BY 1, 2, 3, 4
""").format(days=horizon.DAYS, erased=remainder.PRESENCE)

_CUSTOMERS = SQL("""
    WITH named AS (
        SELECT customer_id FROM ingest.conversation WHERE tenant_id = %(tenant)s
        UNION SELECT customer_id FROM ingest.event WHERE tenant_id = %(tenant)s
        UNION SELECT customer_id FROM ingest.appointment WHERE tenant_id = %(tenant)s
        UNION SELECT customer_id FROM ingest.transaction WHERE tenant_id = %(tenant)s
        UNION SELECT customer_id FROM ingest.cart WHERE tenant_id = %(tenant)s
        UNION SELECT customer_id FROM ingest.follow_up WHERE tenant_id = %(tenant)s
        UNION SELECT customer_id FROM ({known}) AS known
    ), engaged AS (
        SELECT customer_id, day, sum(orders) AS orders
        FROM {days} AS d
        WHERE conversations > 0 OR orders > 0
        GROUP BY 1, 2
    ), advocates AS (
        SELECT DISTINCT customer_id
        FROM ingest.conversation
        WHERE tenant_id = %(tenant)s AND (conversion_type = 4 OR stage = 5)
        UNION SELECT customer_id FROM ({known}) AS known WHERE advocate
    ), brought AS (
        SELECT DISTINCT ON (customer_id) coalesce(i.customer_id, c.customer_id) AS customer_id, i.body ->> 'campaign' AS campaign
        FROM ingest.event i
        LEFT JOIN ingest.conversation c ON c.tenant_id = %(tenant)s AND c.conversation_id = i.conversation_id
        WHERE i.tenant_id = %(tenant)s AND i.kind = 16 AND i.body ->> 'campaign' <> ''
        ORDER BY 1, i.occurred_at, i.event_id COLLATE "C", i.source
    )
    SELECT n.customer_id, coalesce(min(k.campaign), min(b.campaign)) AS campaign,
           count(e.day) AS engagement_days, min(e.day) AS first_day, max(e.day) AS last_day,
           count(*) FILTER (WHERE e.orders > 0) AS order_days,
           min(e.day) FILTER (WHERE e.orders > 0) AS first_order_day,
           max(e.day) FILTER (WHERE e.orders > 0) AS last_order_day,
           coalesce(sum(e.orders), 0) AS orders,
           n.customer_id IN (SELECT a.customer_id FROM advocates a) AS advocate
    FROM named n
    LEFT JOIN engaged e USING (customer_id)
    LEFT JOIN brought b USING (customer_id)
    LEFT JOIN ({known}) AS k USING (customer_id)
    WHERE n.customer_id <> ''
    GROUP BY 1
""").format(days=horizon.DAYS, known=horizon.KNOWN)

_NEW_CUSTOMERS = SQL("""
    SELECT first_day AS day, count(*) AS n
    FROM (
        SELECT min(day) AS first_day FROM {days} AS d
        WHERE customer_id <> '' AND (conversations > 0 OR orders > 0)
        GROUP BY customer_id
        UNION ALL {erased}
    ) AS came
    GROUP BY 1
""").format(days=horizon.DAYS, erased=remainder.FIRST_DAYS)

_AGENTS = SQL("""
    SELECT agent_id
    FROM (
        SELECT agent_id FROM ingest.conversation WHERE tenant_id = %(tenant)s
        UNION SELECT agent_id FROM ingest.event WHERE tenant_id = %(tenant)s
        UNION SELECT agent_id FROM ingest.appointment WHERE tenant_id = %(tenant)s
        UNION SELECT agent_id FROM ingest.transaction WHERE tenant_id = %(tenant)s
        UNION SELECT agent_id FROM ingest.cart WHERE tenant_id = %(tenant)s
        UNION SELECT agent_id FROM ingest.follow_up WHERE tenant_id = %(tenant)s
    ) named
    WHERE agent_id <> ''
""")

_DUE = SQL("""
    SELECT 6 AS kind, cart_id AS entity_id, changed_at + interval '24 hours' AS due_at
    FROM ingest.cart
    WHERE tenant_id = %(tenant)s AND status IN (1, 2) AND changed_at > %(as_of)s - interval '24 hours'
    UNION ALL
    SELECT 7, follow_up_id, due FROM ingest.follow_up WHERE tenant_id = %(tenant)s AND status = 1 AND due > %(as_of)s
""")

#: In the order in which they are compared. Segments are history and revisions only ever move: neither can be recomputed.
ROLLUPS = (
    Rollup(schema.contribution, SQL("SELECT * FROM expected WHERE NOT erased"), zeros=Zeros.COUNT),
    *_kept(
        (
            schema.agent_interval,
            schema.revenue_interval,
            schema.response_interval,
            schema.duration_interval,
            schema.tally_interval,
        ),
        _INTERVAL,
        recent_only=True,
    ),
    *_kept((schema.agent_day, schema.revenue_day, schema.response_day, schema.duration_day, schema.tally_day), _DAY),
    *_kept(
        (
            schema.counts_total_day,
            schema.revenue_total_day,
            schema.response_total_day,
            schema.duration_total_day,
            schema.tally_total_day,
        ),
        _DAY,
        by_agent=False,
    ),
    Rollup(
        schema.response_total_month,
        _MONTHS.format(ms=Identifier("response_ms"), days=Identifier("scoring", "response_total_day")),
    ),
    Rollup(
        schema.duration_total_month,
        _MONTHS.format(ms=Identifier("duration_ms"), days=Identifier("scoring", "duration_total_day")),
    ),
    Rollup(schema.cost_period, _COSTS),
    Rollup(schema.customer_day, _CUSTOMER_DAYS),
    Rollup(schema.customer_revenue_day, _CUSTOMER_REVENUE),
    Rollup(schema.presence, _PRESENCE),
    Rollup(schema.customer_state, _CUSTOMERS, ignored=frozenset({"segment", "segment_since"}), zeros=Zeros.MAY_REMAIN),
    Rollup(schema.new_customers_day, _NEW_CUSTOMERS),
    Rollup(schema.agent_state, _AGENTS, ignored=frozenset({"revision"}), zeros=Zeros.MAY_REMAIN),
    Rollup(schema.due, _DUE, zeros=Zeros.COUNT),
)
