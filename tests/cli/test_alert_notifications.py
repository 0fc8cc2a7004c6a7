"""`rapport alerts notifications`: what is due now, what failed, and what there was no need for any more."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.json_format import ParseDict
from rapport.alerting.v1.notification_pb2 import (
    NOTIFICATION_STATE_DELIVERED,
    NOTIFICATION_STATE_DROPPED,
    NOTIFICATION_STATE_FAILED,
    Attempt,
    ListNotificationsRequest,
    ListNotificationsResponse,
    Notification,
    NotificationState,
)
from rich.console import Console

from services.cli import alert_telling_tables
from services.cli.alert_telling_tables import attempt_text, show_notifications
from tests.cli.alerting_servicer import OPEN
from tests.cli.conftest import House, Rapport

WHY = "its channel was deleted"


def pending(due_in: timedelta) -> Notification:
    made = ParseDict({"channelId": "hook", "routeId": "night", "state": "NOTIFICATION_STATE_PENDING"}, Notification())
    made.next_attempt_time.FromDatetime(datetime.now(UTC) + due_in)
    return made


@pytest.mark.parametrize(
    ("due_in", "told"),
    [
        (timedelta(0), "next now"),
        (timedelta(seconds=-9), "due since 9 s"),
        (timedelta(minutes=-7), "due since 7 min"),
        (timedelta(hours=-30), "due since 1 d"),
    ],
)
async def test_what_is_due_is_told_in_words(house: House, rapport: Rapport, due_in: timedelta, told: str) -> None:
    house.alerting.notifications = [pending(due_in)]
    shown = (await rapport("alerts", "notifications")).stdout
    assert told in shown
    assert "UTC" not in shown


async def test_what_is_tried_later_is_told_by_its_time(house: House, rapport: Rapport) -> None:
    house.alerting.notifications = [pending(timedelta(minutes=5))]
    at = house.alerting.notifications[0].next_attempt_time.ToDatetime()
    assert f"next {at:%Y-%m-%d %H:%M:%S} UTC" in (await rapport("alerts", "notifications")).stdout


async def test_what_was_dropped_says_so_and_can_be_asked_for(house: House, rapport: Rapport) -> None:
    house.alerting.notifications = [
        Notification(channel_id="hook", alert_ids=[OPEN], state=NOTIFICATION_STATE_DROPPED, attempts=[Attempt(error=WHY)])
    ]
    result = await rapport("alerts", "notifications", "--state", "dropped")

    assert result.exit_code == 0, result.stderr
    assert house.alerting.calls == [ListNotificationsRequest(state=NOTIFICATION_STATE_DROPPED, page_size=50)]
    assert "dropped" in result.stdout
    assert f"not sent ({WHY})" in result.stdout


@pytest.mark.parametrize(
    ("state", "style"),
    [(NOTIFICATION_STATE_FAILED, "\x1b[31m"), (NOTIFICATION_STATE_DROPPED, "\x1b[2m"), (NOTIFICATION_STATE_DELIVERED, "")],
)
@pytest.mark.parametrize("width", [40, 80])
def test_what_failed_is_red_and_what_nobody_needs_is_dim(
    monkeypatch: pytest.MonkeyPatch, state: NotificationState.ValueType, style: str, width: int
) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system="standard", highlight=False)
    monkeypatch.setattr(alert_telling_tables, "OUT", console)
    answer = ListNotificationsResponse(notifications=[Notification(channel_id="hook", state=state)])

    show_notifications(answer, is_narrowed=False)

    (line,) = [line for line in console.file.getvalue().splitlines() if "hook" in line]  # type: ignore[attr-defined]
    assert style in line if style else "\x1b" not in line


def test_an_attempt_that_was_none_tells_why() -> None:
    assert attempt_text(Attempt(error=WHY)) == f"not sent ({WHY})"
    assert attempt_text(Attempt(took_ms=10_000, error="no answer within 10 s")) == (
        "no answer after 10,000 ms (no answer within 10 s)"
    )
    assert attempt_text(Attempt(status=200)) == "answered 200 after 0 ms"
