"""Answers the calls about grades."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.runtime import windows
from services.runtime.errors import NotFound
from services.scoring import convert, convert_policy, grade_store, pages, policy_store, store
from services.scoring.agents import GradedAgent, explained, in_brief, mean_coverage
from services.scoring.calls import Calls, require
from services.scoring.policy import Policy, PolicyVersion
from services.scoring.standings import Benchmark, Standings, benchmarks, stand
from services.scoring.team import Team
from services.storage.reading import get_settings, get_watermark

#: Length of a history's windows in days, and days on a page, when the request does not say.
_WINDOW_DAYS, _DAYS_A_PAGE = 30, 90


class GradeCalls(Calls):
    """Agents' grades."""

    async def GradeAgents(self, request: pb.GradeAgentsRequest, context: Any) -> pb.GradeAgentsResponse:
        await self._tokens.wait(self._database, request.consistency_token, context.time_remaining())
        now = self._clock()
        async with self._database.snapshot() as conn:
            version = found(await policy_store.get_version(conn, request.policy_version), request.policy_version)
            settings = await get_settings(conn)
            window = windows.resolve(
                convert.moment(request, "start_time"), convert.moment(request, "end_time"), settings.time_zone, now
            )
            known = await store.get_known_agents(conn, request.agent_ids)
            require("AGENT_NOT_FOUND", "agent", [a for a in request.agent_ids if a not in known])
            only = store.Only(tuple(request.platforms), tuple(request.industries))
            team = await self._teams.get(conn, window, settings, now, only)
            watermark = await get_watermark(conn, now)
        wanted = list(request.agent_ids) or team.active
        # Large teams take a while; other calls go on meanwhile.
        graded, compared = await asyncio.to_thread(_grade, team, wanted, version.policy, in_brief if request.brief else explained)
        n, coverage, number = sum(g.n for g in graded), mean_coverage(graded), version.policy.version
        return pb.GradeAgentsResponse(
            grades=[convert.grade_to_proto(g) for g in graded],
            quality=convert.quality(n, watermark, window=window, policy_version=number, coverage=coverage),
            policy=convert_policy.version_to_proto(version),
            benchmarks=[convert.benchmark_to_proto(b) for b in compared],
        )

    async def ListGradeHistory(self, request: pb.ListGradeHistoryRequest, context: Any) -> pb.ListGradeHistoryResponse:
        agent, days = request.agent_id, request.window_days or _WINDOW_DAYS
        size = request.page_size or _DAYS_A_PAGE
        before = pages.read_day(self._pages, request.page_token, agent, days)
        async with self._database.transaction() as conn:
            known = await store.get_known_agents(conn, [agent])
            require("AGENT_NOT_FOUND", "agent", [agent] if agent not in known else [])
            kept = await grade_store.list_snapshots(conn, agent, days, before, size + 1)
        token = pages.day_token(self._pages, kept[size - 1].day, agent, days) if len(kept) > size else ""
        return pb.ListGradeHistoryResponse(snapshots=[convert.snapshot_to_proto(s) for s in kept[:size]], next_page_token=token)


def found(version: PolicyVersion | None, number: int) -> PolicyVersion:
    """Return the version asked for. Raises NotFound (POLICY_NOT_FOUND) when there never was one of this number."""
    if version is None:
        raise NotFound("POLICY_NOT_FOUND", f"the scoring policy has no version {number}")
    return version


def _grade(
    team: Team, wanted: list[str], policy: Policy, grade: Callable[[Standings, list[str]], list[GradedAgent]]
) -> tuple[list[GradedAgent], list[Benchmark]]:
    standings = stand(team, policy)
    return grade(standings, wanted), benchmarks(standings, wanted)
