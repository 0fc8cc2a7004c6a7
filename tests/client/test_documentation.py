"""The examples of docs/client.md run as they stand."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import grpc
import psycopg
import pytest
from rapport.alerting.v1.alerting_service_pb2 import WatchAlertsResponse
from rapport.alerting.v1.alerting_service_pb2_grpc import add_AlertingServiceServicer_to_server
from rapport.auth.v1 import scope_pb2
from rapport.ingest.v1 import ingest_service_pb2_grpc
from rapport.insight.v1.conversation_pb2 import ConversationInsight

from services.ingest.settings import IngestSettings
from services.runtime import telemetry
from services.runtime.server import Registration, start
from services.stack.home import ROOT
from tests.cli.servicers import Alerting, status
from tests.fix_services import House

PAGE = ROOT / "docs" / "client.md"


@pytest.fixture
async def ingest_address(house: House) -> AsyncIterator[str]:
    settings = IngestSettings(database_url=house.url, port=0)
    name, add = "rapport.ingest.v1.IngestService", ingest_service_pb2_grpc.add_IngestServiceServicer_to_server
    registration = Registration(name, add, house.ingest)
    observed = telemetry.setup("ingest", settings)
    server = await start(settings, [registration], scope_extension=scope_pb2.scope, telemetry=observed)
    yield server.address
    await server.stop()


def examples(ingest: str, alerting: str) -> dict[str, Any]:
    """Return what the page's examples define, run at other addresses than theirs."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
    assert code.count("async def") == 3
    code = code.replace("asyncio.run(main())", "").replace("127.0.0.1:50051", ingest).replace("127.0.0.1:50054", alerting)
    names: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), names)
    return names


async def test_the_examples_do_what_they_say(house: House, ingest_address: str, capsys: pytest.CaptureFixture[str]) -> None:
    alerting = Alerting(
        streams=[
            [
                WatchAlertsResponse(resume_token="t7", events={"events": [{"alert": {"message": "it is slow"}}]}),
                status("OUT_OF_RANGE", "RESUME_TOKEN_EXPIRED", "gone"),
            ]
        ]
    )
    server = grpc.aio.server()
    add_AlertingServiceServicer_to_server(alerting, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    names = examples(ingest_address, f"127.0.0.1:{port}")
    house.clock.now = datetime.now(UTC)

    await names["main"]()
    good = ConversationInsight(conversation_id="c-2", agent_id="a", customer_id="c", platform="sms")  # type: ignore[arg-type]
    good.start_time.FromJsonString("2026-01-01T00:00:00Z")
    await names["produce"]([good, ConversationInsight(conversation_id="c-3")])
    async with asyncio.timeout(10):
        await names["follow"]("old")
    await server.stop(None)

    with psycopg.connect(house.url) as conn:
        assert conn.execute("SELECT conversation_id FROM ingest.conversation ORDER BY 1").fetchall() == [("c-1",), ("c-2",)]
    said = capsys.readouterr().out
    assert "row 1 INVALID_ARGUMENT (INVALID_FIELDS)" in said
    assert "it is slow" in said
    assert "too late: the log begins at revision None" in said
