"""Answers how agents, customers and the whole tenant do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from rapport.metrics.v1 import agent_pb2, comparison_pb2, customer_pb2, system_pb2
from rapport.query.v1 import query_service_pb2
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query import (
    convert,
    convert_agent,
    convert_comparison,
    convert_customer,
    convert_dashboard,
    convert_tenant,
    loading,
    loading_customer,
    loading_tenant,
    store_conversations,
    store_periods,
)
from services.query.answers import Agent, Frame
from services.query.calls import Calls, Context
from services.query.convert_parts import HISTORY_DAYS
from services.query.cursors import window_of as window_of_span
from services.query.customers import SESSION_WEEKS
from services.query.dashboard import CUSTOMERS_SCORED
from services.query.loading_kept import load_beside, load_question
from services.query.paging import Page
from services.query.questions import Question
from services.runtime import windows

DEFAULT_PAGE = 50

GetPerformance = query_service_pb2.GetAgentPerformanceRequest


class AnswerCalls(Calls):
    """Each answer is read in one snapshot of the database, and the siblings are asked at the same time."""

    async def GetAgentPerformance(self, request: GetPerformance, context: Context) -> agent_pb2.AgentPerformance:
        """Return how an agent did."""
        await self._wait(request, context)
        now = self._clock()
        async with asyncio.TaskGroup() as asked, self._database.snapshot() as conn:
            agent, frame = await loading.begin(conn, request.agent_id, now)
            told = await self._course(asked, conn, frame, agent, request=request, context=context, history_days=HISTORY_DAYS)
        return told()

    async def GetCustomerInsight(
        self, request: query_service_pb2.GetCustomerInsightRequest, context: Context
    ) -> customer_pb2.CustomerInsight:
        """Return what is known and expected of a customer."""
        await self._wait(request, context)
        now = self._clock()
        async with asyncio.TaskGroup() as asked, self._database.snapshot() as conn:
            known, frame = await loading_customer.begin(conn, request.customer_id, now)
            # Scoring takes longest: it is asked before anything else is read.
            scored = [known.customer_id] if known.life else []
            scores = asked.create_task(self._siblings.scores(context, scored))
            seasons = asked.create_task(self._siblings.seasonality(context, scored))
            recent = windows.last_days(7 * SESSION_WEEKS, frame.time_zone, frame.now)
            customer = await loading_customer.load_customer(conn, known, recent, frame)
        return convert_customer.customer_insight(frame, customer, scores.result(), seasons.result())

    async def GetSystemPerformance(
        self, request: query_service_pb2.GetSystemPerformanceRequest, context: Context
    ) -> system_pb2.SystemPerformance:
        """Return how the whole tenant did."""
        await self._wait(request, context)
        async with asyncio.TaskGroup() as asked:
            alerts = asked.create_task(self._siblings.open_alerts(context))
            async with self._snapshot() as (conn, frame):
                question = await self._question(conn, request, frame)
                health = asked.create_task(self._siblings.health(context, question.window))
                first = self._siblings.earners(context, question.window, question.only, loading_tenant.MOST_EARNERS)
                system = await loading_tenant.load_system(conn, question, frame, asked.create_task(first))
        return convert_tenant.system_performance(frame, question.window, system, alerts.result(), health.result())

    async def GetDashboard(self, request: query_service_pb2.GetDashboardRequest, context: Context) -> agent_pb2.AgentDashboard:
        """Return an agent at one sight."""
        await self._wait(request, context)
        ids, now = [request.agent_id], self._clock()
        async with asyncio.TaskGroup() as asked:
            alerts = asked.create_task(self._siblings.open_alerts(context, ids))
            async with self._database.snapshot() as conn:
                agent, frame = await loading.begin(conn, request.agent_id, now)
                question = replace(await self._question(conn, request, frame, ids), days_told=windows.LONGEST_DAYS)
                asking = self._siblings.grades(context, question.window, question.only, history_days=HISTORY_DAYS, in_full=True)
                grades = asked.create_task(asking)
                silent, kept_since = await load_beside(conn, store_conversations.silent_customers(question, CUSTOMERS_SCORED))
                scores = asked.create_task(self._siblings.scores(context, silent))
                dashboard = await loading.load_dashboard(conn, question, agent, frame)
        return convert_dashboard.agent_dashboard(
            frame,
            question.window,
            dashboard,
            grades=grades.result(),
            scores=scores.result(),
            open_alerts=alerts.result(),
            kept_since=kept_since,
        )

    async def CompareAgents(
        self, request: query_service_pb2.CompareAgentsRequest, context: Context
    ) -> comparison_pb2.AgentComparison:
        """Return agents next to each other: all of them ranked, one page of them in full."""
        await self._wait(request, context)
        page = self._pages.read(request)
        now = self._clock()
        async with self._snapshot() as (conn, frame):
            # What takes a while is asked without a connection.
            await loading.load_agents(conn, request.agent_ids, "agent_ids[{}]")
            if page:
                window = window_of_span((page.start, page.end), frame.time_zone)
                kept_since = await store_periods.get_kept_since(conn)
                question = Question(window, convert.narrowed(request, request.agent_ids), kept_since=kept_since)
            else:
                question = (await self._question(conn, request, frame, request.agent_ids)).alone()
        window, size = question.window, request.page_size or DEFAULT_PAGE
        grades = await self._siblings.ranking(context, window, question.only, size, page.after if page else None)
        async with self._database.snapshot() as conn:
            frame = await loading.load_frame(conn, now)
            names = await loading.load_named(conn, convert_comparison.named(grades))
            shown = [names[grade.agent_id] for grade in grades.grades]
            field, standings = await loading_tenant.load_comparison(conn, question, shown, frame, resting=grades.resting)
        last = convert_comparison.next_position(grades)
        return convert_comparison.agent_comparison(
            frame,
            window,
            field,
            standings,
            answer=grades,
            names=names,
            next_page_token=self._pages.token(request, Page(window.start, window.end, last)) if last else "",
        )

    async def _course(
        self,
        asked: asyncio.TaskGroup,
        conn: AsyncConnection,
        frame: Frame,
        agent: Agent,
        *,
        request: GetPerformance,
        context: Context | None,
        history_days: int = 0,
    ) -> Callable[[], agent_pb2.AgentPerformance]:
        """Return what tells how an agent did, once everything is there that was asked for."""
        question = await self._question(conn, request, frame, [request.agent_id])
        asking = self._siblings.grades(context, question.window, question.only, history_days=history_days)
        grades = asked.create_task(asking)
        course = await loading.load_course(conn, question, agent, frame)
        window = question.window
        return lambda: convert_agent.agent_course(frame, window, course, grades=grades.result())

    async def _question(self, conn: AsyncConnection, request: Any, frame: Frame, agent_ids: Iterable[str] = ()) -> Question:
        """Return what is asked, next to the period before."""
        return await load_question(conn, request, convert.narrowed(request, agent_ids), frame)
