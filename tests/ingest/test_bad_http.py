"""Bad HTTP is refused precisely through the real gateway, and not a row of any table changes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio
from psycopg.sql import SQL, Identifier

from tests import fix_database
from tests.ingest import bad_http, bad_inputs
from tests.ingest.bad_http import BadHttp
from tests.ingest.bad_world import World, everything, open_world

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(postgres_server: Any, template_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    with fix_database.database(postgres_server, f"TEMPLATE {template_database}") as url:
        async with open_world(url, tmp_path_factory.mktemp("gateway")) as opened:
            yield opened


@pytest.mark.parametrize("case", bad_http.HTTP, ids=lambda case: case.name)
async def test_bad_http_is_refused_precisely_and_changes_nothing(world: World, case: BadHttp) -> None:
    before = everything(world.url)
    answer = await world.http.request(case.verb, httpx.URL(case.path), content=case.content, headers=dict(case.headers))
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert set(body) == {"code", "message", "details"}
    details = {d["@type"].rpartition(".")[2]: d for d in body["details"]}
    reason = details.get("ErrorInfo", {}).get("reason", "")
    fields = {v["field"] for v in details.get("BadRequest", {}).get("fieldViolations", ())}
    assert (answer.status_code, body["code"], reason, fields) == (case.status, case.code, case.reason, set(case.fields)), body
    assert case.says in body["message"]
    assert everything(world.url) == before


@pytest.mark.parametrize(
    ("headers", "content", "codes", "says"), [case[1:] for case in bad_http.WEB], ids=[case[0] for case in bad_http.WEB]
)
async def test_bad_frames_are_refused_and_change_nothing(
    world: World, headers: dict[str, str], content: bytes, codes: tuple[int, ...], says: str
) -> None:
    before = everything(world.url)
    answer = await world.http.post(bad_http.RECORD, content=content, headers=headers)
    trailers = dict(line.split(":", 1) for line in answer.content[5:].decode().split("\r\n") if line)
    found = {**answer.headers, **trailers}
    assert int(found["grpc-status"]) in codes
    assert says in found.get("grpc-message", "")
    assert everything(world.url) == before


async def test_grpc_in_another_content_type_is_not_found(world: World) -> None:
    before = everything(world.url)
    for content_type in ("text/plain", "application/json"):
        answer = await world.http.post(bad_http.RECORD, content=b"{}", headers={"content-type": content_type})
        assert (answer.status_code, answer.json()["code"]) == (404, 5)
    assert everything(world.url) == before


#: What the gateway takes though it is not quite JSON, or not quite what the contract says, and what is then stored.
GENEROUS = [
    ("a trailing comma", '"tags": ["x"],', "tags", ["x"]),
    ("a value for a list", '"tags": "x"', "tags", ["x"]),
    ("a list of lists", '"tags": [["x"], "y"]', "tags", ["x", "y"]),
    ("a word for a truth", '"followUpRequired": "yes"', "follow_up_required", True),
    ("a key twice", '"sessionId": "x", "sessionId": "y"', "session_id", "y"),
    ("a field by both of its names", '"sessionId": "x", "session_id": "y"', "session_id", "y"),
    ("a number as text", '"messageCount": "7"', "message_count", 7),
]


@pytest.mark.parametrize(("name", "written", "column", "value"), GENEROUS, ids=[case[0] for case in GENEROUS])
async def test_what_the_gateway_reads_generously(world: World, name: str, written: str, column: str, value: Any) -> None:
    conversation = json.dumps(bad_inputs.CONVERSATION | {"conversationId": name})
    answer = await world.http.post(bad_http.CONVERSATION_PATH, content=f"{conversation[:-1]}, {written}}}")
    assert (answer.status_code, answer.json()["outcome"]) == (200, "OUTCOME_CREATED")
    with psycopg.connect(world.url) as conn:
        found = SQL("SELECT {} FROM ingest.conversation WHERE conversation_id = %s").format(Identifier(column))
        assert conn.execute(found, [name]).fetchone() == (value,)
