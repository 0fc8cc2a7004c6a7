"""Many watchers of one agent: one poller, one computation."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

import pytest
from opentelemetry import trace

from services.query.watching import Cause, Update, Watcher, Watches
from services.runtime import deadlines
from services.runtime.tenancy import current_tenant, set_tenant
from tests.leaping import leaping, turns
from tests.until import until

SUBSCRIBED, CHANGED, HEARTBEAT = Cause.SUBSCRIBED, Cause.CHANGED, Cause.HEARTBEAT


class World:
    """What is watched: a revision, a content, and how often each was asked for."""

    def __init__(self) -> None:
        self.revision = 0
        self.content = "a"
        self.probes = 0
        self.computed = 0
        self.failure: Exception | None = None

    async def probe(self, agent_id: str) -> Hashable:
        self.probes += 1
        if self.failure:
            raise self.failure
        return self.revision

    async def compute(self, agent_id: str) -> Update[str]:
        self.computed += 1
        return Update(f"{self.content}{self.computed}", self.content)

    def change(self, content: str) -> None:
        self.revision += 1
        self.content = content


@pytest.fixture
def world() -> World:
    set_tenant("t")
    return World()


def watches(world: World, *, probe_s: float = 0.01, heartbeat_s: float = 60) -> Watches[str]:
    return Watches(world.probe, world.compute, probe_s=probe_s, heartbeat_s=heartbeat_s)


async def read(watcher: Watcher[str]) -> tuple[str, Cause]:
    async with asyncio.timeout(30):
        return await anext(watcher)


async def nothing(watcher: Watcher[str], for_s: float) -> bool:
    """Return whether nothing comes for so long."""
    try:
        async with asyncio.timeout(for_s):
            await anext(watcher)
    except TimeoutError:
        return True
    return False


async def test_at_once_and_on_change(world: World) -> None:
    async with watches(world).watching("1") as watcher:
        assert await read(watcher) == ("a1", SUBSCRIBED)
        world.change("b")
        assert await read(watcher) == ("b2", CHANGED)


async def test_a_revision_that_changes_nothing_is_not_told(world: World) -> None:
    async with watches(world).watching("1") as watcher:
        await read(watcher)
        world.change("a")
        await until(lambda: world.computed == 2)
        assert await nothing(watcher, 0.1)
        assert world.computed == 2


async def test_changes_in_one_interval_are_told_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    leap = leaping(monkeypatch)
    async with watches(world, probe_s=100, heartbeat_s=1000).watching("1") as watcher:
        await read(watcher)
        for content in "bcd":
            world.change(content)
            leap(20)
            await turns()
        leap(40)
        assert await read(watcher) == ("d2", CHANGED)


async def test_a_heartbeat_when_nothing_changes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    leap = leaping(monkeypatch)
    async with watches(world, probe_s=1000, heartbeat_s=100).watching("1") as watcher:
        await read(watcher)
        for told in ("a2", "a3"):
            leap(60)
            assert await nothing(watcher, 0.05)
            leap(40)
            assert await read(watcher) == (told, HEARTBEAT)


async def test_watchers_of_one_agent_share_everything(world: World) -> None:
    shared = watches(world)
    async with shared.watching("1") as first, shared.watching("1") as second:
        assert await read(first) == ("a1", SUBSCRIBED)
        assert await read(second) == ("a1", SUBSCRIBED)
        world.change("b")
        assert (await read(first), await read(second)) == (("b2", CHANGED), ("b2", CHANGED))
        # One who comes later is told at once what the others know.
        async with shared.watching("1") as third:
            assert await read(third) == ("b2", SUBSCRIBED)
    assert world.computed == 2


async def test_nothing_of_the_first_watcher_s_call_is_the_poller_s(world: World) -> None:
    """Neither how long its caller waits nor its trace: the work is for all who watch, and goes on without it."""
    seen: list[tuple[str, float | None, trace.Span]] = []

    async def probe(agent_id: str) -> Hashable:
        seen.append((current_tenant(), deadlines.remaining_s(), trace.get_current_span()))
        return await world.probe(agent_id)

    shared = Watches(probe, world.compute, probe_s=0.01)
    call = trace.NonRecordingSpan(trace.SpanContext(trace_id=1, span_id=1, is_remote=True))

    is_watched, is_shared = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        deadlines.begin(0.1)
        with trace.use_span(call):
            async with shared.watching("1") as watcher:
                assert await read(watcher) == ("a1", SUBSCRIBED)
                is_watched.set()
                await is_shared.wait()
                await asyncio.sleep(0.2)

    async with asyncio.TaskGroup() as calls:
        leaving = calls.create_task(first())
        await is_watched.wait()
        async with shared.watching("1") as second:
            assert await read(second) == ("a1", SUBSCRIBED)
            is_shared.set()
            await leaving
            world.change("b")
            assert await read(second) == ("b2", CHANGED)
    assert set(seen) == {("t", None, trace.INVALID_SPAN)}


async def test_agents_and_tenants_do_not_share(world: World) -> None:
    shared = watches(world)
    async with shared.watching("1") as first, shared.watching("2") as second:
        set_tenant("other")
        async with shared.watching("1") as third:
            for watcher in (first, second, third):
                await read(watcher)
    assert world.computed == 3


async def test_the_poller_ends_with_its_last_watcher(world: World) -> None:
    shared = watches(world)
    async with shared.watching("1") as first:
        async with shared.watching("1") as second:
            await read(second)
        await read(first)
        probes = world.probes
        await until(lambda: world.probes > probes)
    probes = world.probes
    await asyncio.sleep(0.05)
    assert world.probes == probes
    async with shared.watching("1") as again:
        assert await read(again) == ("a2", SUBSCRIBED)


async def test_a_slow_watcher_gets_only_the_newest(world: World) -> None:
    shared = watches(world)
    async with shared.watching("1") as slow, shared.watching("1") as quick:
        assert (await read(slow), await read(quick)) == (("a1", SUBSCRIBED), ("a1", SUBSCRIBED))
        for content in "bcd":
            world.change(content)
            assert (await read(quick))[0][0] == content
        assert await read(slow) == ("d4", CHANGED)
        assert await nothing(slow, 0.05)


async def test_closing_ends_every_watcher_in_order(world: World) -> None:
    shared = watches(world)
    async with shared.watching("1") as first, shared.watching("2") as second:
        await read(first)
        waiting = asyncio.create_task(read(second))
        await waiting
        waiting = asyncio.create_task(read(second))
        await asyncio.sleep(0)
        await shared.close()
        for ended in (read(first), waiting):
            with pytest.raises(StopAsyncIteration):
                await ended
    async with shared.watching("1") as late:
        with pytest.raises(StopAsyncIteration):
            await read(late)


async def test_a_failure_reaches_every_watcher_and_the_next_begins_anew(world: World) -> None:
    shared = watches(world)
    async with shared.watching("1") as first, shared.watching("1") as second:
        await read(first)
        await read(second)
        world.failure = LookupError("gone")
        for watcher in (first, second):
            with pytest.raises(LookupError):
                await read(watcher)
        world.failure = None
        async with shared.watching("1") as third:
            assert await read(third) == ("a2", SUBSCRIBED)
