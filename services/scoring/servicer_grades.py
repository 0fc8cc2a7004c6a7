"""Answers the calls about grades."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from rapport.metrics.v1 import common_pb2
from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.runtime import windows
from services.runtime.errors import FieldViolation, NotFound
from services.runtime.tenancy import current_tenant, of_nobody
from services.runtime.windows import Window, period_before
from services.scoring import convert, convert_policy, grade_store, pages, policy_store, store, team_store
from services.scoring.agents import explained, in_brief, mean_coverage
from services.scoring.calls import Calls, require
from services.scoring.policy import PolicyVersion
from services.scoring.ranking import rank
from services.scoring.standings import Standings, benchmarks
from services.scoring.team import Team
from services.scoring.team_store import Known
from services.storage.readings import read, read_together

#: Length of a history's windows in days, and days on a page, when the request does not say.
_WINDOW_DAYS, _DAYS_A_PAGE = 30, 90
#: Agents named when the request does not say.
_EARNERS = 10


class GradeCalls(Calls):
    """Agents' grades."""

    async def GradeAgents(self, request: pb.GradeAgentsRequest, context: Any) -> pb.GradeAgentsResponse:
        await self._tokens.wait(self._database, request.consistency_token, context.time_remaining())
        now = self._clock()
        await self._teams.settle()
        async with self._database.snapshot() as conn:
            version, (known, watermark), past = await read_together(
                conn,
                policy_store.version_of(request.policy_version),
                team_store.known(now),
                grade_store.snapshots(request.agent_ids[0] if request.history_days else "", _WINDOW_DAYS, request.history_days),
            )
            version = found(version, request.policy_version)
            window = _window(request, known)
            before = period_before(window, now) if request.with_previous or request.with_previous_grades else None
            teams = await self._teams.get(conn, [window, before] if before else [window], known, _only(request))
            # Most are known by the team; who is not may still be known to facts.
            unknown = set(request.agent_ids).difference(teams[0].places)
            unknown -= await store.get_known_agents(conn, unknown) if unknown else set()
            require("AGENT_NOT_FOUND", "agent", "agent_ids[{}]", request.agent_ids, unknown)
        # Large teams take a while; other calls go on meanwhile.
        answer = await asyncio.to_thread(_grades, teams, request, version)
        about = convert.quality(answer.quality.n, watermark, window=window, policy_version=version.policy.version)
        answer.quality.MergeFrom(about)
        answer.history.extend(map(convert.snapshot_to_proto, past))
        return answer

    async def ListEarners(self, request: pb.ListEarnersRequest, context: Any) -> pb.ListEarnersResponse:
        # A caller that gives up early leaves what it began: sums that are read whole serve whoever asks next.
        reading = asyncio.create_task(self._list_earners(request), context=of_nobody(current_tenant()))
        self._reading.add(reading)
        reading.add_done_callback(self._reading.discard)
        return await asyncio.shield(reading)

    async def _list_earners(self, request: pb.ListEarnersRequest) -> pb.ListEarnersResponse:
        now = self._clock()
        await self._teams.settle()
        async with self._database.snapshot() as conn:
            known, _ = await read(conn, team_store.known(now))
            (team,) = await self._teams.get(conn, [_window(request, known)], known, _only(request))
        return pb.ListEarnersResponse(agent_ids=team.earners(request.limit or _EARNERS))

    async def ListGradeHistory(self, request: pb.ListGradeHistoryRequest, context: Any) -> pb.ListGradeHistoryResponse:
        agent, days = request.agent_id, request.window_days or _WINDOW_DAYS
        size = request.page_size or _DAYS_A_PAGE
        before = pages.read_day(self._pages, request.page_token, agent, days)
        async with self._database.transaction() as conn:
            known = await store.get_known_agents(conn, [agent])
            require("AGENT_NOT_FOUND", "agent", "agent_id", [agent], {agent} - known)
            kept = await read(conn, grade_store.snapshots(agent, days, size + 1, before))
        token = pages.day_token(self._pages, kept[size - 1].day, agent, days) if len(kept) > size else ""
        return pb.ListGradeHistoryResponse(snapshots=[convert.snapshot_to_proto(s) for s in kept[:size]], next_page_token=token)


def found(version: PolicyVersion | None, number: int) -> PolicyVersion:
    """Return the version asked for. Raises NotFound (POLICY_NOT_FOUND) when there never was one of this number."""
    if version is None:
        sentence = f"the scoring policy has no version {number}"
        raise NotFound("POLICY_NOT_FOUND", sentence, violations=[FieldViolation("policy_version", "unknown", sentence)])
    return version


def _window(request: pb.GradeAgentsRequest | pb.ListEarnersRequest, known: Known) -> Window:
    start, end = convert.moment(request, "start_time"), convert.moment(request, "end_time")
    return windows.resolve(start, end, known.settings.time_zone, known.now)


def _only(request: pb.GradeAgentsRequest | pb.ListEarnersRequest) -> store.Only:
    return store.Only(tuple(request.platforms), tuple(request.industries))


def _grades(teams: Sequence[Team], request: pb.GradeAgentsRequest, version: PolicyVersion) -> pb.GradeAgentsResponse:
    """Return the grades of the first team's agents; the other one, if any, is that of the period before."""
    standings, *before = (Standings(each, version.policy) for each in teams)
    wanted = list(request.agent_ids) or standings.team.active
    answer = _page(standings, wanted, request) if request.page_size else _all(standings, wanted)
    shown = [grade.agent_id for grade in answer.grades]
    for earlier in before:
        for grade in answer.grades:
            convert.add_previous(grade, earlier.raw_score(grade.agent_id))
        if request.with_previous_grades:
            answer.previous_grades.extend(map(convert.grade_to_proto, explained(earlier, shown)))
    answer.policy.CopyFrom(convert_policy.version_to_proto(version))
    answer.graded = len(standings.team.active)
    return answer


def _all(standings: Standings, wanted: list[str]) -> pb.GradeAgentsResponse:
    graded = explained(standings, wanted)
    quality = common_pb2.Quality(n=sum(g.n for g in graded), coverage=mean_coverage(graded))
    return pb.GradeAgentsResponse(grades=[convert.grade_to_proto(g) for g in graded], quality=quality)


def _page(standings: Standings, wanted: list[str], request: pb.GradeAgentsRequest) -> pb.GradeAgentsResponse:
    found = rank(standings, wanted, convert.position(request), request.page_size)
    leaders, trailers = (in_brief(standings, agents) for agents in (found.leaders, found.trailers))
    return pb.GradeAgentsResponse(
        grades=[convert.grade_to_proto(g) for g in explained(standings, found.page)],
        quality=common_pb2.Quality(n=found.n, coverage=found.coverage),
        benchmarks=[convert.benchmark_to_proto(b) for b in benchmarks(standings, wanted)],
        leaders=[convert.grade_to_proto(g) for g in leaders],
        trailers=[convert.grade_to_proto(g) for g in reversed(trailers)],
        grade_distribution=found.distribution,
        compared=len(wanted),
        resting=() if request.agent_ids else standings.team.resting,
        next=convert.position_to_proto(found.next) if found.next else None,
    )
