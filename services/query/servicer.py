"""Answers the calls of QueryService."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import grpc
from rapport.metrics.v1 import agent_pb2, comparison_pb2, customer_pb2, system_pb2
from rapport.query.v1 import query_service_pb2, query_service_pb2_grpc
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query import comparison, convert, convert_customer, convert_dashboard, convert_tenant, loading, store_conversations
from services.query.answers import Frame
from services.query.customers import SESSION_WEEKS
from services.query.dashboard import CUSTOMERS_SCORED
from services.query.paging import Page, Pages
from services.query.performance import gather
from services.query.periods import period_before
from services.query.siblings import Siblings
from services.query.watching import HEARTBEAT_S, PROBE_S, Cause, Update, Watches
from services.runtime import windows
from services.runtime.database import Database
from services.runtime.windows import Window
from services.storage.reading import ConsistencyTokens

DEFAULT_PAGE = 50
_CAUSES = {
    Cause.SUBSCRIBED: agent_pb2.UPDATE_CAUSE_SUBSCRIBED,
    Cause.CHANGED: agent_pb2.UPDATE_CAUSE_CHANGED,
    Cause.HEARTBEAT: agent_pb2.UPDATE_CAUSE_HEARTBEAT,
}

Context = grpc.aio.ServicerContext[Any, Any]


class QueryServicer(query_service_pb2_grpc.QueryServiceServicer):
    """Reads each answer in one snapshot of the database, and asks the siblings at the same time."""

    def __init__(
        self,
        database: Database,
        siblings: Siblings,
        tokens: ConsistencyTokens,
        pages: Pages,
        clock: Callable[[], datetime],
        *,
        probe_s: float = PROBE_S,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._database = database
        self._siblings = siblings
        self._tokens = tokens
        self._pages = pages
        self._clock = clock
        self._watches = Watches(self._revisions, self._update, probe_s=probe_s, heartbeat_s=heartbeat_s)

    async def GetAgentPerformance(
        self, request: query_service_pb2.GetAgentPerformanceRequest, context: Context
    ) -> agent_pb2.AgentPerformance:
        """Return how an agent did."""
        await self._wait(request, context)
        return await self._performance(request, context)

    async def GetCustomerInsight(
        self, request: query_service_pb2.GetCustomerInsightRequest, context: Context
    ) -> customer_pb2.CustomerInsight:
        """Return what is known and expected of a customer."""
        await self._wait(request, context)
        async with asyncio.TaskGroup() as asked, self._snapshot() as (conn, frame):
            recent = windows.last_days(7 * SESSION_WEEKS, frame.time_zone, frame.now)
            customer = await loading.load_customer(conn, request.customer_id, recent, frame)
            known = [customer.customer_id] if customer.life else []
            scores = asked.create_task(self._siblings.scores(context, known))
            seasons = asked.create_task(self._siblings.seasonality(context, known))
        return convert_customer.customer_insight(frame, customer, scores.result(), seasons.result())

    async def GetSystemPerformance(
        self, request: query_service_pb2.GetSystemPerformanceRequest, context: Context
    ) -> system_pb2.SystemPerformance:
        """Return how the whole tenant did."""
        await self._wait(request, context)
        async with asyncio.TaskGroup() as asked:
            alerts = asked.create_task(self._siblings.open_alerts(context))
            async with self._snapshot() as (conn, frame):
                window = _window(request, frame)
                health = asked.create_task(self._siblings.health(context, window))
                system = await loading.load_system(conn, window, frame)
        return convert_tenant.system_performance(frame, window, system, alerts.result(), health.result())

    async def GetDashboard(self, request: query_service_pb2.GetDashboardRequest, context: Context) -> agent_pb2.AgentDashboard:
        """Return an agent at one sight."""
        await self._wait(request, context)
        ids = [request.agent_id]
        async with asyncio.TaskGroup() as asked:
            alerts = asked.create_task(self._siblings.open_alerts(context, ids))
            async with self._snapshot() as (conn, frame):
                agent = (await loading.load_agents(conn, ids, "agent_id"))[request.agent_id]
                window = _window(request, frame)
                grades = asked.create_task(self._siblings.grades(context, window, ids))
                grades_before = asked.create_task(self._siblings.grades(context, period_before(window, frame.now), ids))
                silent = await store_conversations.read_silent_customers(conn, window, request.agent_id, CUSTOMERS_SCORED)
                scores = asked.create_task(self._siblings.scores(context, silent))
                dashboard = await loading.load_dashboard(conn, window, agent, frame)
        return convert_dashboard.agent_dashboard(
            frame,
            window,
            dashboard,
            grades=grades.result(),
            grades_before=grades_before.result(),
            scores=scores.result(),
            open_alerts=alerts.result(),
        )

    async def CompareAgents(
        self, request: query_service_pb2.CompareAgentsRequest, context: Context
    ) -> comparison_pb2.AgentComparison:
        """Return agents next to each other: all of them ranked, one page of them in full."""
        await self._wait(request, context)
        page = self._pages.read(request)
        ids = list(request.agent_ids)
        async with asyncio.TaskGroup() as asked, self._snapshot() as (conn, frame):
            window = windows.resolve(page.start, page.end, frame.time_zone, frame.now) if page else _window(request, frame)
            await loading.load_agents(conn, ids, "agent_ids[{}]")
            grading = asked.create_task(self._siblings.grades(context, window, ids))
            field = await loading.load_field(conn, window, ids or None, frame.currency)
            grades = await grading
            ranked = convert_tenant.contenders(grades)
            shown, last = comparison.page_of(ranked, page.after if page else None, request.page_size or DEFAULT_PAGE)
            totals = gather(field.totals, lambda place: place.agent_id)
            agents = await loading.load_named(conn, shown)
            standings = await loading.load_standings(conn, window, agents, totals, frame)
        summary = comparison.summarise(field, {each.agent_id for each in ranked}, frame.currency)
        following = self._pages.token(request, Page(window.start, window.end, last)) if last else ""
        return convert_tenant.agent_comparison(frame, window, summary, standings, answer=grades, next_page_token=following)

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

    async def _wait(self, request: Any, context: Context) -> None:
        await self._tokens.wait(self._database, request.consistency_token, context.time_remaining())

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[tuple[AsyncConnection, Frame]]:
        now = self._clock()
        async with self._database.snapshot() as conn:
            yield conn, await loading.load_frame(conn, now)

    async def _performance(
        self, request: query_service_pb2.GetAgentPerformanceRequest, context: Context | None
    ) -> agent_pb2.AgentPerformance:
        ids = [request.agent_id]
        async with asyncio.TaskGroup() as asked, self._snapshot() as (conn, frame):
            agents = await loading.load_agents(conn, ids, "agent_id")
            window = _window(request, frame)
            grading = asked.create_task(self._siblings.grades(context, window, ids))
            standing = await loading.load_standing(conn, window, agents[request.agent_id], frame)
        grades = grading.result()
        grade = convert.grade_of(grades, request.agent_id)
        return convert.agent_performance(frame, window, standing, grade, convert.scored_by(grades))

    async def _revisions(self, agent_id: str) -> tuple[int, int]:
        async with self._database.transaction() as conn:
            return await loading.load_revisions(conn, agent_id)

    async def _update(self, agent_id: str) -> Update[agent_pb2.AgentUpdate]:
        now = self._clock()
        request = query_service_pb2.GetAgentPerformanceRequest(agent_id=agent_id)
        async with asyncio.TaskGroup() as asked:
            alerts = asked.create_task(self._siblings.open_alerts(None, [agent_id]))
            health = asked.create_task(self._siblings.health(None))
            performance = await self._performance(request, None)
        value = convert.agent_update(performance, alerts.result(), health.result(), now)
        return Update(value, convert.content_of(value))


def _window(request: Any, frame: Frame) -> Window:
    start, end = convert.given_moment(request, "start_time"), convert.given_moment(request, "end_time")
    return windows.resolve(start, end, frame.time_zone, frame.now)
