"""Exports all that is held about a customer as one JSON document, piece by piece, however much it is.

Each page is read in a transaction of its own: a slow reader holds neither a connection nor the past of the database.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import Table

from services.ingest import held_store
from services.runtime.database import Database
from services.runtime.errors import NotFound

#: The largest piece, in bytes.
PIECE = 64 * 1024
#: Rows read at once.
PAGE = 500


async def export(database: Database, customer_id: str) -> AsyncIterator[bytes]:
    """Yield the document: the customer's id, and by table the rows that are about the customer.

    Raises NotFound (CUSTOMER_NOT_FOUND), before anything is yielded, when there are none.
    """
    waiting, found = f'{{"customer_id":{json.dumps(customer_id)}'.encode(), False
    for table in held_store.TABLES:
        separator = f',"{table.name}":['
        async for row in _rows(database, table, customer_id):
            waiting += (separator + row).encode()
            separator, found = ",", True
            while len(waiting) > PIECE:
                yield waiting[:PIECE]
                waiting = waiting[PIECE:]
        waiting += b"]" if separator == "," else (separator + "]").encode()
    if not found:
        raise NotFound("CUSTOMER_NOT_FOUND", "nothing is held about this customer")
    yield waiting + b"}"


async def _rows(database: Database, table: Table, customer_id: str) -> AsyncIterator[str]:
    after: Sequence[Any] | None = None
    while True:
        async with database.transaction() as conn:
            page = await held_store.get_page(conn, table, customer_id, after, PAGE)
        for _, row in page:
            yield row
        if len(page) < PAGE:
            return
        after = page[-1][0]
