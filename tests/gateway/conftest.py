"""The gateway that this folder's tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.gateway.harness import Gateway, open_gateway


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with open_gateway(tmp_path_factory.mktemp("gateway")) as opened:
        yield opened


@pytest.fixture
def gate(running: Gateway) -> Iterator[Gateway]:
    """The gateway, with nothing left of the test before."""
    running.forget()
    yield running
    running.forget()
