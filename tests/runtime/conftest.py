"""What the tests of the runtime share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest

from tests.runtime.four_kinds import FourKinds, Response, serving

Connect = Callable[..., Awaitable[grpc.aio.Channel]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Return a function that serves a FourKinds and returns a channel to it."""
    async with AsyncExitStack() as stack:

        async def opened(servicer: FourKinds, **more: Any) -> grpc.aio.Channel:
            server = await stack.enter_async_context(serving(servicer, **more))
            return await stack.enter_async_context(grpc.aio.insecure_channel(server.address))

        yield opened


@pytest.fixture
def hello() -> Callable[[Any], Awaitable[Response]]:
    """Return an answer that always succeeds."""

    async def answer(request: Any) -> Response:
        return Response(conversation_id=request.conversation.conversation_id)

    return answer
