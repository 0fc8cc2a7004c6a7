"""What every stored fact must count for, and where: SQL that fills the temporary table `expected`.

Each statement takes `tenant`, `time_zone` (IANA) and `attribution_window` (an interval). The session's time zone is UTC.
"""

from __future__ import annotations

from psycopg.sql import SQL

CREATE = SQL("CREATE TEMPORARY TABLE expected (LIKE scoring.contribution INCLUDING DEFAULTS) ON COMMIT DROP")

CONVERSATIONS = SQL("""
    INSERT INTO expected
        (tenant_id, kind, fact_id, agent_id, platform, customer_id, at, day,
         conversations, ended, completed, escalated, conversions,
         duration_ms, csat_x100, response_ms, sentiment, booked, kept, no_show, cancelled, orders, amount, currency)
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
           CASE WHEN sale.counts THEN c.conversion_currency END
    FROM ingest.conversation c
    LEFT JOIN (
        SELECT DISTINCT conversation_id FROM ingest.transaction WHERE tenant_id = %(tenant)s AND kind = 1
    ) charged USING (conversation_id)
    CROSS JOIN LATERAL (
        SELECT c.conversion_type IS NOT DISTINCT FROM 2 AND coalesce(c.conversion_currency, '') <> ''
               AND charged.conversation_id IS NULL AS counts
    ) sale
    WHERE c.tenant_id = %(tenant)s
""")

#: A refund stands where its original stood: `named` holds the names that decide, and the moment at which they do.
TRANSACTIONS = SQL("""
    INSERT INTO expected
        (tenant_id, kind, fact_id, agent_id, platform, customer_id, at, day,
         conversations, ended, completed, escalated, conversions,
         booked, kept, no_show, cancelled, orders, amount, currency)
    SELECT t.tenant_id, 2, t.transaction_id,
           coalesce(named.agent_id, c.agent_id, last.agent_id, ''),
           coalesce(c.platform, last.platform, 0),
           coalesce(named.customer_id, c.customer_id, ''),
           t.settled_at, (t.settled_at AT TIME ZONE %(time_zone)s)::date,
           0, 0, 0, 0, 0, 0, 0, 0, 0,
           CASE t.kind WHEN 1 THEN 1 ELSE 0 END,
           CASE t.kind WHEN 2 THEN -t.amount ELSE t.amount END,
           t.currency
    FROM ingest.transaction t
    LEFT JOIN ingest.transaction o
        ON o.tenant_id = %(tenant)s AND o.transaction_id = t.original_transaction_id AND t.kind = 2
    CROSS JOIN LATERAL (
        SELECT x.agent_id, x.customer_id, x.conversation_id,
               CASE WHEN o.status = 2 THEN o.settled_at ELSE t.settled_at END AS at
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
    WHERE t.tenant_id = %(tenant)s AND t.status = 2 AND t.settled_at IS NOT NULL
""")

APPOINTMENTS = SQL("""
    INSERT INTO expected
        (tenant_id, kind, fact_id, agent_id, platform, customer_id, at, day,
         conversations, ended, completed, escalated, conversions,
         booked, kept, no_show, cancelled, orders)
    SELECT a.tenant_id, part.kind, a.appointment_id,
           coalesce(a.agent_id, c.agent_id, ''),
           coalesce(c.platform, 0),
           coalesce(a.customer_id, c.customer_id, ''),
           part.at, (part.at AT TIME ZONE %(time_zone)s)::date,
           0, 0, 0, 0, 0, part.booked, part.kept, part.no_show, part.cancelled, 0
    FROM ingest.appointment a
    LEFT JOIN ingest.conversation c ON c.tenant_id = %(tenant)s AND c.conversation_id = a.conversation_id
    CROSS JOIN LATERAL (
        SELECT 3 AS kind, a.booked_at AS at, 1 AS booked, 0 AS kept, 0 AS no_show, 0 AS cancelled
        UNION ALL
        SELECT 4, coalesce(a.scheduled_for, a.status_at), 0, (a.status = 3)::int, (a.status = 5)::int, (a.status = 4)::int
        WHERE a.status IN (3, 4, 5)
    ) part
    WHERE a.tenant_id = %(tenant)s AND part.at IS NOT NULL
""")

ANALYZE = SQL("ANALYZE expected")
