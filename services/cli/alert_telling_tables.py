"""How channels, routes and notifications read on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from google.protobuf.duration_pb2 import Duration
from rapport.alerting.v1.notification_pb2 import (
    NOTIFICATION_STATE_DROPPED,
    NOTIFICATION_STATE_FAILED,
    Attempt,
    Channel,
    ListChannelsResponse,
    ListNotificationsResponse,
    ListRoutesResponse,
    Notification,
    NotificationState,
    PutRoutesResponse,
    Route,
)

from services.cli.alert_filtering import matcher_texts
from services.cli.alert_ids import short
from services.cli.filtering import word_of
from services.cli.layout import NOTHING, OUT, moment, number, span, table

# What holds where a route says nothing.
_WAIT_S, _INTERVAL_S, _REPEAT_S = 30, 5 * 60, 4 * 60 * 60

#: Nobody has to do anything about what was dropped.
_COLOURS = {NOTIFICATION_STATE_FAILED: "red", NOTIFICATION_STATE_DROPPED: "dim"}
#: Seconds for which what is due counts as under way.
_AT_ONCE_S = 2


def show_channels(answer: ListChannelsResponse) -> None:
    """Print channels, a row each."""
    if not answer.channels:
        OUT.print("There is no channel: nobody is told of alerts.", style="yellow")
        return
    made = table("Channels", "Channel", "Kind", "Where", "Tells the end", wraps=["Where"])
    for channel in answer.channels:
        tells = channel.tells_resolved or not channel.HasField("tells_resolved")
        made.add_row(channel.channel_id, channel.WhichOneof("kind") or NOTHING, where(channel), "yes" if tells else "no")
    OUT.print(made)


def show_routes(answer: ListRoutesResponse | PutRoutesResponse) -> None:
    """Print routes in the order in which they are tried, and which version they are."""
    if answer.routes:
        _print_routes(answer.routes)
    else:
        OUT.print("There is no route: nobody is told of alerts.", style="yellow")
    if answer.version:
        OUT.print(_version(answer), style="dim")


def _print_routes(routes: Sequence[Route]) -> None:
    made = table("Routes, tried from above", "Route", "Alerts with", "Channels", "Together by", "Times", "Then",
                 wraps=("Alerts with", "Channels", "Together by", "Times"))  # fmt: skip
    for route in routes:
        made.add_row(
            route.route_id,
            "\n".join(matcher_texts(route.matchers)) or "anything",
            ", ".join(route.channel_ids) or "nobody",
            ", ".join(route.group_by) or "all",
            "\n".join(_times(route)),
            "next" if route.continues else "ends",
        )
    OUT.print(made)


def _version(answer: ListRoutesResponse | PutRoutesResponse) -> str:
    """Return which version routes are and, where that is told, when, by whom and why they were put."""
    told = f"Version {answer.version}"
    if isinstance(answer, PutRoutesResponse):
        return told
    when = f", put {moment(answer.put_time)}" if answer.HasField("put_time") else ""
    by = f" by {answer.author}" if answer.author else ""
    return f"{told}{when}{by}{f': {answer.comment}' if answer.comment else ''}"


def show_notifications(answer: ListNotificationsResponse, *, is_narrowed: bool) -> None:
    """Print notifications: in red those that failed, dim those for which there was no need any more."""
    if not answer.notifications:
        OUT.print("No notification matches." if is_narrowed else "There is no notification of the last 30 days.")
        return
    now = datetime.now(UTC)
    made = table("Notifications", "Made", "State", "What", "Last attempt", wraps=("What", "Last attempt"))
    for each in answer.notifications:
        made.add_row(
            moment(each.create_time).replace(" ", "\n", 1),
            word_of(NotificationState.DESCRIPTOR, each.state),
            _what(each),
            _attempts(each, now),
            style=_COLOURS.get(each.state),
        )
    OUT.print(made)
    if answer.next_page_token:
        OUT.print("There are more; ask for more with --limit.", style="yellow")


def where(channel: Channel) -> str:
    """Return where a channel leads, without anything secret."""
    match channel.WhichOneof("kind"):
        case "webhook":
            return channel.webhook.url
        case "slack":
            return channel.slack.webhook_url or "Slack"
        case "pagerduty":
            return "PagerDuty"
        case "email":
            return ", ".join(channel.email.to)
    return NOTHING


def attempt_text(attempt: Attempt) -> str:
    """Return how an attempt went, or why none was made."""
    if attempt.error and not attempt.took_ms and not attempt.HasField("status"):
        return f"not sent ({attempt.error})"
    answered = f"answered {attempt.status}" if attempt.HasField("status") else "no answer"
    why = f" ({attempt.error})" if attempt.error else ""
    return f"{answered} after {number(attempt.took_ms)} ms{why}"


def _times(route: Route) -> Sequence[str]:
    """Return how long a group waits at first, between changes, and until it is told again."""
    return [
        f"first {_time(route.group_wait if route.HasField('group_wait') else None, _WAIT_S)}",
        f"then {_time(route.group_interval if route.HasField('group_interval') else None, _INTERVAL_S)}",
        f"again {_time(route.repeat_interval if route.HasField('repeat_interval') else None, _REPEAT_S)}",
    ]


def _time(told: Duration | None, default_s: int) -> str:
    return span(default_s if told is None else told.ToSeconds())


def _what(notification: Notification) -> str:
    """Return where a notification goes and what it tells: its group, and its alerts."""
    goes = f"{notification.channel_id} · {notification.route_id or 'test'}"
    group = ", ".join(f"{name}={notification.group[name]}" for name in sorted(notification.group))
    alerts = ", ".join(map(short, notification.alert_ids))
    return "\n".join(filter(None, (goes, group, alerts)))


def _attempts(notification: Notification, now: datetime) -> str:
    count = len(notification.attempts)
    last = (
        f"{number(count)}: {attempt_text(notification.attempts[-1])}".replace(" after", "\nafter", 1)
        if count
        else "not tried yet"
    )
    if notification.HasField("next_attempt_time"):
        return f"{last}\n{_next(notification, now)}"
    return last


def _next(notification: Notification, now: datetime) -> str:
    """Return when a notification is tried next: what is due is under way, or waits for those before it."""
    due_s = (now - notification.next_attempt_time.ToDatetime(UTC)).total_seconds()
    if due_s < 0:
        return f"next {moment(notification.next_attempt_time)}"
    return "next now" if due_s < _AT_ONCE_S else f"due since {span(due_s)}"
