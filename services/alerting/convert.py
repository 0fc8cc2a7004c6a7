"""Between the contract's messages and the service's own values."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from rapport.alerting.v1 import alert_pb2, alerting_service_pb2
from rapport.metrics.v1 import agent_pb2

from services.alerting import wording
from services.alerting.alerts import Alert
from services.alerting.filters import AlertFilter
from services.alerting.log import Bookmark, Created, Message, Told
from services.alerting.matchers import Matcher
from services.alerting.rules import SubjectKind
from services.alerting.uptime import Probes, uptime


def filter_from_proto(wanted: alert_pb2.AlertFilter) -> AlertFilter:
    """Return the filter that a request names."""
    return AlertFilter(
        types=frozenset(wanted.types),
        severities=frozenset(wanted.severities),
        agent_ids=frozenset(wanted.agent_ids),
        customer_ids=frozenset(wanted.customer_ids),
        rule_ids=frozenset(wanted.rule_ids),
        states=frozenset(wanted.states),
        matchers=tuple(map(matcher_from_proto, wanted.matchers)),
        acknowledged=wanted.acknowledged if wanted.HasField("acknowledged") else None,
        suppressed=wanted.suppressed if wanted.HasField("suppressed") else None,
    )


def matcher_from_proto(told: alert_pb2.Matcher) -> Matcher:
    return Matcher(told.name, frozenset(told.values), told.negated)


def matcher_to_proto(matcher: Matcher) -> alert_pb2.Matcher:
    return alert_pb2.Matcher(name=matcher.name, values=sorted(matcher.values), negated=matcher.negated)


def alert_to_proto(alert: Alert) -> alert_pb2.Alert:
    """Return an alert as the contract has it."""
    return alert_pb2.Alert(
        alert_id=str(alert.alert_id),
        rule_id=alert.rule_id,
        rule_version=alert.rule_version,
        type=number(alert.type),
        severity=number(alert.severity),
        state=number(alert.state),
        message=alert.message,
        subject_kind=number(alert.subject_kind),
        agent_id=alert.subject_id if alert.subject_kind == SubjectKind.AGENT else None,
        customer_id=alert.subject_id if alert.subject_kind == SubjectKind.CUSTOMER else None,
        fired_at=timestamp_of(alert.fired_at),
        resolved_at=timestamp_of(alert.resolved_at),
        revision=alert.revision,
        episode=alert.episode,
        subject_id=alert.subject_id,
        labels=alert.labels,
        active_since=timestamp_of(alert.active_since),
        recovering_since=timestamp_of(alert.recovering_since),
        **_found(alert),
        **_cared_for(alert),
    )


def _found(alert: Alert) -> dict[str, Any]:
    """Return the contract's fields that tell what was found, and what to do."""
    details = alert.details
    return {
        "summary": wording.summary(alert),
        "measure": details.measure,
        "condition": details.condition,
        "unit": wording.unit_of(details),
        "measured_unit": wording.measured_unit_of(details),
        "window": Duration(seconds=details.window_s) if details.window_s else None,
        "value": alert.value,
        "threshold": alert.threshold,
        "baseline": alert.baseline,
        "measured": details.measured,
        "samples": details.samples,
        "description": details.description,
        "runbook_url": details.runbook_url,
    }


def _cared_for(alert: Alert) -> dict[str, Any]:
    """Return the contract's fields that tell who takes care of it, and why nobody is told of it."""
    return {
        "acknowledgement": _acknowledgement(alert),
        "silence_ids": alert.silence_ids,
        "inhibited_by": str(alert.inhibited_by) if alert.inhibited_by else None,
        "flapping": alert.is_flapping,
        "resolved_by": alert.resolved_by,
    }


def _acknowledgement(alert: Alert) -> alert_pb2.Acknowledgement | None:
    if alert.acknowledged_at is None:
        return None
    return alert_pb2.Acknowledgement(
        author=alert.acknowledged_by,
        acknowledged_at=timestamp_of(alert.acknowledged_at),
        comment=alert.acknowledged_comment,
    )


def told_to_proto(told: Told) -> alert_pb2.AlertEvent:
    """Return what a stream tells of an alert."""
    return alert_pb2.AlertEvent(
        kind=number(told.kind),
        alert=alert_to_proto(told.alert),
        event_time=timestamp_of(told.at),
        author=told.author,
        comment=told.comment,
    )


def created_to_proto(created: Created) -> alerting_service_pb2.Created:
    """Return how a stream begins."""
    head = created.head
    return alerting_service_pb2.Created(first_available_revision=head.first_revision, head_revision=head.revision)


def bookmark_to_proto(bookmark: Bookmark) -> alerting_service_pb2.Bookmark:
    """Return where the reader of a stream stands."""
    return alerting_service_pb2.Bookmark(reason=number(bookmark.reason))


def message_to_proto(message: Message) -> alerting_service_pb2.WatchAlertsResponse:
    """Return one message of a stream."""
    answer = alerting_service_pb2.WatchAlertsResponse(revision=message.revision, resume_token=message.resume_token)
    match message.body:
        case Created() as created:
            answer.created.CopyFrom(created_to_proto(created))
        case Told() as told:
            answer.events.events.append(told_to_proto(told))
        case Bookmark() as bookmark:
            answer.bookmark.CopyFrom(bookmark_to_proto(bookmark))
    return answer


def message_to_bytes(message: Message) -> bytes:
    """Return one message of a stream as it is sent."""
    return message_to_proto(message).SerializeToString()


def health_to_proto(found: Iterable[Probes]) -> alerting_service_pb2.GetSystemHealthResponse:
    """Return how the services are and how much of a period they worked."""
    services = list(found)
    states = [
        agent_pb2.ServiceState(
            service=p.service, state=number(p.state), checked_at=timestamp_of(p.checked_at), uptime=uptime([p])
        )
        for p in services
    ]
    health = agent_pb2.SystemHealth(uptime=uptime(services), services=states)
    return alerting_service_pb2.GetSystemHealthResponse(health=health, probes=sum(p.probes for p in services))


def moment(request: Any, field: str) -> datetime | None:
    """Return a request's timestamp in UTC, or None when it is absent."""
    return getattr(request, field).ToDatetime(UTC) if request.HasField(field) else None


def number(value: int) -> Any:
    """Return an enumeration's number as the stubs want it: by a type that only they have."""
    return value


def timestamp_of(at: datetime | None) -> Timestamp | None:
    """Return a moment as the contract has it, None for none."""
    if at is None:
        return None
    timestamp = Timestamp()
    timestamp.FromDatetime(at)
    return timestamp
