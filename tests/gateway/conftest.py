"""The gateway that this folder's tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.gateway.harness import Gateway, open_gateway, until_status


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    async with open_gateway(tmp_path_factory.mktemp("gateway")) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def gate(running: Gateway) -> AsyncIterator[Gateway]:
    """The gateway, with nothing left of the test before.

    While tests of other loops run, its servers answer no health checks; so wait until Envoy knows that they are back.
    """
    running.forget()
    await until_status(running.http, "/healthz", 200)
    yield running
    running.forget()
