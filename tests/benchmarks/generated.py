"""Facts as a busy tenant's come: made by the database itself, by a seed, in the order in which they would be recorded.

1,000 agents and 100,000 customers meet as they do in life: a few have most of it, and a customer mostly stays with an agent.
Most conversations are rated by nobody, a fifth convert, a tenth are escalated.
"""

from __future__ import annotations

import psycopg

#: A conversation of number `n` of `:all`, spread over a year that ends at `:until`. Hashes stand for chance.
_CONVERSATIONS = """
    INSERT INTO ingest.conversation (
        tenant_id, conversation_id, agent_id, customer_id, platform, session_id, start_time, end_time, message_count,
        customer_messages, agent_responses, response_ms, csat_x100, conversion_type, conversion_value, conversion_currency,
        sentiment, sentiment_confidence, intents, emotions, tags, escalated, escalation_reason, escalation_resolved_by,
        follow_up_required, stage, resolution, industry, revision, content_hash
    )
    SELECT %(tenant)s, 'conversation-' || n, 'agent-' || agent, 'customer-' || customer, 1 + mod(customer, 5), 's-' || n,
           at, at + (60 + mod(h3, 3000)) * interval '1 second', 12, 6, 6,
           CASE WHEN mod(h3, 20) > 0 THEN 2000 + mod(h2, 38000) END,
           CASE WHEN mod(h2, 5) < 2 THEN 100 + 50 * mod(h3, 9) END,
           CASE WHEN mod(h1, 5) = 0 THEN 1 + mod(h2, 3) END,
           CASE WHEN mod(h1, 5) = 0 AND mod(h2, 3) = 1 THEN 10 + mod(h3, 49000) / 100.0 END,
           CASE WHEN mod(h1, 5) = 0 AND mod(h2, 3) = 1 THEN 'USD' END,
           1 + mod(h3, 3), 0.9,
           jsonb_build_array(
               jsonb_build_object('intent', 'intent-' || floor(12 * power(mod(h2, 1009) / 1009.0, 2)), 'confidence', 0.9)
           ),
           ARRAY['emotion-' || mod(h3, 5)], ARRAY['tag-' || mod(h1, 20)], mod(h2, 10) = 0,
           CASE WHEN mod(h2, 10) = 0 THEN 'reason-' || mod(h3, 4) END, CASE WHEN mod(h2, 30) = 0 THEN 'lead' END,
           mod(h3, 9) = 0, 1 + mod(h1, 4), CASE WHEN mod(h3, 25) = 0 THEN 2 END,
           (ARRAY['retail', 'healthcare', 'finance'])[1 + mod(agent, 3)], 1, decode(md5('conversation-' || n), 'hex')
    FROM (
        SELECT n, h1, h2, h3, customer,
               -- Four of five conversations go to the customer's own agent.
               CASE WHEN mod(h3, 5) > 0 THEN mod(customer * 7919, 1000)
                    ELSE CAST(floor(1000 * power((h2 %% 100003) / 100003.0, 2)) AS bigint) END AS agent,
               CAST(%(until)s AS timestamptz) - interval '365 days' * (1 - n / %(all)s::float8) AS at
        FROM (
            SELECT n, h1, h2, h3, CAST(floor(100000 * power((h1 %% 1000003) / 1000003.0, 1.7)) AS bigint) AS customer
            FROM (
                SELECT n, hashint8(n) & 2147483647 AS h1, hashint8(n + 1000000007) & 2147483647 AS h2,
                       hashint8(n + 2000000011) & 2147483647 AS h3
                FROM generate_series(%(first)s, %(last)s - 1) AS n
            ) AS hashed
        ) AS met
    ) AS said
"""
#: What is reported again: the rating came later, or the conversation went on.
_REVISIONS = """
    UPDATE ingest.conversation AS c
    SET revision = 2, end_time = end_time + interval '2 minutes',
        csat_x100 = 100 + 50 * mod(hashtext(conversation_id) & 1048575, 9)
    WHERE tenant_id = %(tenant)s AND conversation_id IN (
        SELECT 'conversation-' || n FROM generate_series(%(first)s, %(last)s - 1) AS n WHERE mod(n, 4) = 0
    )
"""
_CHANGES = """
    INSERT INTO ingest.change (tenant_id, kind, entity_id)
    SELECT %(tenant)s, 1, 'conversation-' || n FROM generate_series(%(first)s, %(last)s - 1) AS n WHERE mod(n, %(every)s) = 0
    ORDER BY n
"""


def record(url: str, first: int, last: int, *, everything: int, until: str, tenant: str = "default") -> int:
    """Record conversations [first, last) of `everything`, and a quarter of as many before them anew; return the changes."""
    told = {"tenant": tenant, "first": first, "last": last, "all": everything, "until": until, "every": 1}
    before = told | {"first": max(2 * first - last, 0), "last": first, "every": 4}
    with psycopg.connect(url) as conn:
        conn.execute("INSERT INTO ingest.tenant VALUES (%(tenant)s) ON CONFLICT DO NOTHING", told)
        conn.execute(_CONVERSATIONS, told)
        changes = conn.execute(_CHANGES, told).rowcount
        if first:
            conn.execute(_REVISIONS, before)
            changes += conn.execute(_CHANGES, before).rowcount
    return changes
