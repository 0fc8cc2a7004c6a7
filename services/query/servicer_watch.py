"""Follows agents."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from rapport.metrics.v1 import agent_pb2
from rapport.query.v1 import query_service_pb2

from services.query import convert_agent, loading
from services.query.calls import Context
from services.query.servicer_answers import AnswerCalls
from services.query.watching import HEARTBEAT_S, PROBE_S, Cause, Update, Watches

_CAUSES = {
    Cause.SUBSCRIBED: agent_pb2.UPDATE_CAUSE_SUBSCRIBED,
    Cause.CHANGED: agent_pb2.UPDATE_CAUSE_CHANGED,
    Cause.HEARTBEAT: agent_pb2.UPDATE_CAUSE_HEARTBEAT,
}


class WatchCalls(AnswerCalls):
    """Streams of how agents do."""

    def __init__(self, *parts: Any, probe_s: float = PROBE_S, heartbeat_s: float = HEARTBEAT_S, **others: Any) -> None:
        super().__init__(*parts, **others)
        self._watches = Watches(self._revisions, self._update, probe_s=probe_s, heartbeat_s=heartbeat_s)

    async def WatchAgent(
        self, request: query_service_pb2.WatchAgentRequest, context: Context
    ) -> AsyncIterator[agent_pb2.AgentUpdate]:
        """Stream how an agent does, from now on."""
        async with self._watches.watching(request.agent_id) as updates:
            async for value, cause in updates:
                update = agent_pb2.AgentUpdate(cause=_CAUSES[cause])
                update.MergeFrom(value)
                yield update

    async def end_streams(self) -> None:
        """End every stream in order."""
        await self._watches.close()

    async def _revisions(self, agent_id: str) -> tuple[int, int]:
        async with self._database.transaction() as conn:
            return await loading.load_revisions(conn, agent_id)

    async def _update(self, agent_id: str) -> Update[agent_pb2.AgentUpdate]:
        request = query_service_pb2.GetAgentPerformanceRequest(agent_id=agent_id)
        async with asyncio.TaskGroup() as asked:
            alerts = asked.create_task(self._siblings.open_alerts(None, [agent_id]))
            health = asked.create_task(self._siblings.health(None))
            async with self._snapshot() as (conn, frame):
                agent = (await loading.load_agents(conn, [agent_id], "agent_id"))[agent_id]
                performance = await self._course(asked, conn, frame, agent, request=request, context=None)
        value = convert_agent.agent_update(performance(), alerts.result(), health.result(), frame.now)
        return Update(value, convert_agent.content_of(value))
