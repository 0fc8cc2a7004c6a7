"""A notification as a Slack message (https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks)."""

from __future__ import annotations

import json
from itertools import accumulate
from typing import Any

from services.alerting.alerts import Alert, AlertState
from services.alerting.rules import Severity
from services.alerting.telling.channels import Slack
from services.alerting.telling.notices import Notice
from services.alerting.telling.posting import Post
from services.alerting.wording import Guidance, guidance, short_id, summary, taken_by

#: Alerts that are shown; the others are counted. A message has at most 50 blocks.
SHOWN = 20
#: Characters of a header, and of one text. Slack allows 150 and 3,000, after escaping.
_HEADER, _TEXT = 150, 3000
#: Characters of all alerts together, and of all blocks as JSON. Slack refuses messages with blocks of some 13,000.
_ALERTS, _BLOCKS = 9000, 12_000


def post_of(slack: Slack, notice: Notice) -> Post:
    """Return the request that tells a Slack channel of a notification."""
    shown = notice.alerts[:SHOWN]
    blocks = [_header(notice), *(_section(alert, _ALERTS // len(shown)) for alert in shown), *_more(notice)]
    for told in guidance(shown):
        blocks += _fitting(_guidance(told), _BLOCKS - _size(blocks))
    said = {"text": escaped(notice.headline), "blocks": blocks}
    headers = {"Rapport-Notification-Id": str(notice.notification_id)}
    return Post(slack.webhook_url, json.dumps(said, ensure_ascii=False).encode(), headers)


def escaped(text: str) -> str:
    """Return text in which nothing is a link, a mention or markup of Slack's."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _header(notice: Notice) -> dict[str, Any]:
    return {"type": "header", "text": _plain(_shortened(notice.headline, _HEADER))}


def _section(alert: Alert, most: int) -> dict[str, Any]:
    state = "RESOLVED" if alert.state == AlertState.RESOLVED else Severity(alert.severity).name
    subject = f" ({alert.names['subject_kind']} {alert.subject_id})" if alert.subject_id else ""
    told = (f"{state}: {alert.message}{subject}", f"since {alert.fired_at:%Y-%m-%d %H:%M} UTC", taken_by(alert))
    labels = (f"{name}: {value}" for name, value in sorted(alert.labels.items()))
    most = min(most, _TEXT)
    lines = (
        # However long, it leaves room for what was found.
        _shortened(", ".join(filter(None, told)), most // 2),
        summary(alert),
        ", ".join((f"alert {short_id(alert)}", f"rule {alert.rule_id}", *labels)),
    )
    return {"type": "section", "text": _plain(_shortened("\n".join(lines), most))}


def _more(notice: Notice) -> list[dict[str, Any]]:
    hidden = len(notice.alerts) - SHOWN
    return [{"type": "context", "elements": [_plain(f"and {hidden} more")]}] if hidden > 0 else []


def _guidance(told: Guidance) -> list[dict[str, Any]]:
    """Return what to do about the alerts of a rule, and where to read more: the only link that Slack is to see."""
    text = _shortened(f"What to do ({told.rule_id}): {told.description}", _TEXT)
    said = [{"type": "section", "text": _plain(text)}] if told.description else []
    link = f"<{escaped(told.runbook_url).replace('|', '%7C')}|What to do: {told.rule_id}>"
    if not told.runbook_url or len(link) > _TEXT:
        return said
    return [*said, {"type": "context", "elements": [{"type": "mrkdwn", "text": link, "verbatim": True}]}]


def _plain(text: str) -> dict[str, Any]:
    # Slack does not interpret it.
    return {"type": "plain_text", "text": text, "emoji": False}


def _shortened(text: str, most: int) -> str:
    """Return text that has at most so many characters once Slack has escaped it."""
    if len(escaped(text)) <= most:
        return text
    return text[: sum(length < most for length in accumulate(len(escaped(each)) for each in text))] + "…"


def _fitting(blocks: list[dict[str, Any]], room: int) -> list[dict[str, Any]]:
    return blocks if _size(blocks) <= room else []


def _size(blocks: list[dict[str, Any]]) -> int:
    return len(escaped(json.dumps(blocks, ensure_ascii=False)))
