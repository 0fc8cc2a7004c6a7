"""What the tests of people's acts and of silences share: alerts to decide about, and alerts to do something about."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import grpc
import psycopg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from psycopg.types.json import Jsonb
from rapport.alerting.v1 import act_pb2, alert_pb2
from rapport.alerting.v1 import alerting_service_pb2 as pb

from services.alerting import act_store
from services.alerting.alerts import Alert, AlertState
from services.alerting.matchers import Matcher
from services.alerting.rounds import DUE_EVERY
from services.alerting.rule_json import to_json
from services.alerting.rules import Rule
from services.alerting.silences import Silence
from tests.alerting.histories import Change, History, Log, Start, State, Stream, Wanted, seen_of
from tests.alerting.house import TENANT, House, failure_of
from tests.alerting.validators import objections

#: After so long everything that is open has been looked at again.
SWEPT = DUE_EVERY + timedelta(seconds=1)
START = datetime(2026, 5, 4, tzinfo=UTC)


def alert(number: int = 1, **told: Any) -> Alert:
    """Return an open alert; the greater its number, the later it fired."""
    made: dict[str, Any] = {
        "alert_id": UUID(int=number),
        "rule_id": "rule",
        "rule_version": 1,
        "episode": 1,
        "type": 3,
        "severity": 2,
        "subject_kind": 2,
        "subject_id": "c",
        "state": AlertState.FIRING,
        "message": "m",
        "value": 2.0,
        "threshold": 3.0,
        "fired_at": START + timedelta(minutes=number),
        "revision": 7,
    }
    return Alert(**made | told)


def one(name: str, *values: str, negated: bool = False) -> Matcher:
    """Return a matcher of some values."""
    return Matcher(name, frozenset(values), negated)


def silence(number: int, *matchers: Matcher, start: datetime = START, hours: float = 1) -> Silence:
    """Return a silence of some hours."""
    return Silence(UUID(int=number), matchers, start, start + timedelta(hours=hours), "ada", "", start)


def timestamp(at: datetime) -> Timestamp:
    told = Timestamp()
    told.FromDatetime(at)
    return told


def silence_of(customer: str, house: House, *, after: float = 0, hours: float = 1, **told: Any) -> act_pb2.PutSilenceRequest:
    """Return a request for a silence of a customer's alerts that begins some hours from now."""
    begin = house.clock() + timedelta(hours=after)
    return act_pb2.PutSilenceRequest(
        silence=act_pb2.Silence(
            matchers=[alert_pb2.Matcher(name="customer_id", values=[customer])],
            start_time=timestamp(begin),
            end_time=timestamp(begin + timedelta(hours=hours)),
            **told,
        )
    )


async def open_alert(house: House, customer: str = "c") -> str:
    """Let a customer's satisfaction raise an alert and return its id."""
    await house.score(customer, 1)
    rows = await house.facts.rows(
        "SELECT alert_id::text FROM alerting.alert WHERE subject_id = %s AND resolved_at IS NULL", customer
    )
    ((alert_id,),) = rows
    return str(alert_id)


async def put_rule(house: House, rule: Rule, author: str = "", comment: str = "") -> None:
    """Put a rule as it is stored."""
    async with await psycopg.AsyncConnection.connect(house.url) as conn:
        await conn.execute(
            "INSERT INTO alerting.rule (tenant_id, rule_id, version, body, author, comment, put_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, now()) ON CONFLICT (tenant_id, rule_id) DO UPDATE"
            " SET body = EXCLUDED.body, version = EXCLUDED.version, author = EXCLUDED.author, comment = EXCLUDED.comment",
            [TENANT, rule.rule_id, rule.version, Jsonb(to_json(rule)), author, comment],
        )
        await conn.execute(
            "INSERT INTO alerting.rule_version (tenant_id, rule_id, version, body, author, comment, put_at, deleted)"
            " VALUES (%s, %s, %s, %s, %s, %s, now(), false) ON CONFLICT DO NOTHING",
            [TENANT, rule.rule_id, rule.version, Jsonb(to_json(rule)), author, comment],
        )


async def refused(call: Any) -> tuple[str, str]:
    """Return the status and the reason with which a call fails."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return failure_of(error)[:2]
    raise AssertionError("the call did not fail")


async def blamed(call: Any) -> dict[str, str]:
    """Return the fields for which a call is refused, each with what is said of it."""
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await call
    assert failure_of(refusal.value)[:2] == ("INVALID_ARGUMENT", "INVALID_FIELDS")
    status, bad = rpc_status.from_call(refusal.value), error_details_pb2.BadRequest()
    assert status is not None
    assert any(detail.Unpack(bad) for detail in status.details)
    return {violation.field: violation.description for violation in bad.field_violations}


def hold_acts(monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """Let acts that have locked their alert say so by the first event, and go on only after the second."""
    locked, go_on = asyncio.Event(), asyncio.Event()
    get_answered = act_store.get_answered

    async def wait_and_get_answered(*args: Any) -> Any:
        locked.set()
        await go_on.wait()
        return await get_answered(*args)

    monkeypatch.setattr(act_store, "get_answered", wait_and_get_answered)
    return locked, go_on


def ack(alert_id: str, author: str = "ada", **more: Any) -> act_pb2.AcknowledgeAlertRequest:
    return act_pb2.AcknowledgeAlertRequest(alert_id=alert_id, author=author, **more)


def unack(alert_id: str, author: str = "ada", **more: Any) -> act_pb2.UnacknowledgeAlertRequest:
    return act_pb2.UnacknowledgeAlertRequest(alert_id=alert_id, author=author, **more)


def resolve(alert_id: str, author: str = "ada", **more: Any) -> act_pb2.ResolveAlertRequest:
    return act_pb2.ResolveAlertRequest(alert_id=alert_id, author=author, **more)


def note(alert_id: str, comment: str = "seen", author: str = "ada", **more: Any) -> act_pb2.AddAlertNoteRequest:
    return act_pb2.AddAlertNoteRequest(alert_id=alert_id, author=author, comment=comment, **more)


def asked(alert_id: str) -> act_pb2.GetAlertRequest:
    return act_pb2.GetAlertRequest(alert_id=alert_id)


def everything(_: State) -> bool:
    return True


async def objections_to(
    house: House, messages: Iterable[pb.WatchAlertsResponse], wanted: Wanted = everything
) -> dict[str, list[str]]:
    """Return what the validators say of a stream that began with a snapshot and came so far."""
    changes = await house.facts.rows("SELECT revision, kind, before, after FROM alerting.alert_log")
    stream = Stream(Start.SNAPSHOT, 0, [seen_of(message) for message in messages])
    return objections(History("reader", wanted, [stream]), Log(Change(*each) for each in changes))
