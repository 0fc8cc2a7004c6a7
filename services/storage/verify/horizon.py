"""What is compared of a tenant whose retention has deleted facts: what lies on its horizon's day, or in its month, or later.

Rollups from before cannot be recomputed any more, and stay. What reaches back before the horizon, as a customer's previous day
does, takes the stored days of customers from before it as given.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import psycopg
from psycopg.sql import SQL, Composable, Identifier
from sqlalchemy import Date, Table

#: Nothing was deleted: everything is compared.
_NEVER = {"horizon_day": date.min, "horizon_at": datetime(1, 1, 1, tzinfo=UTC)}


def parameters_of(conn: psycopg.Connection[tuple[Any, ...]], tenant_id: str) -> dict[str, Any]:
    """Return `horizon_day` and `horizon_at`, the tenant's horizon, as parameters of statements."""
    row = conn.execute("SELECT day, at FROM ingest.horizon WHERE tenant_id = %s", [tenant_id]).fetchone()
    return _NEVER if row is None else {"horizon_day": row[0], "horizon_at": row[1]}


#: The bounds of rows that are placed by the first of a month, by a day, and by a moment.
_MONTH, _DAY, _AT = SQL("date_trunc('month', %(horizon_day)s::timestamp)::date"), SQL("%(horizon_day)s"), SQL("%(horizon_at)s")
#: Which column places a row in time where it is neither a bucket nor a day. First days are known however long ago they were.
_PLACED = {"cost_period": "first_day", "new_customers_day": None}


def since_horizon(table: Table) -> Composable:
    """Return the condition that a row of a rollup, expected or stored, does not lie before the horizon.

    The horizon's month lies on both sides of it: rollups by month know the days before as those by day have them.
    """
    name = _PLACED.get(table.name, next((n for n in ("bucket", "day") if n in table.c), None))
    if name is None:
        return SQL("true")
    bound = _MONTH if table.name.endswith("_month") else _DAY if isinstance(table.c[name].type, Date) else _AT
    return SQL("{} >= {}").format(Identifier(name), bound)


#: What customers did on days: recomputed since the horizon, before it as stored.
DAYS = SQL("""
    (SELECT customer_id, day, agent_id, platform, conversations::bigint, orders::bigint FROM expected WHERE day >= %(horizon_day)s
     UNION ALL
     SELECT customer_id, day, agent_id, platform, conversations, orders FROM scoring.customer_day
     WHERE tenant_id = %(tenant)s AND day < %(horizon_day)s)
""")

#: With a horizon, what was found out about customers, who are all still known, does not go back.
KNOWN = SQL("""
    SELECT customer_id, advocate, campaign FROM scoring.customer_state
    WHERE tenant_id = %(tenant)s AND %(horizon_day)s > date '0001-01-01'
""")
