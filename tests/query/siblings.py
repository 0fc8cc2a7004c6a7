"""Scoring and alerting as the tests choose them, on real channels."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rapport.alerting.v1 import alert_pb2, alerting_service_pb2, alerting_service_pb2_grpc
from rapport.insight.v1 import event_pb2, vocabulary_pb2
from rapport.metrics.v1 import agent_pb2, common_pb2, comparison_pb2, customer_pb2
from rapport.scoring.v1 import policy_pb2, scoring_service_pb2, scoring_service_pb2_grpc

from services.scoring import convert
from services.scoring.ranking import rank

POLICY_VERSION = 7


class Scoring(scoring_service_pb2_grpc.ScoringServiceServicer):
    """Answers with the grades and scores that a test put there, of those asked for."""

    def __init__(self) -> None:
        self.grades: dict[str, scoring_service_pb2.AgentGrade] = {}
        self.graded = 0
        self.resting: list[str] = []
        #: Agents with most revenue; None: it does not answer.
        self.earners: list[str] | None = None
        self.benchmarks: list[comparison_pb2.Benchmark] = []
        self.scores: dict[str, scoring_service_pb2.CustomerScore] = {}
        self.seasons: dict[str, list[customer_pb2.SeasonalPattern]] = {}
        self.snapshots: dict[str, list[scoring_service_pb2.GradeSnapshot]] = {}
        self.real_seasonality: Any = None
        self.watermark: Timestamp | None = None
        self.requests: list[Message] = []
        self.deadlines: list[float | None] = []

    def grade(self, agent_id: str, **fields: Any) -> None:
        self.grades[agent_id] = scoring_service_pb2.AgentGrade(agent_id=agent_id, **fields)

    def snapshot(self, agent_id: str, day: str, **fields: Any) -> None:
        """Keep a grade of a day; the newest comes first."""
        self.snapshots.setdefault(agent_id, []).append(scoring_service_pb2.GradeSnapshot(day=day, window_days=30, **fields))
        self.snapshots[agent_id].sort(key=lambda each: each.day, reverse=True)

    def score(self, customer_id: str, **fields: Any) -> None:
        self.scores[customer_id] = scoring_service_pb2.CustomerScore(customer_id=customer_id, **fields)

    async def GradeAgents(self, request: Any, context: Any) -> scoring_service_pb2.GradeAgentsResponse:  # noqa: N802
        self.requests.append(request)
        self.deadlines.append(context.time_remaining())
        wanted = list(request.agent_ids or self.grades)
        told = [self._graded(agent_id, request) for agent_id in wanted]
        found = rank(_standings(told), wanted, convert.position(request), request.page_size or len(told))
        by_id = {each.agent_id: each for each in told}
        answer = scoring_service_pb2.GradeAgentsResponse(
            grades=[by_id[agent_id] for agent_id in found.page],
            quality=common_pb2.Quality(watermark=self.watermark, n=found.n, coverage=found.coverage),
            policy=policy_pb2.ScoringPolicy(version=POLICY_VERSION),
            graded=self.graded,
        )
        if request.with_previous_grades:
            answer.previous_grades.extend(answer.grades)
        if request.history_days:
            answer.history.extend(self.snapshots.get(wanted[0], [])[: request.history_days])
        if request.page_size:
            answer.leaders.extend(_in_brief(by_id[agent_id]) for agent_id in found.leaders)
            answer.trailers.extend(_in_brief(by_id[agent_id]) for agent_id in found.trailers)
            answer.grade_distribution.update(Counter(each.grade for each in told if each.HasField("grade")))
            answer.compared = len(told)
            answer.benchmarks.extend(self.benchmarks)
            answer.resting.extend(() if request.agent_ids else self.resting)
            if found.next:
                answer.next.CopyFrom(convert.position_to_proto(found.next))
        return answer

    def _graded(self, agent_id: str, request: Any) -> scoring_service_pb2.AgentGrade:
        told = scoring_service_pb2.AgentGrade()
        told.CopyFrom(self.grades.get(agent_id, scoring_service_pb2.AgentGrade(agent_id=agent_id)))
        # Every window has the same grades here.
        if request.with_previous and told.HasField("score"):
            told.previous_score = told.score
        return told

    async def ListEarners(self, request: Any, context: Any) -> scoring_service_pb2.ListEarnersResponse:  # noqa: N802
        self.requests.append(request)
        if self.earners is None:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        return scoring_service_pb2.ListEarnersResponse(agent_ids=self.earners[: request.limit])

    async def ScoreCustomers(self, request: Any, context: Any) -> scoring_service_pb2.ScoreCustomersResponse:  # noqa: N802
        self.requests.append(request)
        return scoring_service_pb2.ScoreCustomersResponse(
            scores=[self.scores.get(c, scoring_service_pb2.CustomerScore(customer_id=c)) for c in request.customer_ids],
            quality=common_pb2.Quality(policy_version=POLICY_VERSION),
        )

    async def GetSeasonality(self, request: Any, context: Any) -> scoring_service_pb2.GetSeasonalityResponse:  # noqa: N802
        self.requests.append(request)
        if self.real_seasonality is not None:
            return await self.real_seasonality(request, context)
        even = [customer_pb2.SeasonalPattern(quarter=q, engagement_index=1, purchase_index=1) for q in (1, 2, 3, 4)]
        return scoring_service_pb2.GetSeasonalityResponse(quarters=self.seasons.get(request.customer_id, even))


def _standings(grades: Sequence[scoring_service_pb2.AgentGrade]) -> Any:
    """Return what scoring's own ranking asks of agents next to each other; letters are as the test says, so none is told."""

    def column(name: str) -> Any:
        return np.array([getattr(each, name) if each.HasField(name) else np.nan for each in grades])  # type: ignore[arg-type]

    firm = {each.agent_id for each in grades if not each.provisional}
    return SimpleNamespace(
        places={each.agent_id: place for place, each in enumerate(grades)},
        adjusted=SimpleNamespace(score=column("adjusted_score")),
        raw_scores=(column("coverage"), column("coverage")),
        conversations=np.array([each.n for each in grades], dtype=np.int64),
        is_firm=firm.__contains__,
        parts=(),
    )


