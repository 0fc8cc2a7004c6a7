"""A stream's silence ends with news or with a heartbeat, and costs few timers."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from services.alerting.quiet import Quiet


async def test_news_ends_it_and_a_heartbeat_is_due_only_after_the_time():
    with Quiet(lambda: 0.2) as quiet:
        began = monotonic()
        asyncio.get_running_loop().call_later(0.02, quiet.wake)
        await quiet.wait()
        assert monotonic() - began < 0.15
        assert not quiet.is_over()
        while not quiet.is_over():
            quiet.look()
            await quiet.wait()
        assert 0.19 < monotonic() - began < 1


async def test_what_is_sent_begins_it_anew_with_the_timer_that_there_is():
    with Quiet(lambda: 0.2) as quiet:
        began = monotonic()
        timers = set()
        for _ in range(10):
            asyncio.get_running_loop().call_soon(quiet.wake)
            await quiet.wait()
            quiet.look()
            timers.add(quiet._timer)
            quiet.begin()
            await asyncio.sleep(0.01)
        assert len(timers) == 1
        while not quiet.is_over():
            quiet.look()
            await quiet.wait()
        assert monotonic() - began > 0.28


async def test_a_pause_of_one_that_is_over_ends():
    with Quiet(lambda: 0.0) as quiet:
        began = monotonic()
        await quiet.wait(0.05)
        assert 0.04 < monotonic() - began < 1


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
        await asyncio.wait_for(quiet.wait(), 1)
        quiet.look()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(quiet.wait(), 0.05)
