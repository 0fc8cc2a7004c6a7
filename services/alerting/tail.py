"""Follows tenants' logs for their streams: one poller a tenant, and the newest entries in memory for all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context

from services.alerting.bell import BELL
from services.alerting.log import Entry, Head, Position
from services.alerting.log_reader import LogReader, Stretch, expired, is_gapless
from services.alerting.renditions import Renditions
from services.runtime import process

#: Entries that a tail keeps for its streams; a stream that is further behind reads the stored log.
RING = 1024
#: Stretches of the stored log that a tail keeps for streams that are further behind.
STRETCHES = 20

_BUSY_POLL_S = 0.005
#: The longest pause of a tail without news: so many seconds for each tail that there is, for each look costs as much as the
#: others', and no more than so many.
_IDLE_POLL_S, _LONGEST_POLL_S = 0.025, 0.1
_PAUSE_AFTER_FAILURE_S = 0.5
_POLL_DEADLINE_S = 5.0
#: A tail that has not reached the log for longer does not know whether there is news.
_FRESH_S = 2.0

_log = logging.getLogger(__name__)


class Ring:
    """The newest entries of a log, without gaps, and at least the last `capacity` of those that were added."""

    def __init__(self, newest: int, mark: str = "", capacity: int = RING) -> None:
        self.newest = newest
        #: The mark of the entry that those here follow.
        self._mark = mark
        self._capacity = capacity
        self._entries: list[Entry] = []

    def add(self, entries: list[Entry]) -> None:
        """Add the entries that follow the newest."""
        self._entries += entries
        self.newest += len(entries)
        if len(self._entries) > 2 * self._capacity:
            self._mark = self._entries[-self._capacity - 1].mark
            del self._entries[: -self._capacity]

    @property
    def start(self) -> int:
        """The revision that the entries follow."""
        return self.newest - len(self._entries)

    def after(self, revision: int, limit: int) -> Stretch | None:
        """Return the first entries after a revision, at most `limit`, or None when the first of them is not here any more."""
        at = revision - self.start
        if at < 0:
            return None
        return Stretch(self._entries[at - 1].mark if at else self._mark, self._entries[at : at + limit])

    @property
    def mark(self) -> str:
        """The mark of the newest entry."""
        return self._entries[-1].mark if self._entries else self._mark


class Tail:
    """Polls one tenant's log, 5 ms after news and less and less often, to every `idle_s()` seconds, without.

    When the bell rings it looks at once: that finds what this process appended, and polling what others did.
    """

    def __init__(self, tenant_id: str, reader: LogReader, clock: Callable[[], float], idle_s: Callable[[], float]) -> None:
        #: What wakes the streams that watch.
        self.watchers: set[Callable[[], None]] = set()
        #: What was made for streams of entries of this log. Take it before the entries: it is another for another log.
        self.renditions = Renditions()
        self._tenant_id = tenant_id
        self._reader = reader
        self._clock = clock
        self._idle_s = idle_s
        self._has_rung = asyncio.Event()
        self._is_away = False
        self._head: Head | None = None
        self._ring = Ring(0)
        self._stretches: dict[tuple[int, int], Stretch] = {}
        self._polled_at = 0.0
        #: Whether the log turned out not to be what it was: who has read it begins again.
        self.is_cut = False

    def pulse(self) -> None:
        """Wake every stream."""
        for wake in self.watchers:
            wake()

    def has_told_all(self, position: Position) -> bool:
        """Tell whether a reader at a position has everything that there was a moment ago."""
        return self._head is not None and self._clock() - self._polled_at < _FRESH_S and position.revision >= self._ring.newest

    async def after(self, position: Position, limit: int) -> list[Entry]:
        """Return the entries after a position, at most `limit`: from memory, or from the stored log when they are older.

        Raises OutOfRange (RESUME_TOKEN_EXPIRED) when they are not kept, or the log is not the one that the position is in.
        """
        if self._head is None:
            return []
        if self.is_cut or self._head.epoch != position.epoch:
            raise expired(self._head)
        if position.revision > self._ring.newest:
            return []
        found = self._ring.after(position.revision, limit) or await self._older(position, limit)
        if not position.is_at(found.mark):
            raise expired(self._head)
        return found.entries

    async def _older(self, position: Position, limit: int) -> Stretch:
        """Return what follows a position that is older than what is in memory."""
        # To a multiple of the limit or to what is in memory, so that streams that are behind by different numbers soon ask for
        # the same.
        after = position.revision
        return await self._stretch(after, min(limit - after % limit, self._ring.start - after))

    async def _stretch(self, after: int, limit: int) -> Stretch:
        """Return a stretch of the stored log, read once for many streams that are behind."""
        stretches = self._stretches
        found = stretches.get((after, limit))
        if found is None:
            found = await self._reader.entries(self._tenant_id, after, limit)
            stretches[after, limit] = found
            while len(stretches) > STRETCHES:
                del stretches[next(iter(stretches))]
        return found

    async def run(self) -> None:
        """Poll until cancelled or cut; a database that is away is waited for."""
        pause = _BUSY_POLL_S
        with BELL.heard(self._tenant_id, self._has_rung.set):
            while not self.is_cut:
                self._has_rung.clear()
                news = await self._try()
                if news is None:
                    await asyncio.sleep(_PAUSE_AFTER_FAILURE_S)
                elif news:
                    # What comes meanwhile is read together, however often it rings.
                    pause = _BUSY_POLL_S
                    await asyncio.sleep(pause)
                else:
                    pause = min(pause * 1.5, self._idle_s())
                    await process.wait(self._has_rung, pause)

    async def _try(self) -> bool | None:
        """Look at the log once; tell whether there was news, None when it could not be read."""
        try:
            async with asyncio.timeout(_POLL_DEADLINE_S):
                news = await self.poll()
        except Exception as exc:  # noqa: BLE001 streams wait meanwhile, and send no heartbeat
            if not self._is_away:
                _log.warning("the alert log cannot be read", extra={"fields": {"because": type(exc).__name__}})
            self._is_away = True
            return None
        self._is_away = False
        return news

    async def poll(self) -> bool:
        """Look at the log once; tell whether there was news."""
        asked_at, newest = self._clock(), self._ring.newest
        head, found = await self._reader.news(self._tenant_id, None if self._head is None else newest)
        if self._head is not None and _is_same_log(self._head, head) and self._goes_on(head, found):
            self._ring.add(found.entries)
            moved = bool(found.entries)
        else:
            # The beginning, or another or a rewritten log, or what followed is not kept: who wants more reads the stored log.
            self.is_cut = self._head is not None and self._went_back(head, found)
            self._ring, self._stretches, self.renditions = Ring(head.revision, head.mark), {}, Renditions()
            moved = True
        self._head, self._polled_at = head, asked_at
        if moved:
            self.pulse()
        return moved

    def _goes_on(self, head: Head, found: Stretch) -> bool:
        """Tell whether what was found follows the newest entry here."""
        return not self._went_back(head, found) and (
            is_gapless(self._ring.newest, found.entries) if found.entries else head.revision == self._ring.newest
        )

    def _went_back(self, head: Head, found: Stretch) -> bool:
        """Tell whether the log ends before the newest entry here, or has another one in its place."""
        return head.revision < self._ring.newest or ("" not in (found.mark, self._ring.mark) and found.mark != self._ring.mark)


def _is_same_log(known: Head, head: Head) -> bool:
    return (known.epoch, known.rewrites) == (head.epoch, head.rewrites)


class Tails:
    """The tails of the tenants that have streams here."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self._running: dict[str, tuple[Tail, asyncio.Task[None]]] = {}

    @contextmanager
    def watched(self, tenant_id: str, wake: Callable[[], None]) -> Iterator[Tail]:
        """Share the tenant's tail for the block, and have `wake` called when there is news; it runs as long as anybody does."""
        if tenant_id not in self._running or self._running[tenant_id][0].is_cut:
            tail = Tail(tenant_id, self._reader, asyncio.get_running_loop().time, self._idle_s)
            # In a context of its own: it outlives the call that begins it.
            self._running[tenant_id] = (tail, asyncio.create_task(tail.run(), context=Context()))
        tail, task = self._running[tenant_id]
        tail.watchers.add(wake)
        try:
            yield tail
        finally:
            tail.watchers.remove(wake)
            if not tail.watchers:
                task.cancel()
                if self._running.get(tenant_id, (None,))[0] is tail:
                    del self._running[tenant_id]

    def _idle_s(self) -> float:
        return min(_IDLE_POLL_S * len(self._running), _LONGEST_POLL_S)

    def pulse(self) -> None:
        """Wake every stream."""
        for tail, _ in self._running.values():
            tail.pulse()
