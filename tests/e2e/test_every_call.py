"""Every call is reached: by `buf curl` over gRPC with reflection, and every call with one answer over HTTP."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.api import annotations_pb2
from google.protobuf.descriptor_pool import Default

from services.stack.home import ROOT
from tests.e2e.conftest import RunningStack
from tests.storage.suite import SERVICES

pytestmark = pytest.mark.timeout(600)

_START = "2026-06-30T09:00:00Z"
_TOLD: dict[str, Any] = {"conversationId": "every-1", "agentId": "every", "customerId": "every", "platform": "web"}
_TOLD |= {"startTime": _START}
_EVENT = {"eventId": "e-1", "source": "EVENT_SOURCE_WIDGET", "occurredAt": _START}
_EVENT |= {"widgetActivity": {"widgetId": "w", "action": "WIDGET_ACTION_OPENED"}}
_RATE = {"fromCurrency": "USD", "toCurrency": "INR", "date": "2026-06-30", "rate": "83.1"}
_SOON = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
_NOBODY = "00000000-0000-4000-8000-000000000000"
_ACTS = ("GetAlert", "AcknowledgeAlert", "UnacknowledgeAlert", "ResolveAlert")
_RULE: dict[str, Any] = {"ruleId": "every-call", "message": "too many", "type": "performance", "severity": "low", "fireAt": 1000}
_RULE |= {"subjectKind": "SUBJECT_KIND_AGENT", "measure": "totalConversations", "comparison": "COMPARISON_ABOVE", "threshold": {}}
#: What each call is asked, where nothing will not do, and the status that it answers, where it is not OK.
ASKED: dict[str, dict[str, Any]] = {
    "RecordConversation": {"conversation": _TOLD},
    "BatchRecordConversations": {"conversations": [_TOLD]},
    "Record": {"sequence": "1", "conversations": [_TOLD]},
    "SyncEvents": {"events": [_EVENT]},
    "UpdateTenantSettings": {"settings": {"retentionDays": 4000}, "updateMask": "retentionDays"},
    "PutExchangeRates": {"rates": [_RATE]},
    "EraseCustomer": {"customerId": "nobody-ever"},
    "ExportCustomer": {"customerId": "every"},
    "DeleteConversation": {"conversationId": "never-there"},
    "UpdateScoringPolicy": {"policy": {"conversionRateTarget": 30}, "updateMask": "conversionRateTarget"},
    "PreviewScoringPolicy": {"policy": {"conversionRateTarget": 20}, "updateMask": "conversionRateTarget"},
    "ScoreCustomers": {"customerIds": ["every"]},
    "GetCustomerInsight": {"customerId": "every"},
    "GetCustomerTimeline": {"customerId": "every"},
    "GetConversation": {"conversationId": "every-1"},
    "QueryMetrics": {"measures": ["orders"]},
    "ListFacts": {"measure": "totalConversations"},
    "GetIndustryReport": {"industry": "retail"},
    "Export": {"dataset": "costs"},
    "Download": {"dataset": "costs"},
    "WatchAlerts": {"snapshot": True},
    **{name: {"alertId": _NOBODY} for name in _ACTS},
    "AddAlertNote": {"alertId": _NOBODY, "comment": "seen"},
    "PutSilence": {"silence": {"matchers": [{"name": "rule_id", "values": ["none"]}], "endTime": _SOON}},
    "EndSilence": {"silenceId": _NOBODY},
    "PutRule": {"rule": _RULE},
    "BacktestRule": {"rule": _RULE},
    **{name: {"ruleId": "every-call"} for name in ("DeleteRule", "ListRuleVersions")},
    "PutTarget": {"target": {"month": "2026-06", "amount": {"currencyCode": "INR", "units": 1000}}},
    "DeleteTarget": {"month": "2026-06"},
    "PutChannel": {"channel": {"channelId": "every-call", "email": {"to": ["on-call@example.com"]}}},
    "PutRoutes": {"routes": [{"routeId": "every-call", "tellsNobody": True}]},
    **{name: {"channelId": "every-call"} for name in ("DeleteChannel", "TestChannel")},
    **{
        name: {"agentId": "every"} for name in ("GetAgentPerformance", "GetDashboard", "ListGradeHistory", "WatchAgent")
    },
}  # fmt: skip

NOT_OK = dict.fromkeys(("DeleteConversation", "AddAlertNote", "EndSilence", *_ACTS), ("not_found", 404))
#: Streams that do not end by themselves, which the caller leaves.
ENDLESS = {"WatchAgent", "WatchAlerts", "StreamAlerts"}


def methods() -> list[tuple[str, Any]]:
    """Return every method of the four services, in an order in which each finds what it asks for."""
    found = [(name, m) for name, full in SERVICES.items() for m in Default().FindServiceByName(full).methods]
    return sorted(found, key=lambda each: (each[0] != "ingest", each[1].name.startswith(("Delete", "Erase"))))


async def buf_curl(stack: RunningStack, service: str, method: Any) -> tuple[int, str]:
    url = f"http://{stack.address(service)}/{SERVICES[service]}/{method.name}"
    limit = ["--timeout", "2s"] if method.name in ENDLESS else []
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "buf"), "curl", "--protocol", "grpc", "--http2-prior-knowledge", *limit,
        "-d", json.dumps(ASKED.get(method.name, {})), url,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_buf_curl_reaches_every_call(stack: RunningStack) -> None:
    for service, method in methods():
        code, said = await buf_curl(stack, service, method)
        if method.name in NOT_OK:
            assert (code != 0, NOT_OK[method.name][0] in said) == (True, True), (method.full_name, said)
        elif method.name in ENDLESS:
            assert "{" in said, (method.full_name, said)
        else:
            assert code == 0, (method.full_name, said)


async def test_every_call_with_one_answer_answers_over_http(stack: RunningStack, http: httpx.AsyncClient) -> None:
    asked = 0
    for service, method in methods():
        rule = method.GetOptions().Extensions[annotations_pb2.http]
        if method.client_streaming or method.server_streaming:
            continue
        verb = rule.WhichOneof("pattern")
        assert verb, f"{method.full_name} has no path"
        answer = await call(http, verb, getattr(rule, verb), rule.body, dict(ASKED.get(method.name, {})))
        expected = NOT_OK.get(method.name, ("", 200))[1]
        assert answer.status_code == expected, (service, method.full_name, answer.text)
        assert answer.headers["content-type"] == "application/json"
        asked += 1
    assert asked > 40


async def call(http: httpx.AsyncClient, verb: str, path: str, body: str, fields: dict[str, Any]) -> httpx.Response:
    for name in re.findall(r"{([\w.]+)}", path):
        camel = re.sub(r"_(\w)", lambda found: found[1].upper(), name).split(".")
        *outer, last = camel
        told = fields
        for each in outer:
            told[each] = told = dict(told[each])
        path = path.replace(f"{{{name}}}", str(told.pop(last)))
    if body and body != "*":
        return await http.request(verb, path, json=fields[body])
    return await http.request(verb, path, **({"json": fields} if body else {"params": fields}))


@pytest.mark.parametrize(
    ("format_", "kind", "begins"),
    [
        ("csv", "text/csv; charset=utf-8", b"conversation_id"),
        ("arrow", "application/vnd.apache.arrow.stream", b"\xff\xff\xff\xff"),
        ("parquet", "application/vnd.apache.parquet", b"PAR1"),
    ],
)
async def test_an_export_over_http_is_a_file(http: httpx.AsyncClient, format_: str, kind: str, begins: bytes) -> None:
    answer = await http.get("/api/analytics/export/conversations", params={"format": format_})
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert answer.content.startswith(begins)
