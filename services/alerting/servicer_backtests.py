"""Answers what a rule would have found."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from rapport.alerting.v1 import rule_pb2 as pb

from services.alerting import backtest_loading, convert_rule, rule_checks
from services.alerting.backtest_plan import plan
from services.alerting.backtesting import by_week, try_on
from services.alerting.calls import Calls
from services.alerting.convert import moment
from services.alerting.convert_backtest import backtest_to_proto, series_of
from services.alerting.offloading import in_thread
from services.storage.reading import get_settings


class BacktestCalls(Calls):
    """Rules tried on what is stored: one at a time, so that streams and other calls go on meanwhile.

    The turn of a call that is cancelled is over when its thread has ended.
    """

    def __init__(self, *parts: Any, **named: Any) -> None:
        super().__init__(*parts, **named)
        self._turn = asyncio.Semaphore(1)

    async def BacktestRule(self, request: pb.BacktestRuleRequest, context: Any) -> pb.BacktestRuleResponse:
        rule, now = convert_rule.rule_from_proto(request.rule), self._clock()
        rule_checks.check(rule)
        start, end = moment(request, "start_time"), moment(request, "end_time")
        async with self._turn:
            async with self._database.snapshot() as conn:
                settings = await get_settings(conn)
                planned = plan(rule, start, end, now, settings.time_zone)
                made = await backtest_loading.load(conn, planned, settings)
            found = await in_thread(partial(try_on, planned, made, series_of(rule, request.series_of)))
        return backtest_to_proto(found, by_week(planned, found.firings))
