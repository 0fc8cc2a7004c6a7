"""A notification as a webhook: JSON, signed."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from google.protobuf import json_format

from services.alerting.alerts import Alert
from services.alerting.convert import alert_to_proto
from services.alerting.telling.channels import Webhook
from services.alerting.telling.notices import Notice
from services.alerting.telling.posting import Post
from services.alerting.telling.signing import signature

#: The version of what the body says; it changes when a receiver would have to.
VERSION = "1"


def post_of(webhook: Webhook, notice: Notice, now: datetime) -> Post:
    """Return the request that tells a webhook of a notification."""
    said = {
        "version": VERSION,
        "notificationId": str(notice.notification_id),
        "route": notice.route_id,
        "group": dict(notice.names),
        "status": notice.status,
        "commonNames": notice.common_names,
        "alerts": [_alert(alert) for alert in notice.alerts],
    }
    body = json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {
        "Rapport-Signature": signature(webhook.secret, body, now),
        "Rapport-Notification-Id": str(notice.notification_id),
    }
    return Post(webhook.url, body, headers)


def _alert(alert: Alert) -> dict[str, Any]:
    """Return an alert as the HTTP surface has it."""
    told: dict[str, Any] = json_format.MessageToDict(alert_to_proto(alert), always_print_fields_with_no_presence=True)
    return told
