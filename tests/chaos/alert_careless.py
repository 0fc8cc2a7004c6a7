"""The control: the alerting service, but that revisions come from a sequence, before the commit and not in its order.

What is committed late, or never, streams leave out or tell twice, which validators must notice. Nor is anybody told that the
log was rewritten.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import __main__ as alerting
from services.alerting import erase_store, log_store
from services.alerting.log import Head
from services.runtime import process
from tests.chaos import alert_service

#: Makes the sequence, for the database's owner.
SEQUENCE = "CREATE SEQUENCE alerting.careless; GRANT USAGE ON SEQUENCE alerting.careless TO PUBLIC"
_NEXT = text("SELECT min(n), max(n) FROM (SELECT nextval('alerting.careless') AS n FROM generate_series(1, :count)) AS taken")
_NEWEST = text("SELECT max(revision) FROM alerting.alert_log")

#: Seconds between taking revisions and committing them, in which others may do both.
_LATE_S = (0.0, 0.1)

_get_head = log_store.get_head


async def advance_log(conn: AsyncConnection, by: int, epoch: str) -> int:
    """Take `by` revisions in a row, and return the first. Nobody waits for anybody's commit, which comes a moment later."""
    await conn.execute(text("SELECT pg_advisory_lock(1)"))
    try:
        first, last = (await conn.execute(_NEXT, {"count": by})).one()
    finally:
        await conn.execute(text("SELECT pg_advisory_unlock(1)"))
    assert last - first == by - 1
    await asyncio.sleep(random.uniform(*_LATE_S))
    return int(first)


async def get_head(conn: AsyncConnection) -> Head | None:
    """Return where the log stands: at the newest revision that is committed."""
    head = await _get_head(conn)
    newest: Any = (await conn.execute(_NEWEST)).scalar_one()
    return head and replace(head, revision=newest or head.first_revision - 1)


async def tell_nobody(conn: AsyncConnection) -> None:
    """Say nothing of what was rewritten."""


if __name__ == "__main__":
    alert_service.hasten()
    log_store.advance = advance_log
    log_store.get_head = get_head
    erase_store.tell_rewritten = tell_nobody
    process.run(alerting.main())
