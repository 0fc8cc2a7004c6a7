"""What every part of the query service's answers stands on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import grpc
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query import convert, loading
from services.query.answers import Frame
from services.query.paging import Pages
from services.query.siblings import Siblings
from services.runtime import windows
from services.runtime.database import Database
from services.runtime.windows import Window
from services.storage.reading import ConsistencyTokens

Context = grpc.aio.ServicerContext[Any, Any]


class Calls:
    """The database, the siblings, the tokens of writes to wait for, the signer of page tokens, and the clock."""

    def __init__(
        self, database: Database, siblings: Siblings, tokens: ConsistencyTokens, pages: Pages, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._siblings = siblings
        self._tokens = tokens
        self._pages = pages
        self._clock = clock

    async def _wait(self, request: Any, context: Context) -> None:
        await self._tokens.wait(self._database, request.consistency_token, context.time_remaining())

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[tuple[AsyncConnection, Frame]]:
        now = self._clock()
        async with self._database.snapshot() as conn:
            yield conn, await loading.load_frame(conn, now)


def window_of(request: Any, frame: Frame) -> Window:
    """Return the window that a request asks for, by default 30 days."""
    start, end = convert.given_moment(request, "start_time"), convert.given_moment(request, "end_time")
    return windows.resolve(start, end, frame.time_zone, frame.now)
