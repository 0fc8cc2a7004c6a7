"""What of a notification that waited is still true."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from services.alerting.alerts import Alert, AlertState
from services.alerting.telling.judging import heirs_of, judged
from services.alerting.telling.notices import ACKNOWLEDGE, FIRING, HELD, NEVER_BEGUN, OVER, RESOLVE, RESOLVED, TRIGGER, Pending
from services.alerting.telling.waiting import Waiting
from tests.alerting.notifying import a_notice, an_alert

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
A, B = an_alert("a"), an_alert("b")
IS_OVER: dict[str, Any] = {"state": AlertState.RESOLVED, "resolved_at": NOW}


def pending(*alerts: Alert, unheard: tuple[Alert, ...] = (), **more: Any) -> Pending:
    ids = frozenset(alert.alert_id for alert in unheard)
    return Pending(a_notice(*alerts, **more), "c", NOW, 0, NOW, kind=1, anew=ids, unheard=ids)


def now(*alerts: Alert) -> dict[Any, Alert]:
    return {alert.alert_id: alert for alert in alerts}


def test_what_is_as_it_was_is_sent_as_it_is():
    waits = pending(A, replace(B, **IS_OVER))
    assert judged(waits, now(replace(A, value=9.0), replace(B, **IS_OVER)), fires=True).notice is waits.notice


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (IS_OVER, OVER),
        ({"silence_ids": ("s",)}, HELD),
        ({"inhibited_by": uuid4()}, HELD),
        ({"acknowledged_at": NOW}, HELD),
    ],
)
def test_what_is_not_to_be_told_any_more_is_taken_out(change: dict[str, Any], reason: str):
    gone = now(replace(A, **change), B)
    left = judged(pending(A, B), gone, fires=True)
    assert left.notice is not None
    assert (left.notice.alerts, left.notice.status, left.out) == ((B,), FIRING, {A.alert_id})
    nothing = judged(pending(A), gone, fires=True)
    assert (nothing.notice, nothing.reason, nothing.out) == (None, reason, {A.alert_id})
    assert judged(pending(A, action=TRIGGER, key="k"), gone, fires=True).reason == reason


def test_what_is_not_there_any_more_is_over():
    assert judged(pending(A), {}, fires=False).reason == OVER


def test_what_was_acknowledged_when_it_was_made_is_told_as_it_was_to_be():
    taken = replace(A, acknowledged_at=NOW)
    assert judged(pending(taken), now(taken), fires=True).notice is not None


def test_ends_are_told_of_what_may_have_been_heard_of():
    ended = replace(A, **IS_OVER)
    assert judged(pending(ended), now(ended), fires=False).notice is not None
    assert judged(pending(ended, unheard=(A,)), now(ended), fires=False).reason == OVER
    both = pending(ended, B)
    without = judged(both, now(ended, replace(B, **IS_OVER)), fires=False)
    assert without.notice is not None
    assert (without.notice.alerts, without.notice.status) == ((ended,), RESOLVED)


@pytest.mark.parametrize(
    ("action", "alert", "unheard", "reason"),
    [
        (RESOLVE, A, (), ""),
        (RESOLVE, A, (A,), NEVER_BEGUN),
        (ACKNOWLEDGE, replace(A, acknowledged_at=NOW), (), ""),
        (ACKNOWLEDGE, replace(A, acknowledged_at=NOW), (A,), NEVER_BEGUN),
        (ACKNOWLEDGE, A, (), OVER),
        (ACKNOWLEDGE, replace(A, acknowledged_at=NOW, **IS_OVER), (), OVER),
    ],
)
def test_what_is_told_of_incidents(action: str, alert: Alert, unheard: tuple[Alert, ...], reason: str):
    verdict = judged(pending(A, unheard=unheard, action=action, key="k"), now(alert), fires=True)
    assert (verdict.notice is None, verdict.reason) == (bool(reason), reason)


def test_what_one_does_not_tell_the_next_that_tells_it_does():
    first, second, other = (
        Waiting(uuid4(), ("r", "{}"), frozenset(each.alert_id for each in alerts), key=key)
        for alerts, key in (((B,), ""), ((A, B), ""), ((B,), "k"))
    )
    ids = [A.alert_id, B.alert_id]
    assert heirs_of(pending(A, B), ids, [first, second]) == {
        A.alert_id: second.notification_id,
        B.alert_id: first.notification_id,
    }
    assert heirs_of(pending(A, key="k"), [A.alert_id], [second, other]) == {A.alert_id: other.notification_id}
    assert heirs_of(pending(A), [A.alert_id], [first]) == {}
