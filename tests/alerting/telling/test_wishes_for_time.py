"""Receivers that ask to be left alone for a while, in whatever words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.alerting.telling.channels import Channel, Webhook
from services.alerting.telling.posting import retry_after_s
from tests.alerting.notifying import SECRET, a_notice, an_alert, local, receiving

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("", None),
        ("120", 120.0),
        ("9" * 400, 999_999_999.0),
        ("-1", None),
        ("٣", None),
        ("soon", None),
        ("Mon, 04 May 2026 12:00:30 GMT", 30.0),
        ("Mon, 04 May 2026 12:00:30 -0000", 30.0),
        ("Mon, 04 May 2026 11:00:00 GMT", 0.0),
        ("Mon, 32 May 2026 11:00:00 GMT", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
    ],
)
def test_what_a_wish_means(told: str, seconds: float | None):
    assert retry_after_s(told, NOW) == seconds


async def test_what_was_taken_is_delivered_whatever_is_wished():
    async with receiving(headers={"Retry-After": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"}) as receiver:
        outcome, attempted = await local().attempt(Channel("c", Webhook(receiver.url, SECRET)), a_notice(an_alert()))
    assert (outcome.is_delivered, attempted.status, attempted.error) == (True, 200, "")
