"""A real channel to an ingest service over a fresh database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from rapport.auth.v1 import scope_pb2
from rapport.ingest.v1 import ingest_service_pb2_grpc

from services.ingest.settings import IngestSettings
from services.runtime import telemetry
from services.runtime.server import Registration, start
from tests.fix_services import House


@pytest.fixture
async def channel(house: House) -> AsyncIterator[grpc.aio.Channel]:
    async with serving(house) as address, grpc.aio.insecure_channel(address) as opened:
        yield opened


@pytest.fixture
def ingest(channel: grpc.aio.Channel) -> ingest_service_pb2_grpc.IngestServiceStub:
    return ingest_service_pb2_grpc.IngestServiceStub(channel)


@asynccontextmanager
async def serving(house: House) -> AsyncIterator[str]:
    """Serve a house's ingest on a free port for as long as the block runs; yield the address."""
    settings = IngestSettings(database_url=house.url, port=0)
    name, add = "rapport.ingest.v1.IngestService", ingest_service_pb2_grpc.add_IngestServiceServicer_to_server
    server = await start(
        settings,
        [Registration(name, add, house.ingest)],
        scope_extension=scope_pb2.scope,
        telemetry=telemetry.setup("ingest", settings),
    )
    try:
        yield server.address
    finally:
        await server.stop()
