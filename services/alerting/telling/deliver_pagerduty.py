"""A notification as an event of PagerDuty's Events API v2 (https://developer.pagerduty.com/docs/send-alert-event)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from services.alerting.alerts import Alert
from services.alerting.rules import Severity
from services.alerting.telling.channels import PagerDuty
from services.alerting.telling.notices import RESOLVE, TEST, TRIGGER, Notice
from services.alerting.telling.posting import Post
from services.alerting.wording import guidance, summary, taken_by, unit_of

URL = "https://events.pagerduty.com/v2/enqueue"

_SEVERITY: Mapping[int, str] = {
    Severity.LOW: "info",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "error",
    Severity.CRITICAL: "critical",
}
_SOURCE = "rapport"
#: Characters of a summary that PagerDuty takes.
_SUMMARY = 1024


def post_of(pagerduty: PagerDuty, notice: Notice, url: str = URL) -> Post:
    """Return the request that tells PagerDuty of a notification, which is of one alert, or a test."""
    action = notice.action or TRIGGER
    said: dict[str, Any] = {
        "routing_key": pagerduty.routing_key,
        "event_action": action,
        "dedup_key": f"rapport-test-{notice.notification_id}" if notice.status == TEST else notice.key,
    }
    if action != RESOLVE:
        said |= {"client": "Rapport", "payload": _payload(notice), "links": _links(notice)}
    headers = {"Rapport-Notification-Id": str(notice.notification_id)}
    return Post(url, json.dumps(said, ensure_ascii=False).encode(), headers)


def _payload(notice: Notice) -> dict[str, Any]:
    if not notice.alerts:
        return {"summary": notice.headline, "source": _SOURCE, "severity": "info"}
    alert = notice.alerts[0]
    subject = f": {alert.names['subject_kind']} {alert.subject_id}" if alert.subject_id else ""
    return {
        "summary": f"{alert.message}{subject}: {summary(alert)}"[:_SUMMARY],
        "source": alert.subject_id or _SOURCE,
        "severity": _SEVERITY.get(alert.severity, "error"),
        "timestamp": alert.fired_at.isoformat(),
        "component": alert.rule_id,
        "group": notice.route_id,
        "class": alert.names["type"],
        "custom_details": _details(alert),
    }


def _links(notice: Notice) -> list[dict[str, str]]:
    told = (each for each in guidance(notice.alerts) if each.runbook_url)
    return [{"href": each.runbook_url, "text": f"What to do: {each.rule_id}"} for each in told]


def _details(alert: Alert) -> dict[str, Any]:
    return {
        **alert.names,
        "alert_id": str(alert.alert_id),
        "found": summary(alert),
        "value": alert.value,
        "threshold": alert.threshold,
        "unit": unit_of(alert.details),
        "episode": alert.episode,
        "what to do": alert.details.description,
        "taken care of": taken_by(alert),
    }
