"""Exports of alerts: the alerting service's own, asked for page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

import grpc
import pytest
from rapport.alerting.v1 import alerting_service_pb2_grpc
from rapport.query.v1 import export_pb2

from services.alerting.servicer import AlertingServicer
from services.query import export_alerts
from services.query.siblings import Siblings
from services.runtime.channels import client_channel
from services.runtime.database import Database
from services.runtime.page_tokens import Signer
from services.runtime.tenancy import set_tenant
from tests.query.asking import reason, stamp
from tests.query.conftest import KEYS, Service
from tests.query.exports import D, F, data, export, read, rows, tokens
from tests.query.rows import NOW, Rows, ago
from tests.query.siblings import Sibling, serve


class Listing(AlertingServicer):
    """The real service's lists, for the tests' tenant."""

    async def ListAlerts(self, request: Any, context: Any) -> Any:  # noqa: N802
        set_tenant("default")
        return await super().ListAlerts(request, context)


@pytest.fixture
async def alerting(service: Service, database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sibling]:
    """The real alerting service's lists over the same database, and pages of three."""
    monkeypatch.setattr(export_alerts, "_PAGE", 3)
    database = Database(database_url, "rapport_alerting")
    streams: Any = None  # lists need none
    servicer = Listing(database, streams, Signer("page", KEYS), service.clock)
    server = await serve(alerting_service_pb2_grpc.add_AlertingServiceServicer_to_server, servicer)
    async with client_channel(server.address) as channel:
        service.servicer._siblings = Siblings(channel, channel)
        yield server
    await server.stop()
    await database.close()


def fire(rows: Rows, number: int, fired_at: datetime, revision: int, **values: Any) -> None:
    told = {
        "rule_id": f"rule-{number}", "rule_version": 1, "episode": 1, "type": 1, "severity": 3, "subject_kind": 1,
        "subject_id": "a", "state": 1, "message": 'so "bad", as it says', "threshold": 5.0, **values,
    }  # fmt: skip
    rows.insert("alerting.alert", alert_id=UUID(int=number), fired_at=fired_at, revision=revision, **told)


@pytest.fixture
def fired(alerting: Sibling, rows: Rows) -> Rows:
    for number in range(10):
        fire(rows, number, ago(hours=number), number + 1)
    rows.log_head(10)
    return rows


def numbers(found: list[dict[str, Any]]) -> list[int]:
    return [UUID(row["alert_id"]).int for row in found]


async def test_alerts_are_what_alerting_lists(service: Service, fired: Rows) -> None:
    fire(fired, 77, ago(days=3), 11, subject_kind=2, subject_id="k", value=0.1, state=2, resolved_at=NOW, message="")
    found = await rows(service, D.alerts)
    assert numbers(found) == [*range(10), 77]
    assert {k: v for k, v in found[-1].items() if k not in {"alert_id", "fired_at", "resolved_at"}} == {
        "rule_id": "rule-77", "rule_version": 1, "type": "performance", "severity": "high", "state": "resolved", "message": "",
        "subject_kind": "customer", "agent_id": None, "customer_id": "k", "value": 0.1, "threshold": 5.0, "revision": 11,
        "episode": 1,
    }  # fmt: skip
    assert (found[-1]["fired_at"], found[-1]["resolved_at"]) == (ago(days=3), NOW)
    assert found[0]["message"] == 'so "bad", as it says'
    assert (found[0]["value"], found[0]["resolved_at"], found[0]["agent_id"]) == (None, None, "a")
    for written_as in (F.arrow, F.parquet):
        assert await rows(service, D.alerts, format=written_as) == found


async def test_they_go_on_while_others_fire(service: Service, fired: Rows) -> None:
    whole = await export(service, D.alerts)
    everything = numbers(read(data(whole), D.alerts))
    assert len(tokens(whole)) == 3
    fire(fired, 50, NOW, 11)
    for place, token in tokens(whole):
        before = numbers(read(data(whole[:place]), D.alerts))
        assert before + numbers(await rows(service, D.alerts, token=token)) == everything


async def test_a_period_is_looked_for_no_further_than_it_goes(service: Service, fired: Rows, monkeypatch: Any) -> None:
    found = await rows(service, D.alerts, start_time=stamp(ago(hours=5)), end_time=stamp(ago(hours=2)))
    assert numbers(found) == [3, 4, 5]
    asked = 0
    stub = service.servicer._siblings._alerting
    listing = stub.ListAlerts

    def counting(*arguments: Any, **named: Any) -> Any:
        nonlocal asked
        asked += 1
        return listing(*arguments, **named)

    monkeypatch.setattr(stub, "ListAlerts", counting)
    assert numbers(await rows(service, D.alerts, start_time=stamp(ago(hours=1)))) == [0, 1]
    assert asked == 1


async def test_those_that_changed_since(service: Service, fired: Rows) -> None:
    first = await export(service, D.alerts)
    assert await rows(service, D.alerts, token=first[-1].token) == []
    fired.conn.execute("UPDATE alerting.alert SET state = 2, resolved_at = %s, revision = 11 WHERE rule_id = 'rule-4'", [NOW])
    fire(fired, 50, NOW, 12)
    fired.log_head(12)
    second = await export(service, D.alerts, token=first[-1].token)
    assert numbers(read(data(second), D.alerts)) == [50, 4]
    assert await rows(service, D.alerts, token=second[-1].token) == []
    # A log that began anew counts anew: everything is told.
    fired.conn.execute("UPDATE alerting.log_head SET epoch = 'another', revision = 2")
    assert len(await rows(service, D.alerts, token=second[-1].token)) == 11


async def test_without_alerting_there_is_no_export_of_alerts(service: Service, fired: Rows, alerting: Sibling) -> None:
    whole = await export(service, D.alerts)
    await alerting.stop()
    for token in ("", tokens(whole)[0][1]):
        call = service.stub.Export(export_pb2.ExportRequest(dataset=D.alerts, token=token))
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call.read()  # not even a header comes first, so that the gateway can tell of it
        assert (failed.value.code(), reason(failed.value)) == (grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")
    # Other datasets need nobody.
    await export(service, D.conversations)
