"""A stream's silence ends with news or with a heartbeat, and costs few timers."""

from __future__ import annotations

import asyncio

import pytest

from services.alerting.quiet import Quiet
from tests.leaping import leaping, turns

#: Longer than a machine stalls, and shorter than any silence here.
SOON_S = 30


async def until_over(quiet: Quiet) -> None:
    """Do what a stream does that has nothing to tell."""
    while not quiet.is_over():
        quiet.look()
        await quiet.wait()


async def test_news_ends_it_and_a_heartbeat_is_due_only_after_the_time(monkeypatch: pytest.MonkeyPatch):
    leap = leaping(monkeypatch)
    with Quiet(lambda: 100.0) as quiet:
        asyncio.get_running_loop().call_later(0.02, quiet.wake)
        await asyncio.wait_for(quiet.wait(), SOON_S)
        assert not quiet.is_over()
        waiting = asyncio.create_task(until_over(quiet))
        await turns()
        leap(60)
        await turns()
        assert not waiting.done()
        leap(40)
        await asyncio.wait_for(waiting, SOON_S)


async def test_what_is_sent_begins_it_anew_with_the_timer_that_there_is(monkeypatch: pytest.MonkeyPatch):
    leap, timers = leaping(monkeypatch), set()
    with Quiet(lambda: 100.0) as quiet:
        for _ in range(10):
            asyncio.get_running_loop().call_soon(quiet.wake)
            await quiet.wait()
            quiet.look()
            timers.add(quiet._timer)
            leap(5)
            quiet.begin()
        assert len(timers) == 1
        waiting = asyncio.create_task(until_over(quiet))
        await turns()
        # The timer rings that there was from the beginning, and finds that the quiet is not over.
        leap(60)
        await turns()
        assert quiet._timer not in timers
        assert not waiting.done()
        leap(40)
        await asyncio.wait_for(waiting, SOON_S)


async def test_a_pause_of_one_that_is_over_ends(monkeypatch: pytest.MonkeyPatch):
    leap = leaping(monkeypatch)
    with Quiet(lambda: 0.0) as quiet:
        waiting = asyncio.create_task(quiet.wait(100))
        await turns()
        leap(60)
        await turns()
        assert not waiting.done()
        leap(40)
        await asyncio.wait_for(waiting, SOON_S)


async def test_its_timer_goes_with_it():
    with Quiet(lambda: 60.0) as quiet:
        asyncio.get_running_loop().call_soon(quiet.wake)
        await quiet.wait()
        timer = quiet._timer
    assert timer is not None
    assert timer.cancelled()


async def test_news_that_came_before_the_wait_ends_it_at_once_and_only_once():
    with Quiet(lambda: 60.0) as quiet:
        quiet.look()
        quiet.wake()
        await asyncio.wait_for(quiet.wait(), SOON_S)
        quiet.look()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(quiet.wait(), 0.05)
