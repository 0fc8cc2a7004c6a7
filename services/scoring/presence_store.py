"""SQL that says on which days customers were there: by pairs of a day and the day before, so that anyone can be counted once."""

from __future__ import annotations

from services.scoring.measures import Grouping
from services.scoring.rollups import CUSTOMER_DAYS

#: Stands for "not there before".
NEVER = "DATE '0001-01-01'"
#: Among what customers are told apart: groupings with their groups.
GROUPS = (
    f"(VALUES ({Grouping.TENANT:d}, ''), ({Grouping.AGENT:d}, agent_id), ({Grouping.PLATFORM:d}, CAST(platform AS text))) "
    "AS g (grouping, group_id)"
)
_IN_GROUP = (
    f"CASE grouping WHEN {Grouping.TENANT:d} THEN true WHEN {Grouping.AGENT:d} THEN d.agent_id = group_id "
    "ELSE CAST(d.platform AS text) = group_id END"
)
#: One customer's day beside another, among the days before this batch.
_BESIDE = f"""
    SELECT d.day FROM scoring.customer_day AS d
    WHERE d.tenant_id = :tenant AND d.customer_id = f.customer_id AND d.conversations > 0 AND {_IN_GROUP}"""

#: A day on which a customer begins or ceases to be there comes between two others. Those beside it are all that has to be
#: looked at: what lies between two days without such a one is the same before and after, and cancels out. `within` says that
#: the day is not after all that was known of the customer before this batch, so that there may be something beside it later. Most
#: days are one more after all the others of a group (`appended`); what else there is has to be looked at together.
PRESENCE = f"""
    turned AS (
        SELECT p.customer_id, p.day, p.agent_id, p.platform, CASE WHEN p.conversations > 0 THEN 1 ELSE -1 END AS change,
               coalesce(p.day <= s.last_day, false) AS within
        FROM put_days AS p
        LEFT JOIN scoring.customer_state AS s ON s.tenant_id = :tenant AND s.customer_id = p.customer_id
        WHERE (p.was_conversations > 0) <> (p.conversations > 0)
    ),
    turned_groups AS (
        SELECT grouping, group_id, customer_id, day, sum(change) AS change, bool_or(within) AS within
        FROM turned CROSS JOIN LATERAL {GROUPS} GROUP BY 1, 2, 3, 4
    ),
    flips AS (
        SELECT grouping, group_id, customer_id, day, had.n > 0 AS was, had.n + change > 0 AS is_there, within
        FROM turned_groups AS f CROSS JOIN LATERAL (
            SELECT count(*) AS n FROM scoring.customer_day AS d
            WHERE d.tenant_id = :tenant AND d.customer_id = f.customer_id AND d.day = f.day AND d.conversations > 0
              AND f.within AND {_IN_GROUP}
        ) AS had
        WHERE (had.n > 0) <> (had.n + change > 0)
    ),
    appended AS (
        SELECT grouping, group_id, customer_id, min(day) AS day FROM flips
        GROUP BY 1, 2, 3 HAVING count(*) = 1 AND NOT bool_or(within)
    ),
    tangled AS (
        SELECT f.* FROM flips AS f LEFT JOIN appended AS a USING (grouping, group_id, customer_id) WHERE a.day IS NULL
    ),
    around AS (
        SELECT grouping, group_id, customer_id, day, bool_and(was) AS was, bool_and(is_there) AS is_there
        FROM (
            SELECT grouping, group_id, customer_id, day, was, is_there FROM tangled
            UNION ALL
            SELECT f.grouping, f.group_id, f.customer_id, beside.day, true, true
            FROM tangled AS f CROSS JOIN LATERAL (
                ({_BESIDE} AND d.day < f.day ORDER BY d.day DESC LIMIT 1)
                UNION ALL
                ({_BESIDE} AND d.day > f.day AND f.within ORDER BY d.day LIMIT 1)
            ) AS beside
        ) AS both_sides
        GROUP BY 1, 2, 3, 4
    ),
    pairs AS (
        SELECT grouping, group_id, day,
               coalesce(({_BESIDE} AND d.day < f.day ORDER BY d.day DESC LIMIT 1), {NEVER}) AS previous_day, 1 AS n
        FROM appended AS f
        UNION ALL
        SELECT grouping, group_id, day, lag(day, 1, {NEVER}) OVER before, -1
        FROM around WHERE was WINDOW before AS (PARTITION BY grouping, group_id, customer_id ORDER BY day)
        UNION ALL
        SELECT grouping, group_id, day, lag(day, 1, {NEVER}) OVER after, 1
        FROM around WHERE is_there WINDOW after AS (PARTITION BY grouping, group_id, customer_id ORDER BY day)
    )"""


def add_presence(table: str, sign: str = "") -> str:
    """Return the statement that adds `pairs` to a table of presence, or takes them from it."""
    return (
        f"INSERT INTO {table} AS p (tenant_id, grouping, group_id, day, previous_day, n) "
        f"SELECT CAST(:tenant AS text), grouping, group_id, day, previous_day, {sign}sum(n) FROM pairs "
        "GROUP BY 2, 3, 4, 5 HAVING sum(n) <> 0 ORDER BY 2, 3, 4, 5 "
        "ON CONFLICT (tenant_id, grouping, group_id, day, previous_day) DO UPDATE SET n = p.n + EXCLUDED.n"
    )


#: What customers did on days, before and after.
PUT_DAYS = CUSTOMER_DAYS.add(
    " RETURNING customer_id, day, agent_id, platform, coalesce(old.conversations, 0) AS was_conversations, new.conversations, "
    "new.orders"
)
