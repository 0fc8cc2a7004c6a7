"""SQL of retention: where a tenant's horizon is, and what lies before it and is needed by nothing after it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import current_tenant
from services.storage.reading import Horizon

_GET = text("SELECT day, at, cleared_day FROM ingest.horizon WHERE tenant_id = :tenant")
_TAKE = text(f"{_GET.text} FOR UPDATE SKIP LOCKED")
_IS_SETTLED = text(
    """
    SELECT NOT EXISTS (
        SELECT FROM ingest.horizon AS h JOIN ingest.change AS c ON c.tenant_id = h.tenant_id AND c.change_id <= h.after_change
        WHERE h.tenant_id = :tenant
    )
    """
)
_MOVE = text(
    """
    INSERT INTO ingest.horizon AS h (tenant_id, day, at, after_change)
    SELECT :tenant, :day, :at, coalesce(max(change_id), 0) FROM ingest.change WHERE tenant_id = :tenant
    ON CONFLICT (tenant_id) DO UPDATE SET
        day = EXCLUDED.day, at = EXCLUDED.at, previous_day = h.day, after_change = EXCLUDED.after_change
    WHERE h.day < EXCLUDED.day
    """
)
_SET_CLEARED = text("UPDATE ingest.horizon SET cleared_day = :day WHERE tenant_id = :tenant")


def _untold(kind: int, key: str) -> str:
    """Return the condition that an entity has not been told of since the horizon."""
    return (
        f"NOT EXISTS (SELECT FROM ingest.event AS e WHERE e.tenant_id = :tenant AND e.entity_kind = {kind} "
        f"AND e.entity_id = t.{key} AND e.occurred_at >= :horizon)"
    )


def _unnamed(column: str, *tables: str) -> str:
    """Return the condition that no row of the tables names what `column` holds."""
    return " AND ".join(
        f"NOT EXISTS (SELECT FROM ingest.{n} AS n WHERE n.tenant_id = :tenant AND n.{column} = t.{column})" for n in tables
    )


_OF_CUSTOMERS = ("appointment", "transaction", "cart", "follow_up")
#: A payment is due to the customer's last conversation: what may be that of a stored payment, or of the original of a refund.
_PAID = """
    NOT EXISTS (
        SELECT FROM ingest.transaction AS x WHERE x.tenant_id = :tenant AND x.customer_id = t.customer_id
            AND (x.settled_at BETWEEN t.start_time AND greatest(t.start_time, t.end_time) + :window
                 OR x.failed_at BETWEEN t.start_time AND greatest(t.start_time, t.end_time) + :window))
    AND NOT EXISTS (
        SELECT FROM ingest.transaction AS o
        JOIN ingest.transaction AS r ON r.tenant_id = o.tenant_id AND r.original_transaction_id = o.transaction_id
        WHERE o.tenant_id = :tenant AND o.customer_id = t.customer_id AND o.settled_at IS NULL
            AND r.settled_at BETWEEN t.start_time AND greatest(t.start_time, t.end_time) + :window)
"""


@dataclass(frozen=True, slots=True)
class Shelf:
    """A table that retention clears: its key, when a row `t` may go, and what kind of entity's events go with it, if any."""

    table: str
    key: tuple[str, ...]
    is_over: str
    kind: int | None = None


