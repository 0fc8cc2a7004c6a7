"""Follows agents for any number of watchers: one poller and one computation an agent, shared by all who watch it.

A watcher is told the newest update at once, then whenever the update's content changes, and as a heartbeat when it has not
changed for a while. One that reads slowly misses the updates in between and gets the newest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Generic, TypeVar

from services.runtime.tenancy import current_tenant, of_nobody

#: Seconds between two looks at the revisions: also the least time between two updates.
PROBE_S = 1.0
#: Seconds without a change after which a heartbeat is sent: 30 are promised, some are left for computing and sending.
HEARTBEAT_S = 28.0

Value = TypeVar("Value")


class Cause(Enum):
    """Why a watcher is told."""

    SUBSCRIBED = auto()
    CHANGED = auto()
    HEARTBEAT = auto()


@dataclass(frozen=True, slots=True)
class Update(Generic[Value]):
    """What is computed of an agent, and what tells one computation's content from another's."""

    value: Value
    content: Hashable


class _Agent(Generic[Value]):
    """One agent that is watched: its newest update, counted, and who waits for the next."""

    def __init__(self) -> None:
        self.watchers = 0
        self.number = 0
        self.newest: tuple[Value, Cause] | None = None
        self.failure: BaseException | None = None
        self.closed = False
        self._told = asyncio.Event()

    def tell(self, value: Value, cause: Cause) -> None:
        self.newest = value, cause
        self.number += 1
        self._wake()

    def end(self, failure: BaseException | None) -> None:
        self.failure, self.closed = failure, True
        self._wake()

    async def wait(self, seen: int) -> None:
        """Return once there is something newer than update number `seen`, or nothing more to come."""
        while self.number == seen and not self.closed:
            await self._told.wait()

    def _wake(self) -> None:
        self._told.set()
        self._told = asyncio.Event()


class Watcher(Generic[Value]):
    """What one watcher reads: (value, cause) pairs, until the watching is closed. Raises what the poller failed with."""

    def __init__(self, agent: _Agent[Value]) -> None:
        self._agent = agent
        self._seen = 0

    def __aiter__(self) -> AsyncIterator[tuple[Value, Cause]]:
        return self

    async def __anext__(self) -> tuple[Value, Cause]:
        first = self._seen == 0
        await self._agent.wait(self._seen)
        if self._agent.failure is not None:
            raise self._agent.failure
        if self._agent.closed or self._agent.newest is None:
            raise StopAsyncIteration
        self._seen = self._agent.number
        value, cause = self._agent.newest
        return value, Cause.SUBSCRIBED if first else cause


class Watches(Generic[Value]):
    """All that is watched. `probe` returns revisions that move when an agent may have changed; `compute` its update."""

    def __init__(
        self,
        probe: Callable[[str], Awaitable[Hashable]],
        compute: Callable[[str], Awaitable[Update[Value]]],
        *,
        probe_s: float = PROBE_S,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._probe = probe
        self._compute = compute
        self._probe_s = probe_s
        self._heartbeat_s = heartbeat_s
        self._agents: dict[tuple[str, str], _Agent[Value]] = {}
        self._pollers: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._closed = False

    @asynccontextmanager
    async def watching(self, agent_id: str) -> AsyncIterator[Watcher[Value]]:
        """Watch an agent of the current tenant for as long as the block lasts; the last to leave ends its poller."""
        key = current_tenant(), agent_id
        agent = self._agents.get(key) or self._begin(key)
        agent.watchers += 1
        try:
            yield Watcher(agent)
        finally:
            agent.watchers -= 1
            if not agent.watchers and self._agents.get(key) is agent:
                self._forget(key)

    async def close(self) -> None:
        """End every watcher's reading after what it has read so far, and every later one's at once."""
        self._closed = True
        for key, agent in list(self._agents.items()):
            self._forget(key)
            agent.end(None)

    def _begin(self, key: tuple[str, str]) -> _Agent[Value]:
        agent: _Agent[Value] = _Agent()
        if self._closed:
            agent.end(None)
            return agent
        self._agents[key] = agent
        self._pollers[key] = asyncio.create_task(self._poll(key, agent), context=of_nobody(key[0]))
        return agent

    def _forget(self, key: tuple[str, str]) -> None:
        del self._agents[key]
        self._pollers.pop(key).cancel()

    async def _poll(self, key: tuple[str, str], agent: _Agent[Value]) -> None:
        try:
            await self._follow(key[1], agent)
        except Exception as failure:  # noqa: BLE001  # whatever it is, each watcher's call fails with it
            # A poller that is told to end may fail when another has already taken its place.
            if self._agents.get(key) is agent:
                self._forget(key)
            agent.end(failure)

    async def _follow(self, agent_id: str, agent: _Agent[Value]) -> None:
        clock = asyncio.get_running_loop().time
        # Revisions are read before what they stand for: what changes in between is found at the next look.
        revisions = await self._probe(agent_id)
        update = await self._compute(agent_id)
        agent.tell(update.value, Cause.CHANGED)
        told_at = clock()
        while True:
            await asyncio.sleep(min(self._probe_s, max(told_at + self._heartbeat_s - clock(), 0)))
            newest = await self._probe(agent_id)
            is_due = clock() >= told_at + self._heartbeat_s
            if newest == revisions and not is_due:
                continue
            revisions, before = newest, update.content
            update = await self._compute(agent_id)
            if update.content != before or is_due:
                agent.tell(update.value, Cause.CHANGED if update.content != before else Cause.HEARTBEAT)
                told_at = clock()
