"""Follows tenants' logs for their streams: one poller a tenant, and the newest entries in memory for all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import Context

from services.alerting.bell import BELL
from services.alerting.log import Entry, Head, Position
from services.alerting.log_reader import LogReader, Stretch, expired, is_gapless
from services.alerting.renditions import Renditions
from services.alerting.ring import Ring
from services.alerting.shared_reads import SharedReads
from services.runtime import process

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
        self._polling = asyncio.Lock()
        self._looks = SharedReads(1)
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

    @property
    def head(self) -> Head:
        """Where the log stood when it was looked at last. There must have been a look."""
        assert self._head is not None, "it was looked at"
        return self._head

    async def look(self) -> None:
        """Look at the log now, once for all who ask meanwhile, up to where it ends.

        Raises what the database raises, and DeadlineExceeded when it takes too long.
        """
        await self._looks.share(self._tenant_id, self._poll_to_the_end)

    async def _poll_to_the_end(self) -> None:
        await self.poll()
        while not self.is_cut and self._ring.newest < self.head.revision:
            await self.poll()

    def has_told_all(self, position: Position) -> bool:
        """Tell whether a reader at a position has everything that there was a moment ago."""
        return self._clock() - self._polled_at < _FRESH_S and position.revision >= self._ring.newest

    async def after(self, position: Position, limit: int) -> list[Entry]:
        """Return the entries after a position, at most `limit`: from memory, or from the stored log when they are older.

        The log must have been looked at since the position was known. Raises OutOfRange (RESUME_TOKEN_EXPIRED) when they are
        not kept, or the log is not the one that the position is in.
        """
        if not self._may_have(position):
            raise expired(self.head)
        if position.revision > self._ring.newest:
            return []
        found = self._ring.after(position.revision, limit) or await self._older(position, limit)
        if not (self._may_have(position) and position.is_at(found.mark)):
            raise expired(self.head)
        return found.entries

    def _may_have(self, position: Position) -> bool:
        return not self.is_cut and self.head.epoch == position.epoch

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
        async with self._polling:
            return await self._poll()

    async def _poll(self) -> bool:
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

    @asynccontextmanager
    async def joined(self, tenant_id: str, wake: Callable[[], None]) -> AsyncIterator[Tail]:
        """Watch for the block, by a tail that has looked at the log since the call: what it tells from then on is of that log.

        Raises what looking does.
        """
        while True:
            with self.watched(tenant_id, wake) as tail:
                await tail.look()
                # One that finds that the log has gone back is of no use to those who begin now.
                if not tail.is_cut:
                    yield tail
                    return

    def _idle_s(self) -> float:
        return min(_IDLE_POLL_S * len(self._running), _LONGEST_POLL_S)

    def pulse(self) -> None:
        """Wake every stream."""
        for tail, _ in self._running.values():
            tail.pulse()
