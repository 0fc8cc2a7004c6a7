"""Statements straight to the driver, past SQLAlchemy: to find one among those compiled takes longer than most of them run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg.rows import AsyncRowFactory, tuple_row
from sqlalchemy.ext.asyncio import AsyncConnection


@asynccontextmanager
async def open_driver(conn: AsyncConnection) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """Open the driver's own connection; one that is lost, or that a cancelled call was in the middle of, is not used again."""
    found = conn.sync_connection.connection.driver_connection if conn.sync_connection else None
    if not isinstance(found, psycopg.AsyncConnection):
        raise TypeError(found)
    try:
        yield found
    except BaseException as error:
        # As SQLAlchemy does: what comes after would fail on it, and its failure would take the cancellation's place.
        if found.closed or not isinstance(error, Exception):
            await conn.invalidate(error)
        raise


async def send(
    conn: AsyncConnection,
    driver: psycopg.AsyncConnection[Any],
    statement: str,
    parameters: Mapping[str, Any],
    *,
    rows: AsyncRowFactory[Any] = tuple_row,
    prepare: bool | None = None,
) -> psycopg.AsyncCursor[Any]:
    """Send a statement and return the cursor of its answer; `prepare` like the driver has it."""
    cursor = driver.cursor(row_factory=rows)
    # Whoever listens for statements hears of these, too.
    told: Any = conn.sync_connection
    told.dispatch.before_cursor_execute(told, cursor, statement, parameters, None, False)
    await cursor.execute(statement.encode(), parameters, prepare=prepare)
    return cursor
