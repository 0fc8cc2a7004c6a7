"""Reads stored logs for streams, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import alert_store, log_store
from services.alerting.alerts import Alert
from services.alerting.filters import AlertFilter
from services.alerting.log import Entry, Head
from services.alerting.shared_reads import SharedReads
from services.runtime.database import Database
from services.runtime.errors import OutOfRange

#: Reads at once, of streams that begin with a snapshot or are behind, and of tails, with which all others begin: so that many
#: streams leave connections for others.
_STREAM_READS = 4
_TAIL_READS = 2
#: Entries that a tail reads at once.
_PAGE = 256


@dataclass(frozen=True, slots=True)
class Opening:
    """What a stream begins with: where the log stands, and the alerts that are open there."""

    head: Head
    alerts: tuple[Alert, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Entries that follow one another, and the mark of the entry before them; empty when that is not stored."""

    mark: str
    entries: list[Entry]


class LogReader:
    """Reads logs of alerts. Whoever reads while too many do waits for its turn; streams that ask the same at once share it."""

    def __init__(self, database: Database, new_id: Callable[[], UUID]) -> None:
        self._database = database
        self._new_id = new_id
        self._stream_reads = SharedReads(_STREAM_READS)
        self._tail_reads = asyncio.Semaphore(_TAIL_READS)

    async def open(self, tenant_id: str, wanted: AlertFilter) -> Opening:
        """Return where the tenant's log stands, and the open alerts of that same moment that match a filter."""
        return await self._stream_reads.share(("open", tenant_id, wanted), partial(self._open, tenant_id, wanted))

    async def _open(self, tenant_id: str, wanted: AlertFilter) -> Opening:
        opening = await self._look(tenant_id, wanted)
        if opening is None:
            await self._begin_log(tenant_id)
            opening = await self._look(tenant_id, wanted)
        assert opening is not None, "a log is never deleted"
        return opening

    async def _look(self, tenant_id: str, wanted: AlertFilter) -> Opening | None:
        async with self._database.snapshot(tenant_id) as conn:
            head = await log_store.get_head(conn)
            alerts = await alert_store.list_open_alerts(conn, wanted)
        return None if head is None else Opening(head, tuple(alerts))

    async def _begin_log(self, tenant_id: str) -> None:
        async with self._database.transaction(tenant_id) as conn:
            await log_store.create_log(conn, epoch=str(self._new_id()))

    async def entries(self, tenant_id: str, after: int, limit: int) -> Stretch:
        """Return the entries after a revision, at most `limit`, of which there must be some.

        Raises OutOfRange (RESUME_TOKEN_EXPIRED) when one of them is not kept any more.
        """
        read = partial(self._entries, tenant_id, after, limit)
        return await self._stream_reads.share(("entries", tenant_id, after, limit), read)

    async def _entries(self, tenant_id: str, after: int, limit: int) -> Stretch:
        async with self._database.transaction(tenant_id) as conn:
            found = await _following(conn, after, limit)
            is_whole = bool(found.entries) and is_gapless(after, found.entries)
            if is_whole and (found.mark or not after):
                return found
            head = await log_store.get_head(conn)
            # Versions before marks did not keep the entry before the first.
            if is_whole and head is not None and head.first_revision == after + 1:
                return found
        raise expired(head)

    async def news(self, tenant_id: str, known: int | None) -> tuple[Head, Stretch]:
        """Return where the log stands, and the first entries after the revision `known` unless it is None."""
        found = await self._news(tenant_id, known)
        if found is None:
            # While others may read: whoever begins it at the same moment is waited for.
            await self._begin_log(tenant_id)
            found = await self._news(tenant_id, known)
        assert found is not None, "a log is never deleted"
        return found

    async def _news(self, tenant_id: str, known: int | None) -> tuple[Head, Stretch] | None:
        async with self._tail_reads, self._database.transaction(tenant_id) as conn:
            head = await log_store.get_head(conn)
            if head is None:
                return None
            if known is None or known >= head.revision:
                return head, Stretch(head.mark, [])
            return head, await _following(conn, known, _PAGE)


async def _following(conn: AsyncConnection, after: int, limit: int) -> Stretch:
    entries = await log_store.list_entries(conn, after - 1, limit + 1)
    if entries and entries[0].revision == after:
        return Stretch(entries[0].mark, entries[1:])
    return Stretch("", entries[:limit])


def is_gapless(after: int, entries: list[Entry]) -> bool:
    """Tell whether entries, which are in order, are all that follow a revision."""
    return not entries or (entries[0].revision, entries[-1].revision) == (after + 1, after + len(entries))


def expired(head: Head | None) -> OutOfRange:
    """Return the refusal of a position that the log cannot continue."""
    metadata = {} if head is None else {"first_available_revision": str(head.first_revision)}
    message = "what follows the resume token is not kept any more; start again from a snapshot"
    return OutOfRange("RESUME_TOKEN_EXPIRED", message, metadata=metadata)
