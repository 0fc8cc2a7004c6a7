"""What every stored fact must count for, and where: SQL that fills the temporary table `expected`.

Each statement takes `tenant`, `time_zone` (IANA), `attribution_window` (an interval) and `as_of` (the moment at which it
holds: time alone turns open carts and follow-ups into misses). The session's time zone is UTC.
"""

from __future__ import annotations

from psycopg.sql import SQL

from services.storage.verify.remainder import REMAINDER

CREATE = SQL("""
    CREATE TEMPORARY TABLE expected (LIKE scoring.contribution INCLUDING DEFAULTS, erased boolean NOT NULL DEFAULT false)
    ON COMMIT DROP
""")

CONVERSATIONS = SQL("""
    INSERT INTO expected
        (tenant_id, kind, fact_id, agent_id, platform, customer_id, at, day,
         conversations, ended, completed, escalated, conversions,
         duration_ms, csat_x100, response_ms, sentiment, booked, kept, no_show, cancelled, orders, amount, currency, outcome)
    SELECT c.tenant_id, 1, c.conversation_id, c.agent_id, c.platform, c.customer_id, c.start_time,
           (c.start_time AT TIME ZONE %(time_zone)s)::date,
           1,
           (c.end_time IS NOT NULL)::int,
           (c.end_time IS NOT NULL AND coalesce(c.resolution, 0) <> 2
               AND (c.escalated IS NOT TRUE OR coalesce(c.resolution, 0) = 1 OR coalesce(c.escalation_resolved_by, '') <> '')
           )::int,
           (c.escalated IS TRUE)::int,
           (c.conversion_type IS NOT NULL)::int,
           floor(extract(epoch FROM c.end_time - c.start_time) * 1000),
           c.csat_x100, c.response_ms, c.sentiment, 0, 0, 0, 0,
           sale.counts::int,
           CASE WHEN sale.counts THEN c.conversion_value END,
           CASE WHEN sale.counts THEN c.conversion_currency END,
           CASE WHEN c.resolution = 2 THEN 2
                WHEN c.end_time IS NULL THEN NULL
                WHEN c.customer_messages > 0 AND c.agent_responses = 0 THEN 3
                WHEN c.escalated IS TRUE AND c.resolution IS DISTINCT FROM 1
                    AND coalesce(c.escalation_resolved_by, '') = '' THEN 4
                ELSE 1 END
    FROM ingest.conversation c
    LEFT JOIN (
        SELECT conversation_id FROM ingest.transaction WHERE tenant_id = %(tenant)s AND kind = 1
        UNION SELECT conversation_id FROM ingest.paid_conversation WHERE tenant_id = %(tenant)s
    ) charged USING (conversation_id)
    CROSS JOIN LATERAL (
        SELECT c.conversion_type IS NOT DISTINCT FROM 2 AND coalesce(c.conversion_currency, '') <> ''
               AND charged.conversation_id IS NULL AS counts
    ) sale
    WHERE c.tenant_id = %(tenant)s
""")

#: A refund stands where its original stood: `named` holds the names that decide, and the moment at which they do. A charge
#: that failed stands where it would have stood, had it been settled then.
TRANSACTIONS = SQL("""
    INSERT INTO expected
        (tenant_id, kind, fact_id, agent_id, platform, customer_id, at, day,
         conversations, ended, completed, escalated, conversions,
         booked, kept, no_show, cancelled, orders, amount, currency, outcome)
    SELECT t.tenant_id, 2, t.transaction_id,
           coalesce(named.agent_id, c.agent_id, last.agent_id, ''),
           coalesce(c.platform, last.platform, 0),
           coalesce(named.customer_id, c.customer_id, ''),
           counted.at, (counted.at AT TIME ZONE %(time_zone)s)::date,
           0, 0, 0, 0, 0, 0, 0, 0, 0,
           CASE WHEN t.kind = 1 AND t.status = 2 THEN 1 ELSE 0 END,
           CASE WHEN t.status = 3 THEN NULL WHEN t.kind = 2 THEN -t.amount ELSE t.amount END,
           CASE WHEN t.status = 2 THEN t.currency END,
           CASE WHEN t.kind = 1 THEN CASE t.status WHEN 2 THEN 1 WHEN 3 THEN 5 END END
    FROM ingest.transaction t
    CROSS JOIN LATERAL (SELECT CASE t.status WHEN 2 THEN t.settled_at WHEN 3 THEN t.failed_at END AS at) counted
    LEFT JOIN ingest.transaction o
        ON o.tenant_id = %(tenant)s AND o.transaction_id = t.original_transaction_id AND t.kind = 2
    CROSS JOIN LATERAL (
        SELECT x.agent_id, x.customer_id, x.conversation_id,
               CASE WHEN o.status = 2 THEN o.settled_at ELSE counted.at END AS at
        FROM (SELECT (CASE WHEN o.transaction_id IS NULL THEN t ELSE o END).*) x
    ) named
    LEFT JOIN ingest.conversation c ON c.tenant_id = %(tenant)s AND c.conversation_id = named.conversation_id
    LEFT JOIN LATERAL (
        SELECT l.agent_id, l.platform
        FROM ingest.conversation l
        WHERE l.tenant_id = %(tenant)s AND l.customer_id = named.customer_id
            AND c.conversation_id IS NULL AND named.agent_id IS NULL
            AND l.start_time <= named.at
            AND greatest(l.start_time, l.end_time) >= named.at - %(attribution_window)s
        ORDER BY l.start_time DESC, l.conversation_id COLLATE "C" DESC
        LIMIT 1
    ) last ON true
    WHERE t.tenant_id = %(tenant)s AND counted.at IS NOT NULL AND (t.status = 2 OR t.kind = 1)
""")

