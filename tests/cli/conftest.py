"""The command line against small servicers on a real port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from rapport.alerting.v1.alerting_service_pb2_grpc import add_AlertingServiceServicer_to_server
from rapport.ingest.v1.ingest_service_pb2_grpc import add_IngestServiceServicer_to_server
from rapport.query.v1.query_service_pb2_grpc import add_QueryServiceServicer_to_server
from rapport.scoring.v1.scoring_service_pb2_grpc import add_ScoringServiceServicer_to_server
from typer.testing import CliRunner, Result

from services.cli import layout
from services.cli.app import app
from tests.cli.alerting_servicer import Alerting
from tests.cli.importing import MAPPING
from tests.cli.query_servicer import Query
from tests.cli.scoring_servicer import Scoring
from tests.cli.servicers import Ingest


@dataclass
class House:
    """The servicers of one test, and where they listen."""

    ingest: Ingest = field(default_factory=Ingest)
    scoring: Scoring = field(default_factory=Scoring)
    query: Query = field(default_factory=Query)
    alerting: Alerting = field(default_factory=Alerting)
    address: str = ""

    def environment(self) -> dict[str, str]:
        """Return the variables that lead the command line here."""
        return {f"RAPPORT_{name}_ADDRESS": self.address for name in ("INGEST", "SCORING", "QUERY", "ALERTING")}


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    server = grpc.aio.server()
    add_IngestServiceServicer_to_server(house.ingest, server)
    add_ScoringServiceServicer_to_server(house.scoring, server)
    add_QueryServiceServicer_to_server(house.query, server)
    add_AlertingServiceServicer_to_server(house.alerting, server)
    house.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield house
    await server.stop(None)


Rapport = Callable[..., Awaitable[Result]]


@pytest.fixture
def rapport(house: House, monkeypatch: pytest.MonkeyPatch) -> Rapport:
    """Runs a command in a thread of its own, as the servicers need this one's loop."""

    # Rich reads COLUMNS once, when the module is loaded.
    monkeypatch.setattr(layout.OUT, "width", 160)

    async def run(*arguments: object) -> Result:
        words = [str(argument) for argument in arguments]
        environment = house.environment() | {"COLUMNS": "160", "TERM": "dumb"}
        return await asyncio.to_thread(CliRunner().invoke, app, words, env=environment)

    return run


@pytest.fixture
def mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mapping file, in a folder of its own from which the command line runs."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mapping.toml"
    path.write_text(MAPPING)
    return path


def squeezed(text: str) -> list[str]:
    """Return the lines of a text with one space where there are several."""
    return [" ".join(line.split()) for line in text.splitlines()]
