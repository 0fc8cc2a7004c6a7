"""Answers lists of customers, agents and follow-ups, and what happened with a customer."""

from __future__ import annotations

from rapport.query.v1 import drill_down_pb2

from services.query import convert_drill_down, convert_people, cursors, store_people, store_timeline
from services.query.calls import Calls, Context
from services.query.drill_down import Page
from services.query.loading_customer import find_customer
from services.query.people import Order

PAGE = 50
PAGE_OF_AGENTS = 100


class PeopleCalls(Calls):
    """Lists by keyset pages; later pages tell the total that the first one counted."""

    async def ListCustomers(
        self, request: drill_down_pb2.ListCustomersRequest, context: Context
    ) -> drill_down_pb2.ListCustomersResponse:
        """Return a page of customers."""
        await self._wait(request, context)
        cursor = cursors.read(self._pages.signer, request)
        which, order = convert_people.customers_of(request), Order(request.order)
        page = Page(cursor.after if cursor else None, request.page_size or PAGE)
        async with self._snapshot() as (conn, frame):
            found = await store_people.read_customers(conn, which, order, page)
            totals = cursor.totals if cursor else (await store_people.count_customers(conn, which),)
        shown, last = page.cut(found)
        following = cursors.token(self._pages.signer, request, last.key(order), totals) if last else ""
        return convert_people.customers(frame, shown, totals[0], following)

    async def ListAgents(self, request: drill_down_pb2.ListAgentsRequest, context: Context) -> drill_down_pb2.ListAgentsResponse:
        """Return a page of agents."""
        await self._wait(request, context)
        cursor = cursors.read(self._pages.signer, request)
        which = convert_people.agents_of(request)
        page = Page(cursor.after if cursor else None, request.page_size or PAGE_OF_AGENTS)
        async with self._snapshot() as (conn, _):
            found = await store_people.read_agents(conn, which, page)
            totals = cursor.totals if cursor else (await store_people.count_agents(conn, which),)
        shown, last = page.cut(found)
        following = cursors.token(self._pages.signer, request, (last.agent_id,), totals) if last else ""
        return convert_people.agents(shown, totals[0], following)

    async def ListFollowUps(
        self, request: drill_down_pb2.ListFollowUpsRequest, context: Context
    ) -> drill_down_pb2.ListFollowUpsResponse:
        """Return a page of follow-ups."""
        await self._wait(request, context)
        cursor = cursors.read(self._pages.signer, request)
        page = Page(cursor.after if cursor else None, request.page_size or PAGE)
        async with self._snapshot() as (conn, frame):
            which = convert_people.follow_ups_of(request, frame.now)
            found = await store_people.read_follow_ups(conn, which, page)
            totals = cursor.totals if cursor else (await store_people.count_follow_ups(conn, which),)
        shown, last = page.cut(found)
        following = cursors.token(self._pages.signer, request, last.key, totals) if last else ""
        return convert_people.follow_ups(shown, totals[0], following)

    async def GetCustomerTimeline(
        self, request: drill_down_pb2.GetCustomerTimelineRequest, context: Context
    ) -> drill_down_pb2.GetCustomerTimelineResponse:
        """Return a page of what happened with a customer."""
        await self._wait(request, context)
        cursor = cursors.read(self._pages.signer, request)
        page = Page(cursor.after if cursor else None, request.page_size or PAGE)
        async with self._snapshot() as (conn, _):
            known = await find_customer(conn, request.customer_id)
            found = await store_timeline.read_timeline(conn, request.customer_id, page)
        shown, last = page.cut(found)
        following = cursors.token(self._pages.signer, request, last.key) if last else ""
        return convert_drill_down.customer_timeline(known.profile, shown, following)
