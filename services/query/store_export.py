"""SQL of exports: where pages end, their rows as COPY writes them, how many there may be, and how far everything is known.

Pages are ranges of keys, so that a page takes as long as its keys do, however few of its rows are wanted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Date, Table, func, literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.exporting import GROUPS, Dataset, Key
from services.query.store_export_rows import SOURCES, Asked, query
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import agent_state, log_head

_MODULUS = 2**32


@dataclass(frozen=True, slots=True)
class Block:
    """Rows as CSV without a header, and how many they are."""

    csv: bytes
    rows: int


class BlockTooLarge(Exception):
    """The rows take more bytes than are allowed."""


async def find_page_end(conn: AsyncConnection, dataset: Dataset, after: Key | None, keys: int) -> Key | None:
    """Return the key that ends the page of at least one and at most so many keys behind `after`, per table; None on the last."""
    source = SOURCES[dataset]
    ends = [await _find_end(conn, table, len(source.key), after, keys) for table in source.tables]
    return min((end for end in ends if end is not None), default=None)


async def _find_end(conn: AsyncConnection, table: Table, length: int, after: Key | None, keys: int) -> Key | None:
    columns = table.primary_key.columns.values()[1 : 1 + length]
    found = select(*columns).where(table.c.tenant_id == THIS_TENANT)
    if after is not None:
        values = [
            literal(date.fromisoformat(str(value)) if isinstance(column.type, Date) else value, column.type)
            for column, value in zip(columns, after, strict=True)
        ]
        found = found.where(tuple_(*columns) > tuple_(*values))
    row = (await conn.execute(found.order_by(*columns).offset(keys - 1).limit(1))).one_or_none()
    return None if row is None else tuple(value.isoformat() if isinstance(value, date) else value for value in row)


async def copy_rows(conn: AsyncConnection, dataset: Dataset, asked: Asked, values: Mapping[str, Any], most_bytes: int) -> Block:
    """Return the rows of a page. Raises BlockTooLarge; the transaction can do nothing more then."""
    statement = f"COPY ({query(dataset, asked)}) TO STDOUT (FORMAT csv)"
    rows: list[Any] = []
    size = 0
    driver = await _driver(conn)
    try:
        async with driver.cursor() as cursor:
            async with cursor.copy(statement.encode(), _bound_to_tenant(values)) as copy:
                async for row in copy:
                    rows.append(row)
                    size += len(row)
                    if size > most_bytes:
                        raise BlockTooLarge
            return Block(b"".join(rows), cursor.rowcount)
    except asyncio.CancelledError:
        # Interrupted just before its first row, the driver ends the COPY on the server but leaves the connection within it.
        if driver.info.transaction_status is TransactionStatus.ACTIVE:
            await conn.invalidate()
        raise


async def estimate_rows(conn: AsyncConnection, dataset: Dataset, asked: Asked, values: Mapping[str, Any]) -> int:
    """Return how many rows the planner expects."""
    statement = f"EXPLAIN (FORMAT JSON) {query(dataset, asked)}"
    async with psycopg.AsyncClientCursor(await _driver(conn)) as cursor:
        await cursor.execute(statement.encode(), _bound_to_tenant(values))
        row = await cursor.fetchone()
        assert row is not None  # EXPLAIN always answers
        return int(row[0][0]["Plan"]["Plan Rows"])


async def sum_revisions(conn: AsyncConnection) -> tuple[int, ...]:
    """Return by group of agents how often their numbers moved, modulo 2**32."""
    state = agent_state.c
    group = func.hashtext(state.agent_id).op("&")(GROUPS - 1)
    moved = func.mod(func.sum(state.revision), _MODULUS)
    found = await conn.execute(select(group, moved).where(state.tenant_id == THIS_TENANT).group_by(group))
    sums = {number: int(each) for number, each in found}
    return tuple(sums.get(number, 0) for number in range(GROUPS))


async def get_log_head(conn: AsyncConnection) -> tuple[str, int]:
    """Return the epoch and the last revision of the log of alerts; no name and 0 before the first alert."""
    found = await conn.execute(select(log_head.c.epoch, log_head.c.revision).where(log_head.c.tenant_id == THIS_TENANT))
    row = found.one_or_none()
    return ("", 0) if row is None else (row.epoch, row.revision)


async def _driver(conn: AsyncConnection) -> psycopg.AsyncConnection[Any]:
    """Return the driver's connection: within the same transaction, bound to the same tenant."""
    found: psycopg.AsyncConnection[Any] = (await conn.get_raw_connection()).driver_connection  # type: ignore[assignment]  # psycopg's
    return found


def _bound_to_tenant(values: Mapping[str, Any]) -> dict[str, Any]:
    return {**values, "tenant": current_tenant()}
