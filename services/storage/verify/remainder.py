"""What erased facts counted for: it stays in every number by agent, platform and time, but is nobody's any more."""

from __future__ import annotations

from psycopg.sql import SQL, Identifier

from services.storage import schema

_COLUMNS = SQL(", ").join(Identifier(c.name) for c in schema.remainder.columns)

#: Adds to `expected` what no stored fact accounts for, marked as `erased`. Costs of somebody are not shared by everybody.
REMAINDER = SQL("""
    INSERT INTO expected ({columns}, customer_id, erased)
    SELECT {columns}, CASE WHEN cost IS NULL THEN '' ELSE ' ' END, true FROM scoring.remainder WHERE tenant_id = %(tenant)s
""").format(columns=_COLUMNS)

#: Pairs of days in presence, in the columns of that table, that no customer accounts for.
PRESENCE = SQL("SELECT grouping, group_id, day, previous_day, n FROM scoring.remainder_presence WHERE tenant_id = %(tenant)s")

#: The days on which customers first had a conversation or an order whom no stored fact names.
FIRST_DAYS = SQL("SELECT first_day FROM scoring.remainder_customer WHERE tenant_id = %(tenant)s")
