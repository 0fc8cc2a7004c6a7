"""Between the contract's messages and the service's own values: what people do about alerts, and silences."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from rapport.alerting.v1 import act_pb2

from services.alerting.acts import Act, Done
from services.alerting.convert import matcher_from_proto, matcher_to_proto, moment, timestamp_of
from services.alerting.silences import Silence


def act_from_proto(kind: int, request: Any) -> Act:
    """Return what a request wants to do. A note may be added whatever the alert's revision is."""
    says = "expected_revision" in request.DESCRIPTOR.fields_by_name and request.HasField("expected_revision")
    return Act(
        kind=kind,
        alert_id=UUID(request.alert_id),
        author=request.author,
        comment=request.comment,
        request_id=request.request_id,
        expected_revision=request.expected_revision if says else None,
    )


def done_to_proto(done: Done) -> act_pb2.AlertAct:
    """Return what somebody did as the contract has it."""
    kind: Any = done.kind
    return act_pb2.AlertAct(
        kind=kind, author=done.author, comment=done.comment, act_time=timestamp_of(done.at), revision=done.revision
    )


def silence_from_proto(told: act_pb2.Silence, silence_id: UUID, now: datetime) -> Silence:
    """Return the silence that is put now under an id; without a beginning it begins now."""
    end_at = moment(told, "end_time")
    assert end_at is not None, "the contract asks for it"
    return Silence(
        silence_id=silence_id,
        matchers=tuple(map(matcher_from_proto, told.matchers)),
        start_at=moment(told, "start_time") or now,
        end_at=end_at,
        author=told.author,
        comment=told.comment,
        put_at=now,
    )


def silence_to_proto(silence: Silence) -> act_pb2.Silence:
    """Return a silence as the contract has it."""
    return act_pb2.Silence(
        silence_id=str(silence.silence_id),
        matchers=map(matcher_to_proto, silence.matchers),
        start_time=timestamp_of(silence.start_at),
        end_time=timestamp_of(silence.end_at),
        author=silence.author,
        comment=silence.comment,
        put_time=timestamp_of(silence.put_at),
    )
