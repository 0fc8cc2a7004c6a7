"""Answers the calls about grades."""

from __future__ import annotations

from typing import Any

from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.runtime import windows
from services.scoring import convert, store
from services.scoring.agents import grade_agents
from services.scoring.calls import Calls, require
from services.scoring.policy import Policy
from services.storage.reading import get_settings, get_watermark


class GradeCalls(Calls):
    """Agents' grades."""

    async def GradeAgents(self, request: pb.GradeAgentsRequest, context: Any) -> pb.GradeAgentsResponse:
        await self._tokens.wait(self._database, request.consistency_token, context.time_remaining())
        now, policy = self._clock(), Policy()
        async with self._database.snapshot() as conn:
            settings = await get_settings(conn)
            window = windows.resolve(
                convert.moment(request, "start_time"), convert.moment(request, "end_time"), settings.time_zone, now
            )
            known = await store.get_known_agents(conn, request.agent_ids)
            require("AGENT_NOT_FOUND", "agent", [a for a in request.agent_ids if a not in known])
            sums = await store.get_sums(conn, window, settings.reporting_currency)
            watermark = await get_watermark(conn, now)
        wanted = list(request.agent_ids) or [s.agent_id for s in sums if s.conversations]
        graded = grade_agents(sums, wanted, policy)
        n = sum(g.n for g in graded)
        return pb.GradeAgentsResponse(
            grades=[convert.grade_to_proto(g) for g in graded],
            quality=convert.quality(n, watermark, window=window, policy_version=policy.version),
            policy=convert.policy_to_proto(policy),
        )