APPOINTMENTS = SQL("""
    INSERT INTO expected
        (tenant_id, kind, fact_id, agent_id, platform, customer_id, at, day,
         conversations, ended, completed, escalated, conversions,
         booked, kept, no_show, cancelled, orders, outcome)
    SELECT a.tenant_id, part.kind, a.appointment_id,
           coalesce(a.agent_id, c.agent_id, ''),
           coalesce(c.platform, 0),
           coalesce(a.customer_id, c.customer_id, ''),
           part.at, (part.at AT TIME ZONE %(time_zone)s)::date,
           0, 0, 0, 0, 0, part.booked, part.kept, part.no_show, part.cancelled, 0, part.outcome
    FROM ingest.appointment a
    LEFT JOIN ingest.conversation c ON c.tenant_id = %(tenant)s AND c.conversation_id = a.conversation_id
    CROSS JOIN LATERAL (
        SELECT 3 AS kind, a.booked_at AS at, 1 AS booked, 0 AS kept, 0 AS no_show, 0 AS cancelled, NULL::int AS outcome
        UNION ALL
        SELECT 4, coalesce(a.scheduled_for, a.status_at), 0, (a.status = 3)::int, (a.status = 5)::int, (a.status = 4)::int,
               CASE a.status WHEN 3 THEN 1 WHEN 5 THEN 6 ELSE 7 END
        WHERE a.status IN (3, 4, 5)
    ) part
    WHERE a.tenant_id = %(tenant)s AND part.at IS NOT NULL
""")

#: Carts at their first event; follow-ups at their first and, with an outcome, where they were due.
ENTITIES = SQL("""
    INSERT INTO expected
        (tenant_id, kind, fact_id, agent_id, platform, customer_id, at, day,
         conversations, ended, completed, escalated, conversions,
         booked, kept, no_show, cancelled, orders, measure, quantity, outcome)
    SELECT x.tenant_id, x.kind, x.fact_id,
           coalesce(x.agent_id, c.agent_id, ''), coalesce(c.platform, 0), coalesce(x.customer_id, c.customer_id, ''),
           x.at, (x.at AT TIME ZONE %(time_zone)s)::date,
           0, 0, 0, 0, 0, 0, 0, 0, 0, 0, x.measure, CASE WHEN x.measure IS NOT NULL THEN 1 END, x.outcome
    FROM (
        SELECT tenant_id, 5 AS kind, cart_id AS fact_id, agent_id, customer_id, conversation_id, created_at AS at, 80 AS measure,
               CASE WHEN status = 3 THEN 1
                    WHEN status = 4 OR changed_at <= %(as_of)s - interval '24 hours' THEN 8 END AS outcome
        FROM ingest.cart
        UNION ALL
        SELECT tenant_id, 6, follow_up_id, agent_id, customer_id, conversation_id, opened_at, 81, NULL
        FROM ingest.follow_up
        UNION ALL
        SELECT tenant_id, 7, follow_up_id, agent_id, customer_id, conversation_id, coalesce(due, opened_at), NULL,
               CASE status WHEN 2 THEN 1 ELSE 9 END
        FROM ingest.follow_up
        WHERE status = 2 OR (status = 1 AND due <= %(as_of)s)
    ) x
    LEFT JOIN ingest.conversation c ON c.tenant_id = %(tenant)s AND c.conversation_id = x.conversation_id
    WHERE x.tenant_id = %(tenant)s
""")

