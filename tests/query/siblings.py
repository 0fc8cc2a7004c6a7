"""Scoring and alerting as the tests choose them, on real channels."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rapport.alerting.v1 import alert_pb2, alerting_service_pb2, alerting_service_pb2_grpc
from rapport.insight.v1 import event_pb2, vocabulary_pb2
from rapport.metrics.v1 import agent_pb2, common_pb2, comparison_pb2, customer_pb2
from rapport.scoring.v1 import policy_pb2, scoring_service_pb2, scoring_service_pb2_grpc

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
        wanted: Sequence[str] = request.agent_ids or list(self.grades)
        answer = scoring_service_pb2.GradeAgentsResponse(
            grades=sorted((self._graded(agent_id, request) for agent_id in wanted), key=_place),
            quality=common_pb2.Quality(watermark=self.watermark),
            policy=policy_pb2.ScoringPolicy(version=POLICY_VERSION),
            graded=self.graded,
        )
        if request.page_size:
            self._turn_to_page(answer, request)
        return answer

    def _turn_to_page(self, answer: scoring_service_pb2.GradeAgentsResponse, request: Any) -> None:
        """Leave a page of the grades, with what all come to."""
        every = list(answer.grades)
        firm = [each for each in every if each.HasField("adjusted_score") and not each.provisional]
        answer.leaders.extend(map(_in_brief, firm[:5]))
        answer.trailers.extend(map(_in_brief, reversed(firm[5:][-5:])))
        for each in every:
            if each.HasField("grade"):
                answer.grade_distribution[each.grade] += 1
        covered = [each.coverage for each in every if each.HasField("coverage")]
        if covered:
            answer.quality.coverage = sum(covered) / len(covered)
        answer.compared = len(every)
        answer.benchmarks.extend(self.benchmarks)
        answer.resting.extend(() if request.agent_ids else self.resting)
        left = [each for each in every if not request.HasField("after") or _place(each) > _place(request.after)]
        del answer.grades[:]
        answer.grades.extend(left[: request.page_size])
        if len(left) > request.page_size:
            last = left[request.page_size - 1]
            told = {"adjusted_score": last.adjusted_score} if last.HasField("adjusted_score") else {}
            answer.next.CopyFrom(scoring_service_pb2.GradePosition(agent_id=last.agent_id, **told))

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

    async def ListGradeHistory(self, request: Any, context: Any) -> scoring_service_pb2.ListGradeHistoryResponse:  # noqa: N802
        self.requests.append(request)
        return scoring_service_pb2.ListGradeHistoryResponse(
            snapshots=self.snapshots.get(request.agent_id, [])[: request.page_size or 90]
        )

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


def _place(each: Any) -> tuple[bool, float, str]:
    return not each.HasField("adjusted_score"), -each.adjusted_score, each.agent_id


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