def _in_brief(grade: scoring_service_pb2.AgentGrade) -> scoring_service_pb2.AgentGrade:
    told = scoring_service_pb2.AgentGrade()
    told.CopyFrom(grade)
    for field in ("breakdown", "strengths", "improvement_areas", "recommendations"):
        told.ClearField(field)
    return told


class Alerting(alerting_service_pb2_grpc.AlertingServiceServicer):
    """Answers with the alerts and the uptime that a test put there."""

    def __init__(self) -> None:
        self.alerts: list[alert_pb2.Alert] = []
        self.next_page_token = ""
        self.delay_s = 0.0
        self.uptime: float | None = 99.5
        self.requests: list[Any] = []

    def fire(self, rule_id: str, agent_id: str | None, **fields: Any) -> None:
        fields.setdefault("type", vocabulary_pb2.AlertType.performance)
        fields.setdefault("severity", vocabulary_pb2.Severity.medium)
        fields.setdefault("state", alert_pb2.ALERT_STATE_FIRING)
        self.alerts.append(alert_pb2.Alert(alert_id=f"alert-{len(self.alerts)}", rule_id=rule_id, agent_id=agent_id, **fields))

    async def ListAlerts(self, request: Any, context: Any) -> alerting_service_pb2.ListAlertsResponse:  # noqa: N802
        self.requests.append(request)
        await asyncio.sleep(self.delay_s)
        wanted = request.filter
        found = [
            alert
            for alert in self.alerts
            if alert.state in wanted.states and (not wanted.agent_ids or alert.agent_id in wanted.agent_ids)
        ]
        return alerting_service_pb2.ListAlertsResponse(alerts=found, next_page_token=self.next_page_token)

    async def GetSystemHealth(self, request: Any, context: Any) -> alerting_service_pb2.GetSystemHealthResponse:  # noqa: N802
        self.requests.append(request)
        await asyncio.sleep(self.delay_s)
        up = agent_pb2.ServiceState(service="query", state=event_pb2.HEALTH_STATE_UP)
        return alerting_service_pb2.GetSystemHealthResponse(health=agent_pb2.SystemHealth(uptime=self.uptime, services=[up]))


class Sibling:
    """A server that can be stopped."""

    def __init__(self, server: grpc.aio.Server, address: str) -> None:
        self.server = server
        self.address = address

    async def stop(self) -> None:
        await self.server.stop(None)


async def serve(add: Any, servicer: Any) -> Sibling:
    server = grpc.aio.server()
    add(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return Sibling(server, f"127.0.0.1:{port}")