#: In this order: what goes first may be what the next is kept for.
SHELVES = (
    Shelf("cart", ("cart_id",), _untold(6, "cart_id"), 6),
    Shelf("follow_up", ("follow_up_id",), f"(t.due IS NULL OR t.due < :horizon) AND {_untold(7, 'follow_up_id')}", 7),
    Shelf(
        "appointment",
        ("appointment_id",),
        f"(t.scheduled_for IS NULL OR t.scheduled_for < :horizon) AND {_untold(3, 'appointment_id')}",
        3,
    ),
    # Refunds before what they give back: a charge is kept for as long as one of its refunds.
    *(
        Shelf(
            "transaction",
            ("transaction_id",),
            f"{_untold(2, 'transaction_id')} AND {kind} AND NOT EXISTS (SELECT FROM ingest.transaction AS r "
            "WHERE r.tenant_id = :tenant AND r.original_transaction_id = t.transaction_id)",
            2,
        )
        for kind in ("t.kind IS DISTINCT FROM 1", "t.kind = 1")
    ),
    Shelf("event", ("source", "event_id"), "t.entity_kind IS NULL AND t.occurred_at < :horizon"),
    Shelf(
        "conversation",
        ("conversation_id",),
        f"t.start_time < :horizon AND {_unnamed('conversation_id', *_OF_CUSTOMERS)} AND {_PAID} "
        "AND NOT EXISTS (SELECT FROM ingest.event AS n WHERE n.tenant_id = :tenant AND n.conversation_id = t.conversation_id "
        "AND n.occurred_at >= :horizon)",
    ),
    Shelf(
        "customer",
        ("customer_id",),
        f"{_untold(5, 'customer_id')} AND {_unnamed('customer_id', 'conversation', *_OF_CUSTOMERS)} "
        "AND NOT EXISTS (SELECT FROM ingest.event AS n WHERE n.tenant_id = :tenant AND n.customer_id = t.customer_id "
        "AND n.occurred_at >= :horizon)",
        5,
    ),
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is over: what happened before the horizon, unless a payment is due to it, for as long as the window."""

    horizon: datetime
    window: timedelta


async def get_horizon(conn: AsyncConnection) -> Horizon | None:
    """Return the tenant's horizon; None while retention has deleted nothing."""
    row = (await conn.execute(_GET, {"tenant": current_tenant()})).one_or_none()
    return None if row is None else Horizon(*row)


async def take_horizon(conn: AsyncConnection) -> Horizon | None:
    """Lock the tenant's horizon and return it; None while there is none, or while somebody else has it."""
    row = (await conn.execute(_TAKE, {"tenant": current_tenant()})).one_or_none()
    return None if row is None else Horizon(*row)


async def is_settled(conn: AsyncConnection) -> bool:
    """Return whether everything is counted that was recorded before the horizon moved."""
    return bool((await conn.execute(_IS_SETTLED, {"tenant": current_tenant()})).scalar_one())


async def move_horizon(conn: AsyncConnection, day: date, at: datetime) -> None:
    """Move the horizon to a later day. Who records must be locked out: what is recorded later knows the new one."""
    await conn.execute(_MOVE, {"tenant": current_tenant(), "day": day, "at": at})


async def set_cleared(conn: AsyncConnection, day: date) -> None:
    """Note that everything before a day is deleted that can be."""
    await conn.execute(_SET_CLEARED, {"tenant": current_tenant(), "day": day})


async def look_at(
    conn: AsyncConnection, shelf: Shelf, bounds: Bounds, after: Sequence[Any] | None, limit: int
) -> tuple[Sequence[Any] | None, list[Sequence[Any]]]:
    """Look at the next rows of a shelf, in the order of their keys: return where they end (None: all seen) and which are over.

    `after` is where the last ones ended, None to begin.
    """
    keys = ", ".join(f"t.{k}" for k in shelf.key)
    beyond = "" if after is None else f"AND ({keys}) > ({', '.join(f':after_{k}' for k in shelf.key)})"
    page = text(
        f"SELECT {keys}, ({shelf.is_over}) AS is_over FROM ingest.{shelf.table} AS t "
        f"WHERE t.tenant_id = :tenant {beyond} ORDER BY {keys} LIMIT :limit"
    )
    told = {"tenant": current_tenant(), "horizon": bounds.horizon, "window": bounds.window, "limit": limit}
    told |= {f"after_{k}": v for k, v in zip(shelf.key, after or (), strict=False)}
    rows = [tuple(row) for row in await conn.execute(page, told)]
    end = rows[-1][:-1] if len(rows) == limit else None
    return end, [row[:-1] for row in rows if row[-1]]


async def clear(conn: AsyncConnection, shelf: Shelf, keys: Collection[Sequence[Any]]) -> None:
    """Delete rows of a shelf, with the events that they are made of."""
    types = ("smallint", "text") if len(shelf.key) > 1 else ("text",)
    wanted = ", ".join(f"CAST(:key_{n} AS {kind}[])" for n, kind in enumerate(types))
    gone = text(
        f"DELETE FROM ingest.{shelf.table} AS t WHERE t.tenant_id = :tenant "
        f"AND ({', '.join(f't.{k}' for k in shelf.key)}) IN (SELECT * FROM unnest({wanted}))"
    )
    columns = {f"key_{n}": list(column) for n, column in enumerate(zip(*keys, strict=True))}
    await conn.execute(gone, {"tenant": current_tenant()} | columns)
    if shelf.kind is not None:
        await _delete_events(conn, shelf.kind, [key[0] for key in keys])


async def _delete_events(conn: AsyncConnection, kind: int, ids: Collection[str]) -> None:
    events = text("DELETE FROM ingest.event WHERE tenant_id = :tenant AND entity_kind = :kind AND entity_id = ANY(:ids)")
    await conn.execute(events, {"tenant": current_tenant(), "kind": kind, "ids": list(ids)})
