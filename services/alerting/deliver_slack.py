"""A notification as a Slack message (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks)."""

from __future__ import annotations

import json
from typing import Any

from services.alerting.channels import Slack
from services.alerting.lifecycle import Alert, AlertState
from services.alerting.notices import Notice
from services.alerting.posting import Post
from services.alerting.rules import Severity

#: Alerts that are shown; the others are counted. A message has at most 50 blocks.
SHOWN = 20
#: Characters of a header, and of one alert. Slack allows 150 and 3,000, after escaping.
_HEADER, _SECTION = 150, 500


def post_of(slack: Slack, notice: Notice) -> Post:
    """Return the request that tells a Slack channel of a notification."""
    said = {"text": escaped(notice.headline), "blocks": [_header(notice), *map(_section, notice.alerts[:SHOWN]), *_more(notice)]}
    headers = {"Rapport-Notification-Id": str(notice.notification_id)}
    return Post(slack.webhook_url, json.dumps(said, ensure_ascii=False).encode(), headers)


def escaped(text: str) -> str:
    """Return text in which nothing is a link, a mention or markup of Slack's."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _header(notice: Notice) -> dict[str, Any]:
    # Plain text, which Slack does not interpret.
    return {"type": "header", "text": {"type": "plain_text", "text": notice.headline[:_HEADER], "emoji": False}}


def _section(alert: Alert) -> dict[str, Any]:
    state = "resolved" if alert.state == AlertState.RESOLVED else Severity(alert.severity).name.lower()
    subject = f" ({alert.names['subject_kind']} {alert.subject_id})" if alert.subject_id else ""
    value = "" if alert.value is None else f", {alert.value:g} (threshold {alert.threshold:g})"
    line = f"{alert.message}{subject}: {state}{value}, since {alert.fired_at:%Y-%m-%d %H:%M} UTC"
    return {"type": "section", "text": {"type": "plain_text", "text": line[:_SECTION], "emoji": False}}


def _more(notice: Notice) -> list[dict[str, Any]]:
    hidden = len(notice.alerts) - SHOWN
    if hidden <= 0:
        return []
    return [{"type": "context", "elements": [{"type": "plain_text", "text": f"and {hidden} more"}]}]