#: What an event counts in, by its kind, the field of its body that decides, and that field's number.
_MEASURES = SQL("""
    (VALUES (10, NULL, NULL, 90), (23, NULL, NULL, 95), (16, NULL, NULL, 30), (21, NULL, NULL, 60),
            (14, 'action', 1, 20), (14, 'action', 2, 21), (14, 'action', 3, 22), (14, 'action', 4, 23),
            (15, 'status', 1, 91), (15, 'status', 2, 92), (15, 'status', 3, 93), (15, 'status', 4, 94),
            (19, 'outcome', 1, 40), (19, 'outcome', 2, 41), (19, 'outcome', 3, 42),
            (20, 'result', 1, 50), (20, 'result', 2, 51), (20, 'result', 3, 52),
            (22, 'state', 1, 70), (22, 'state', 2, 71), (22, 'state', 3, 72)) AS m (kind, field, told, measure)
""")

#: Events that stand for themselves; an interaction stands for the consent that was given in it, too.
EVENTS = SQL("""
    INSERT INTO expected
        (tenant_id, kind, fact_id, agent_id, platform, customer_id, at, day,
         conversations, ended, completed, escalated, conversions,
         booked, kept, no_show, cancelled, orders, measure, quantity, campaign)
    SELECT e.tenant_id, part.kind, concat(e.source, '/', e.event_id),
           coalesce(e.agent_id, c.agent_id, ''),
           CASE e.kind WHEN 16 THEN (e.body ->> 'platform')::int ELSE coalesce(c.platform, 0) END,
           coalesce(e.customer_id, c.customer_id, ''),
           e.occurred_at, (e.occurred_at AT TIME ZONE %(time_zone)s)::date,
           0, 0, 0, 0, 0, 0, 0, 0, 0, 0, part.measure, part.quantity, part.campaign
    FROM ingest.event e
    JOIN {measures} ON m.kind = e.kind AND (m.field IS NULL OR (e.body ->> m.field) = m.told::text)
    LEFT JOIN ingest.conversation c ON c.tenant_id = %(tenant)s AND c.conversation_id = e.conversation_id
    CROSS JOIN LATERAL (
        SELECT 8 AS kind, m.measure, CASE e.kind WHEN 14 THEN coalesce((e.body ->> 'count')::bigint, 1) ELSE 1 END AS quantity,
               CASE e.kind WHEN 16 THEN nullif(e.body ->> 'campaign', '') END AS campaign
        UNION ALL
        SELECT 9, 31, 1, NULL
        WHERE e.kind = 16 AND (e.body -> 'consent') = 'true'
    ) part
    WHERE e.tenant_id = %(tenant)s
""").format(measures=_MEASURES)

#: A cost is for the days that its period touches; the period's end is not in it.
COSTS = SQL("""
    INSERT INTO expected
        (tenant_id, kind, fact_id, agent_id, platform, customer_id, at, day,
         conversations, ended, completed, escalated, conversions,
         booked, kept, no_show, cancelled, orders, cost, currency, category, campaign, end_day)
    SELECT e.tenant_id, 8, concat(e.source, '/', e.event_id),
           coalesce(e.agent_id, c.agent_id, ''), coalesce(c.platform, 0), coalesce(e.customer_id, c.customer_id, ''),
           period.first, (period.first AT TIME ZONE %(time_zone)s)::date,
           0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
           (e.body ->> 'amount')::numeric, e.body ->> 'currency', (e.body ->> 'category')::int, nullif(e.body ->> 'campaign', ''),
           (greatest(period.first, period.last) AT TIME ZONE %(time_zone)s)::date + 1
    FROM ingest.event e
    CROSS JOIN LATERAL (
        SELECT coalesce((e.body ->> 'period_start')::timestamptz, e.occurred_at) AS first,
               (e.body ->> 'period_end')::timestamptz - interval '1 microsecond' AS last
    ) period
    LEFT JOIN ingest.conversation c ON c.tenant_id = %(tenant)s AND c.conversation_id = e.conversation_id
    WHERE e.tenant_id = %(tenant)s AND e.kind = 13
""")

#: Every statement that fills `expected`.
FILL = (CONVERSATIONS, TRANSACTIONS, APPOINTMENTS, ENTITIES, EVENTS, COSTS, REMAINDER)

ANALYZE = SQL("ANALYZE expected")
