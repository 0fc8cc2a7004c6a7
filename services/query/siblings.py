"""What the sibling services are asked for: scoring, without whose grades and scores there is no answer; alerting, without which
there is; and what only saves reading.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

import grpc
from rapport.alerting.v1 import alert_pb2, alerting_service_pb2, alerting_service_pb2_grpc
from rapport.metrics.v1 import agent_pb2, customer_pb2
from rapport.scoring.v1 import scoring_service_pb2, scoring_service_pb2_grpc

from services.query.dimensions import Dimension, Filter
from services.query.paging import Position
from services.runtime.windows import Window

_log = logging.getLogger(__name__)

#: Longest wait in seconds for what an answer needs, and for what it does not; and the share of the caller's time for the latter.
_SCORING_S = 10.0
_ALERTING_S = 2.0
_ALERTING_SHARE = 0.5
_QUARTERS = (1, 2, 3, 4)
#: Alerts asked for: as many as alerting tells at once.
_MOST_ALERTS = 1000

#: An alert that always fires tells that alerting works, not that something is wrong.
_NO_WATCHDOG = alert_pb2.Matcher(name="purpose", values=["watchdog"], negated=True)

Answer = TypeVar("Answer")
Context = grpc.aio.ServicerContext[Any, Any]


class Siblings:
    """The siblings' answers; `context` is the call whose deadline is passed on, None outside a call."""

    def __init__(self, scoring: grpc.aio.Channel, alerting: grpc.aio.Channel) -> None:
        self._scoring = scoring_service_pb2_grpc.ScoringServiceStub(scoring)
        self._alerting = alerting_service_pb2_grpc.AlertingServiceStub(alerting)

    async def grades(
        self, context: Context | None, window: Window, only: Filter, *, history_days: int = 0, in_full: bool = False
    ) -> scoring_service_pb2.GradeAgentsResponse:
        """Return a named agent's grade in a window with the score before it; with `in_full` the grade before it, too."""
        request = _graded(window, only, with_previous=True, with_previous_grades=in_full, history_days=history_days)
        return await self._scoring.GradeAgents(request, timeout=_timeout(context, _SCORING_S))

    async def ranking(
        self, context: Context, window: Window, only: Filter, size: int, after: Position | None
    ) -> scoring_service_pb2.GradeAgentsResponse:
        """Return a page of grades, and what all come to: of the agents named, else of those with a conversation in the window."""
        request = _graded(window, only, page_size=size)
        if after is not None:
            request.after.CopyFrom(
                scoring_service_pb2.GradePosition(adjusted_score=after.adjusted_score, agent_id=after.agent_id)
            )
        return await self._scoring.GradeAgents(request, timeout=_timeout(context, _SCORING_S))

    async def earners(self, context: Context, window: Window, only: Filter, limit: int) -> Sequence[str] | None:
        """Return the agents that brought most revenue in a window; None when scoring does not answer: it only saves reading."""
        request = scoring_service_pb2.ListEarnersRequest(
            platforms=only.of(Dimension.PLATFORM),  # type: ignore[arg-type]  # numbers are kept plain
            industries=map(str, only.of(Dimension.INDUSTRY) or ()),
            limit=limit,
        )
        request.start_time.FromDatetime(window.start)
        request.end_time.FromDatetime(window.end)
        answer = await _if_it_answers(self._scoring.ListEarners(request, timeout=_patience(context)))
        return answer.agent_ids if answer else None

    async def scores(self, context: Context | None, customer_ids: Sequence[str]) -> scoring_service_pb2.ScoreCustomersResponse:
        """Return the scores of those of up to 1,000 customers that facts name: one may have been erased just now."""
        if not customer_ids:
            return scoring_service_pb2.ScoreCustomersResponse()
        request = scoring_service_pb2.ScoreCustomersRequest(customer_ids=customer_ids, skip_unknown=True)
        return await self._scoring.ScoreCustomers(request, timeout=_timeout(context, _SCORING_S))

    async def seasonality(
        self, context: Context | None, customer_ids: Sequence[str]
    ) -> scoring_service_pb2.GetSeasonalityResponse:
        """Return the year's pattern of a customer that facts name; an even year when none is asked for."""
        if not customer_ids:
            even = [customer_pb2.SeasonalPattern(quarter=q, engagement_index=1, purchase_index=1) for q in _QUARTERS]
            return scoring_service_pb2.GetSeasonalityResponse(quarters=even)
        request = scoring_service_pb2.GetSeasonalityRequest(customer_id=customer_ids[0])
        return await self._scoring.GetSeasonality(request, timeout=_timeout(context, _SCORING_S))

    async def open_alerts(
        self, context: Context | None, agent_ids: Sequence[str] = ()
    ) -> alerting_service_pb2.ListAlertsResponse | None:
        """Return the newest open alerts, of some agents only if they are named; None when alerting does not answer."""
        wanted = alert_pb2.AlertFilter(states=[alert_pb2.ALERT_STATE_FIRING], agent_ids=agent_ids, matchers=[_NO_WATCHDOG])
        request = alerting_service_pb2.ListAlertsRequest(filter=wanted, page_size=_MOST_ALERTS)
        return await _if_it_answers(self._alerting.ListAlerts(request, timeout=_patience(context)))

    async def all_alerts(self, page_size: int, page_token: str, longest_s: float) -> alerting_service_pb2.ListAlertsResponse:
        """Return a page of all alerts there ever were, the newest first. Fails with what alerting fails with."""
        request = alerting_service_pb2.ListAlertsRequest(page_size=page_size, page_token=page_token)
        return await self._alerting.ListAlerts(request, timeout=longest_s)

    async def health(self, context: Context | None, window: Window | None = None) -> agent_pb2.SystemHealth | None:
        """Return the services' health with the uptime in a window, else the last 24 hours; None when alerting does not answer."""
        request = alerting_service_pb2.GetSystemHealthRequest()
        if window is not None:
            request.start_time.FromDatetime(window.start)
            request.end_time.FromDatetime(window.end)
        answer = await _if_it_answers(self._alerting.GetSystemHealth(request, timeout=_patience(context)))
        return answer.health if answer else None


def _graded(window: Window, only: Filter, **more: Any) -> scoring_service_pb2.GradeAgentsRequest:
    request = scoring_service_pb2.GradeAgentsRequest(
        agent_ids=map(str, only.of(Dimension.AGENT) or ()),
        platforms=only.of(Dimension.PLATFORM),  # type: ignore[arg-type]  # numbers are kept plain
        industries=map(str, only.of(Dimension.INDUSTRY) or ()),
        **more,
    )
    request.start_time.FromDatetime(window.start)
    request.end_time.FromDatetime(window.end)
    return request


async def _if_it_answers(call: Awaitable[Answer]) -> Answer | None:
    """Return the answer, or None when the call fails: what is asked this way is worth less than the rest of the answer."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        _log.warning("a sibling does not answer", extra={"fields": {"code": error.code().name}})
        return None


def _timeout(context: Context | None, longest_s: float) -> float:
    remaining = context.time_remaining() if context else None
    return longest_s if remaining is None else min(remaining, longest_s)


def _patience(context: Context | None) -> float:
    return min(_ALERTING_S, _ALERTING_SHARE * _timeout(context, _SCORING_S))
