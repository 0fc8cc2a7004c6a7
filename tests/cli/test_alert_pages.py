"""Every curl line of docs/on-call.md reaches a call of its own, as the contract has it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from string import Template

import protovalidate
from google.protobuf.json_format import ParseDict
from google.protobuf.message_factory import GetMessageClass

from services.stack.home import ROOT
from tests.cli.alerting_servicer import OPEN, SILENCE
from tests.gateway.harness import CONTRACTS, Gateway, open_gateway

LINES = re.findall(r"^\| .* \| `(curl .*)` \|$", (ROOT / "docs" / "on-call.md").read_text(), re.MULTILINE)
#: Streams, and what is not about alerts.
ASIDE = {"WatchAlerts", "StreamAlerts", "GetSystemHealth"}
NAMES = {"ALERT": OPEN, "SILENCE": SILENCE, "UNTIL": "2026-12-01T00:00:00Z", "API": "/api/analytics"}


def told(line: str) -> tuple[str, str, object]:
    """Return the method, path and JSON body that a curl line sends."""
    words = shlex.split(Template(line).substitute(NAMES))
    body = json.loads(words[words.index("-d") + 1]) if "-d" in words else None
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    (path,) = [word for word in words if word.startswith("/")]
    return method, path, body


async def test_every_line_reaches_a_call_of_its_own_and_is_valid(tmp_path: Path) -> None:
    contract = CONTRACTS["alerting"]
    async with open_gateway(tmp_path) as gate:
        reached = [await _sent(gate, line) for line in LINES if "-N" not in line]
    calls = {method.name for method in contract.methods} - ASIDE
    assert set(reached) == calls
    assert len(reached) == len(calls) + 1, "routes are put and taken away by the same call, all else by one of its own"


async def _sent(gate: Gateway, line: str) -> str:
    """Send what a line sends, and return the name of the call that it reached."""
    gate.forget()
    method, path, body = told(line)
    answer = await gate.http.request(method, path, json=body)
    assert answer.status_code == 200, line
    name, request, _ = gate.last()
    protovalidate.validate(request)
    if body is not None:
        # The gateway passes over fields that it does not know; a page must not name any.
        kind = CONTRACTS["alerting"].methods_by_name[name].input_type
        ParseDict(body, GetMessageClass(kind)())
    return str(name)
