"""A small ingest on a port that stays, a proxy before it that cuts, and a channel through the proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest

from rapport_client import connect
from tests.client.servicers import Ingest, Serving
from tests.proxy import Proxy, proxying


@pytest.fixture
async def serving() -> AsyncIterator[Serving]:
    serving = Serving(Ingest())
    await serving.start()
    yield serving
    await serving.stop()


@pytest.fixture
def ingest(serving: Serving) -> Ingest:
    return serving.servicer


@pytest.fixture
async def proxy(serving: Serving) -> AsyncIterator[Proxy]:
    async with proxying(serving.port) as opened:
        yield opened


@pytest.fixture
async def channel(proxy: Proxy) -> AsyncIterator[grpc.aio.Channel]:
    async with connect(proxy.address) as opened:
        yield opened
