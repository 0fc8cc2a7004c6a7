"""A small query service over a real channel."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import status_pb2
from rapport.metrics.v1.agent_pb2 import AgentDashboard, AgentPerformance, AgentUpdate
from rapport.metrics.v1.common_pb2 import Quality, Window
from rapport.metrics.v1.comparison_pb2 import AgentComparison
from rapport.metrics.v1.customer_pb2 import CustomerInsight
from rapport.metrics.v1.system_pb2 import SystemPerformance
from rapport.query.v1.metrics_pb2 import QueryMetricsResponse
from rapport.query.v1.query_service_pb2_grpc import QueryServiceServicer

from tests.cli.servicers import Step, play, refuse

#: Thirty days of a tenant's.
WINDOW = {"start": "2025-06-30T18:30:00Z", "end": "2025-07-30T18:30:00Z", "timeZone": "Asia/Kolkata"}


@dataclass
class Query(QueryServiceServicer):
    """Answers what the test sets, or the failure that it sets."""

    agent: AgentPerformance = field(default_factory=AgentPerformance)
    customer: CustomerInsight = field(default_factory=CustomerInsight)
    whole: SystemPerformance = field(default_factory=SystemPerformance)
    comparison: AgentComparison = field(default_factory=AgentComparison)
    dashboard: AgentDashboard = field(default_factory=AgentDashboard)
    #: The window of the question that the command line asks to learn which days are meant.
    window: Window = field(default_factory=lambda: json_format.ParseDict(WINDOW, Window()))
    #: Of each stream of updates its steps, the last stream's again and again.
    streams: list[list[Step]] = field(default_factory=lambda: [[]])
    failure: status_pb2.Status | None = None
    calls: list[Message] = field(default_factory=list)

    async def _answer(self, request, context, answer):
        self.calls.append(request)
        if self.failure is not None:
            await refuse(context, self.failure)
        return answer

    async def GetAgentPerformance(self, request, context):  # noqa: N802 - the contract names it
        return await self._answer(request, context, self.agent)

    async def GetCustomerInsight(self, request, context):  # noqa: N802 - the contract names it
        return await self._answer(request, context, self.customer)

    async def GetSystemPerformance(self, request, context):  # noqa: N802 - the contract names it
        return await self._answer(request, context, self.whole)

    async def QueryMetrics(self, request, context):  # noqa: N802 - the contract names it
        return await self._answer(request, context, QueryMetricsResponse(quality=Quality(window=self.window)))

    async def CompareAgents(self, request, context):  # noqa: N802 - the contract names it
        return await self._answer(request, context, self.comparison)

    async def GetDashboard(self, request, context):  # noqa: N802 - the contract names it
        return await self._answer(request, context, self.dashboard)

    async def WatchAgent(self, request, context) -> AsyncIterator[AgentUpdate]:  # noqa: N802 - the contract names it
        self.calls.append(request)
        async for update in play(self.streams, context):
            yield update
