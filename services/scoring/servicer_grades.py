"""Answers the calls about grades."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import Any

from rapport.metrics.v1 import common_pb2
from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.runtime import windows
from services.runtime.errors import NotFound
from services.runtime.windows import period_before
from services.scoring import convert, convert_policy, grade_store, pages, policy_store, store
from services.scoring.agents import explained, in_brief, mean_coverage
from services.scoring.calls import Calls, require
from services.scoring.policy import PolicyVersion
from services.scoring.standings import Standings, benchmarks
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
            only = store.Only(tuple(request.platforms), tuple(request.industries))
            before = period_before(window, now) if request.with_previous else None
            team, *previous = await self._teams.get(conn, [window, before] if before else [window], settings, now, only)
            # Most are known by the team; who is not may still be known to facts.
            unknown = set(request.agent_ids).difference(team.ids)
            unknown -= await store.get_known_agents(conn, unknown) if unknown else set()
            require("AGENT_NOT_FOUND", "agent", [a for a in request.agent_ids if a in unknown])
            watermark = await get_watermark(conn, now)
        standings, *scored_before = (Standings(each, version.policy) for each in (team, *previous))
        # Large teams take a while; other calls go on meanwhile.
        answer = await asyncio.to_thread(_grades, standings, list(request.agent_ids) or team.active, version, brief=request.brief)
        for message, earlier in product(answer.grades, scored_before):
            convert.add_previous(message, earlier.raw_score(message.agent_id))
        about = convert.quality(answer.quality.n, watermark, window=window, policy_version=version.policy.version)
        answer.quality.MergeFrom(about)
        return answer

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


def _grades(standings: Standings, wanted: list[str], version: PolicyVersion, *, brief: bool) -> pb.GradeAgentsResponse:
    graded = (in_brief if brief else explained)(standings, wanted)
    return pb.GradeAgentsResponse(
        grades=[convert.grade_to_proto(g) for g in graded],
        quality=common_pb2.Quality(n=sum(g.n for g in graded), coverage=mean_coverage(graded)),
        policy=convert_policy.version_to_proto(version),
        benchmarks=[convert.benchmark_to_proto(b) for b in benchmarks(standings, wanted)] if brief else (),
        graded=len(standings.team.active),
    )
