"""Answers the rows behind numbers."""

from __future__ import annotations

from rapport.query.v1 import drill_down_pb2

from services.query import convert_drill_down, cursors, funnel, loading_drill_down, store_drill_down, store_funnel, store_talks
from services.query.answers import Frame
from services.query.calls import Context, window_of
from services.query.convert_filter import filter_of
from services.query.cursors import Cursor
from services.query.drill_down import Page
from services.query.loading_kept import load_kept
from services.query.servicer_people import PAGE, PeopleCalls
from services.runtime.windows import Window

PAGE_OF_FACTS = 100


class DrillDownCalls(PeopleCalls):
    """The rows behind numbers, by keyset pages; later pages keep the window and the total of the first one."""

    async def ListFacts(self, request: drill_down_pb2.ListFactsRequest, context: Context) -> drill_down_pb2.ListFactsResponse:
        """Return a page of the facts behind a number, and the number."""
        await self._wait(request, context)
        measure, only = loading_drill_down.measure_of(request.measure), filter_of(request.filter)
        cursor = cursors.read(self._pages.signer, request)
        page = Page(cursor.after if cursor else None, request.page_size or PAGE_OF_FACTS)
        async with self._snapshot() as (conn, frame):
            window = _window_of(cursor, frame) or window_of(request, frame)
            found = await store_drill_down.read_facts(conn, window, only, measure, page)
            totals = cursor.totals if cursor else await loading_drill_down.load_totals(conn, window, only, measure, frame)
        shown, last = page.cut(found)
        following = cursors.token(self._pages.signer, request, last.key, totals, window) if last else ""
        return convert_drill_down.facts(frame, window, shown, totals, following)

    async def ListConversations(
        self, request: drill_down_pb2.ListConversationsRequest, context: Context
    ) -> drill_down_pb2.ListConversationsResponse:
        """Return a page of conversations as they are stored."""
        await self._wait(request, context)
        wanted, only = convert_drill_down.wanted_of(request), filter_of(request.filter)
        cursor = cursors.read(self._pages.signer, request)
        page = Page(cursor.after if cursor else None, request.page_size or PAGE)
        async with self._snapshot() as (conn, frame):
            window = _window_of(cursor, frame) or (await load_kept(conn, request, frame)).window
            found = await store_talks.read_conversations(conn, window, only, wanted, page)
            totals = cursor.totals if cursor else (await store_talks.count_conversations(conn, window, only, wanted),)
        shown, last = page.cut(found)
        following = cursors.token(self._pages.signer, request, last.key, totals, window) if last else ""
        return convert_drill_down.conversations(frame, window, shown, totals[0], following)

    async def GetConversation(
        self, request: drill_down_pb2.GetConversationRequest, context: Context
    ) -> drill_down_pb2.GetConversationResponse:
        """Return a conversation, what it counts for and what names it."""
        await self._wait(request, context)
        async with self._snapshot() as (conn, _):
            found = await loading_drill_down.load_conversation(conn, request.conversation_id)
        return convert_drill_down.conversation(*found)

    async def GetStageFunnel(
        self, request: drill_down_pb2.GetStageFunnelRequest, context: Context
    ) -> drill_down_pb2.GetStageFunnelResponse:
        """Return how customers went from stage to stage."""
        await self._wait(request, context)
        only = filter_of(request.filter)
        async with self._snapshot() as (conn, frame):
            window = (await load_kept(conn, request, frame)).window
            stages = await store_funnel.read_stages(conn, window, only)
        return convert_drill_down.stage_funnel(frame, window, funnel.steps(stages))


def _window_of(cursor: Cursor | None, frame: Frame) -> Window | None:
    """Return the window of the first page; None for the first page itself."""
    return cursors.window_of(cursor.span, frame.time_zone) if cursor and cursor.span else None
