"""A backtest that nobody waits for any more: it ends soon, and the next one begins only then."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import timedelta

from rapport.alerting.v1 import rule_pb2 as pb

from services.alerting import backtest_loading, backtesting, convert_rule, servicer_backtests
from services.alerting.backtest_plan import plan
from services.storage.reading import get_settings
from tests.alerting.house import House
from tests.alerting.rules import rule


async def most_at_once(house: House, monkeypatch, stays_s: float) -> int:
    """Cancel a backtest that is at work, ask for another one at once, and return how many were at work together.

    The cancelled one stays at work for `stays_s` seconds, or until the other one begins.
    """
    begun, other_begun, at_work, most = threading.Event(), threading.Event(), 0, 0

    def tried(*told):
        nonlocal at_work, most
        is_first = not begun.is_set()
        at_work += 1
        most = max(most, at_work)
        begun.set()
        while is_first and not told[-1]():
            time.sleep(0.01)
        # It has not ended yet.
        if is_first:
            other_begun.wait(stays_s)
        else:
            other_begun.set()
        at_work -= 1
        return backtesting.try_on(*told)

    monkeypatch.setattr(servicer_backtests, "try_on", tried)
    async with house.stub() as stub:
        asked = pb.BacktestRuleRequest(rule=rule())
        first = stub.BacktestRule(asked)
        assert await asyncio.to_thread(begun.wait, 30)
        first.cancel()
        await stub.BacktestRule(asked)
    return most


async def test_who_cancels_keeps_the_turn_until_the_work_has_ended(house: House, monkeypatch):
    assert await most_at_once(house, monkeypatch, stays_s=0.3) == 1


async def test_control_a_turn_that_is_given_back_too_soon_is_noticed(house: House, monkeypatch):
    async def let_go(work):
        given_up = threading.Event()
        try:
            return await asyncio.to_thread(work, given_up.is_set)
        finally:
            given_up.set()

    monkeypatch.setattr(servicer_backtests, "in_thread", let_go)
    assert await most_at_once(house, monkeypatch, stays_s=20) == 2


async def test_what_is_given_up_is_not_made(house: House):
    await house.facts.conversation("slow", house.clock.now - timedelta(hours=2), agent="a", response_ms=40_000)
    planned = plan(convert_rule.rule_from_proto(rule(no_data=pb.NO_DATA_WRONG)), None, None, house.clock.now, "UTC")
    async with house.database.transaction("default") as conn:
        made = await backtest_loading.load(conn, planned, await get_settings(conn))
        again = await backtest_loading.load(conn, planned, await get_settings(conn))
    assert made(lambda: True).subjects == set()
    assert again(lambda: False).subjects == {"a"}
