"""Group commit: concurrent unary calls of one tenant share a transaction, and each still gets its own outcome.

While one transaction commits, the calls that arrive meanwhile gather for the next; alone, a call goes at once. So a
commit's wait for the disk is shared when there is much to do, and nobody waits for company when there is not.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import DataError, IntegrityError

from services.ingest import recorder
from services.ingest.facts import Change, Conversation
from services.ingest.gate import Gate
from services.ingest.recording import Incoming, Recorded
from services.runtime import deadlines
from services.runtime.database import Database
from services.runtime.errors import ResourceExhausted
from services.runtime.tenancy import current_tenant

#: Calls of one transaction.
_LARGEST_GROUP = 500
#: Calls of one tenant that may wait; more than that are told to come back.
_LONGEST_QUEUE = 5000
#: After calls that came together were answered, their callers come with the next ones: those are waited for as long as one
#: comes in each of these moments, and no longer than in all. Without that the first of them would go alone, and the others
#: would wait for its commit.
_MOMENT_S, _LONGEST_WAIT_S = 0.001, 0.02
#: What one item's content may bring upon its neighbours: then each goes alone.
_OF_ONE_ITEM = (DataError, IntegrityError)


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of one call's conversation, and the changes to wait for: lowest and highest id."""

    recorded: Recorded
    span: tuple[int, int] | None


@dataclass(slots=True)
class _Waiting:
    fact: Conversation
    answer: asyncio.Future[Kept]


class Gatherer:
    """Records single conversations in groups."""

    def __init__(self, database: Database, gate: Gate, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._gate = gate
        self._clock = clock
        self._queues: dict[str, deque[_Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def record(self, fact: Conversation) -> Kept:
        """Record a conversation of the current tenant and return once it is committed.

        Raises ResourceExhausted when too many wait, and what the database raises.
        """
        tenant = current_tenant()
        waiting = _Waiting(fact, asyncio.get_running_loop().create_future())
        queue = self._queues.get(tenant)
        if queue is None:
            self._queues[tenant] = queue = deque([waiting])
            # The task is of this call's context, hence of its tenant. The loop itself would not keep it alive.
            task = asyncio.create_task(self._work(tenant, queue))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif len(queue) >= _LONGEST_QUEUE:
            raise ResourceExhausted("OVERLOADED", "too many conversations wait to be recorded", retry_after_s=1)
        else:
            queue.append(waiting)
        return await waiting.answer

    async def _work(self, tenant: str, queue: deque[_Waiting]) -> None:
        """Record what waits, group by group, until nothing does. The work is several callers': no one's deadline ends it."""
        deadlines.begin(None)
        while queue:
            group = [queue.popleft() for _ in range(min(len(queue), _LARGEST_GROUP))]
            try:
                await self._record(group)
            except Exception as error:  # noqa: BLE001  # each caller is told, and the next group goes on
                for waiting in group:
                    _fail(waiting, error)
            if len(group) > 1:
                await self._company(queue)
        del self._queues[tenant]

    async def _company(self, queue: deque[_Waiting]) -> None:
        """Wait while callers keep coming."""
        loop = asyncio.get_running_loop()
        ends, before = loop.time() + _LONGEST_WAIT_S, -1
        while before < len(queue) < _LARGEST_GROUP and loop.time() < ends:
            before = len(queue)
            await asyncio.sleep(_MOMENT_S)

    async def _record(self, group: list[_Waiting]) -> None:
        try:
            await self._commit(group)
        except _OF_ONE_ITEM:
            if len(group) == 1:
                raise
            for waiting in group:
                try:
                    await self._commit([waiting])
                except _OF_ONE_ITEM as error:
                    _fail(waiting, error)

    async def _commit(self, group: list[_Waiting]) -> None:
        items = [Incoming.of(i, w.fact) for i, w in enumerate(group)]
        async with self._database.transaction() as conn:
            result = await recorder.record_conversations(conn, items, self._clock(), self._gate)
        span = result.span()
        for item, waiting in zip(items, group, strict=True):
            # Who changed nothing waits for the newest change; its own, if any, is older.
            change = result.changes.get((Change.CONVERSATION, item.fact.conversation_id), span and span[1])
            if not waiting.answer.done():
                waiting.answer.set_result(Kept(result.recorded[item.index], (change, change) if change else None))


def _fail(waiting: _Waiting, error: Exception) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)
