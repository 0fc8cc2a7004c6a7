"""SQL of the counts by source, kept by the quarter of an hour of receipt and summed when read.

A quarter has a row for each lane, and a database session counts in the lane of its number: a session runs one transaction at
a time, so that transactions of one tenant do not wait for each other's commit. Two sessions may share a lane, and wait then;
rows are written in the order of their keys, so that they cannot deadlock. What is settled is folded into lane 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.facts import to_json
from services.ingest.sync_status import Counts, History, Tally, merged
from services.runtime.tenancy import current_tenant
from services.storage import schema

#: Stands for every quarter that is no longer kept by itself.
_PAST = "TIMESTAMPTZ 'epoch'"
_COUNTS = ("created", "updated", "duplicate", "stale", "rejected")
_COLUMNS = f"tenant_id, source, quarter, lane, {', '.join(_COUNTS)}, last_event, last_received"
_ADDITIONS = ", ".join(f"{c} = stored.{c} + EXCLUDED.{c}" for c in _COUNTS)
_SUMS = ", ".join(f"sum({c})::bigint AS {c}" for c in _COUNTS)
_INTO = f"INSERT INTO ingest.sync_quarter AS stored ({_COLUMNS})"
_ADDED = (
    f"ON CONFLICT (tenant_id, source, quarter, lane) DO UPDATE SET {_ADDITIONS}, "
    "last_event = greatest(stored.last_event, EXCLUDED.last_event), "
    "last_received = greatest(stored.last_received, EXCLUDED.last_received)"
)

#: Adds what `parameters` says: a statement by itself, or a part of the one that ends a transaction anyway.
ADD = (
    f"{_INTO} SELECT :tenant, source, date_bin('15 minutes', last_received, {_PAST}), 1 + pg_backend_pid() % 64, "
    f"{', '.join(_COUNTS)}, last_event, last_received "
    "FROM json_populate_recordset(NULL::ingest.sync_quarter, CAST(:tallies AS json)) "
    f"ORDER BY source {_ADDED}"
)

_ADD = text(ADD)

_FOLD = text(
    f"""
    WITH taken AS (
        DELETE FROM ingest.sync_quarter
        WHERE tenant_id = :tenant AND quarter > {_PAST} AND (quarter < :kept_from OR (quarter < :settled_before AND lane > 0))
        RETURNING {_COLUMNS}
    ), moved AS (
        SELECT *, CASE WHEN quarter < :kept_from THEN {_PAST} ELSE quarter END AS target FROM taken
    )
    {_INTO} SELECT :tenant, source, target, 0, {_SUMS}, max(last_event), max(last_received)
    FROM moved GROUP BY source, target ORDER BY source, target {_ADDED}
    """
)

_BY_DAY = text(
    f"SELECT source, width_bucket(quarter, CAST(:midnights AS timestamptz[])) - 1 AS day, {_SUMS} FROM ingest.sync_quarter "
    "WHERE tenant_id = :tenant AND quarter >= :since GROUP BY 1, 2 ORDER BY 1, 2"
)

_HISTORIES = text(
    f"""
    SELECT newest.*, usual.*, before.* FROM (
        SELECT source, max(last_event) AS last_event, max(last_received) AS last_received, max(quarter) AS last_quarter
        FROM ingest.sync_quarter WHERE tenant_id = :tenant GROUP BY source
    ) AS newest, LATERAL (
        SELECT min(q.quarter) AS first_quarter, count(DISTINCT q.quarter) AS quarters FROM ingest.sync_quarter AS q
        WHERE q.tenant_id = :tenant AND q.source = newest.source AND q.quarter > newest.last_quarter - interval '7 days'
    ) AS usual, LATERAL (
        SELECT max(q.quarter) AS quarter_before FROM ingest.sync_quarter AS q
        WHERE q.tenant_id = :tenant AND q.source = newest.source AND q.quarter < newest.last_quarter AND q.quarter > {_PAST}
    ) AS before
    """
)


async def add(conn: AsyncConnection, tallies: Iterable[Tally], now: datetime) -> None:
    """Add a transaction's tallies to the counts."""
    await conn.execute(_ADD, parameters(tallies, now))


def parameters(tallies: Iterable[Tally], now: datetime) -> dict[str, str]:
    """Return the parameters of `ADD` for tallies of what was received now."""
    rows = [{"source": t.source, **asdict(t.counts), "last_event": t.last_event, "last_received": now} for t in merged(tallies)]
    return {"tenant": current_tenant(), "tallies": to_json(rows).decode()}


async def counts_by_day(conn: AsyncConnection, midnights: Sequence[datetime]) -> dict[int, list[tuple[int, Counts]]]:
    """Return each source's counts by day: the number, from 0, of the last of `midnights` before it, and the counts."""
    rows = await conn.execute(_BY_DAY, {"tenant": current_tenant(), "midnights": list(midnights), "since": midnights[0]})
    found: dict[int, list[tuple[int, Counts]]] = {}
    for row in rows:
        found.setdefault(row.source, []).append((row.day, Counts(*(getattr(row, c) for c in _COUNTS))))
    return found


async def get_histories(conn: AsyncConnection) -> dict[int, History]:
    """Return the past of each source that ever reported."""
    rows = await conn.execute(_HISTORIES, {"tenant": current_tenant()})
    return {row.source: History(**{name: getattr(row, name) for name in History.__slots__}) for row in rows}


async def fold(conn: AsyncConnection, settled_before: datetime, kept_from: datetime) -> None:
    """Make the lanes of each quarter before `settled_before` one, and all quarters before `kept_from` one."""
    await conn.execute(_FOLD, {"tenant": current_tenant(), "settled_before": settled_before, "kept_from": kept_from})


async def list_tenants(conn: AsyncConnection) -> list[str]:
    """Return every tenant that ever recorded anything."""
    return list((await conn.execute(select(schema.tenant.c.tenant_id))).scalars())
