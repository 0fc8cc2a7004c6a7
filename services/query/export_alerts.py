"""Reads the alerts that are exported: alerting is asked for its list, the newest first, page by page.

Without alerting there is no such export: what it fails with, the export fails with.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from rapport.alerting.v1 import alert_pb2
from rapport.insight.v1 import vocabulary_pb2

from services.query.export_pages import Page
from services.query.exporting import Course, Span, revision_since
from services.query.siblings import Siblings
from services.query.store_export import Block

#: Alerts on a page, as many as alerting tells at once, and the longest wait for one, in seconds.
_PAGE = 1000
_PATIENCE_S = 10.0


async def read_pages(siblings: Siblings, span: Span, course: Course) -> AsyncGenerator[Page, None]:
    """Yield the pages of alerts that fired in a period and have changed since the course's mark. A key is alerting's token."""
    assert course.mark is not None  # the export has begun
    since = revision_since(course.since, course.mark)
    token = str(course.after[0]) if course.after else ""
    while True:
        answer = await siblings.all_alerts(_PAGE, token, _PATIENCE_S)
        wanted = [each for each in answer.alerts if each.revision > since and _is_within(each, span)]
        token = answer.next_page_token
        # The newest come first: behind one that fired before the period there are none of it.
        is_over = span.start is not None and bool(answer.alerts) and _moment(answer.alerts[-1].fired_at) < span.start
        is_last = not token or is_over
        yield Page(Block(_csv(wanted), len(wanted)), None if is_last else (token,))
        if is_last:
            return


def _is_within(alert: alert_pb2.Alert, span: Span) -> bool:
    fired = _moment(alert.fired_at)
    return (span.start is None or fired >= span.start) and (span.end is None or fired < span.end)


def _moment(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)


def _csv(alerts: Iterable[alert_pb2.Alert]) -> bytes:
    """Return alerts as CSV that is read like COPY's: what is not known is empty, an empty text two quotes."""
    return "".join(",".join(map(_cell, _row(alert))) + "\n" for alert in alerts).encode()


def _cell(value: str | float | None) -> str:
    if isinstance(value, str):
        doubled = value.replace('"', '""')
        return f'"{doubled}"'
    return "" if value is None else repr(value)


def _row(alert: alert_pb2.Alert) -> list[str | float | None]:
    return [
        alert.alert_id,
        alert.rule_id,
        alert.rule_version,
        vocabulary_pb2.AlertType.Value.Name(alert.type),
        vocabulary_pb2.Severity.Value.Name(alert.severity),
        alert_pb2.AlertState.Name(alert.state).removeprefix("ALERT_STATE_").lower(),
        alert.message,
        alert_pb2.SubjectKind.Name(alert.subject_kind).removeprefix("SUBJECT_KIND_").lower(),
        _given(alert, "agent_id"),
        _given(alert, "customer_id"),
        _given(alert, "value"),
        alert.threshold,
        _given_moment(alert, "fired_at"),
        _given_moment(alert, "resolved_at"),
        alert.revision,
        alert.episode,
    ]


def _given(alert: alert_pb2.Alert, field: str) -> Any:
    return getattr(alert, field) if alert.HasField(field) else None  # type: ignore[arg-type]  # a field of its own


def _given_moment(alert: alert_pb2.Alert, field: str) -> str | None:
    stamp = _given(alert, field)
    return None if stamp is None else _moment(stamp).isoformat(sep=" ")
