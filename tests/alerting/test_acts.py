"""What people do to alerts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from services.alerting.acts import Act, Answered, apply
from services.alerting.alerts import Alert, AlertState, EventKind
from tests.alerting.people import START, alert

NOW = START + timedelta(hours=3)
OPEN = alert()
HERS = replace(OPEN, acknowledged_at=START, acknowledged_by="ada", acknowledged_comment="mine")
OVER = replace(OPEN, state=AlertState.RESOLVED, resolved_at=START)


def act(kind: int, author: str = "ada", comment: str = "mine", **more) -> Act:
    return Act(kind, OPEN.alert_id, author, comment, **more)


@pytest.mark.parametrize(
    ("before", "does", "after"),
    [
        (OPEN, act(EventKind.ACKNOWLEDGED), replace(HERS, acknowledged_at=NOW)),
        (HERS, act(EventKind.ACKNOWLEDGED, "bob", ""), replace(OPEN, acknowledged_at=NOW, acknowledged_by="bob")),
        # Who says more takes care of it since when they did.
        (HERS, act(EventKind.ACKNOWLEDGED, comment="nearly done"), replace(HERS, acknowledged_comment="nearly done")),
        (HERS, act(EventKind.UNACKNOWLEDGED, "bob"), OPEN),
        (HERS, act(EventKind.NOTED, "bob"), HERS),
        (OVER, act(EventKind.NOTED, "bob"), OVER),
        (
            replace(HERS, recovering_since=START, inhibited_by=UUID(int=9)),
            act(EventKind.RESOLVED, "bob"),
            replace(HERS, state=AlertState.RESOLVED, resolved_at=NOW, resolved_by="bob", inhibited_by=UUID(int=9)),
        ),
        # Resolved by hand is told even where nobody says who did it.
        (OPEN, act(EventKind.RESOLVED, ""), replace(OPEN, state=AlertState.RESOLVED, resolved_at=NOW, resolved_by="")),
    ],
)
def test_an_act_changes_the_alert_and_says_who_did_it(before: Alert, does: Act, after: Alert):
    change = apply(does, before, NOW)
    assert change is not None
    assert (change.kind, change.before, change.after) == (does.kind, before, after)
    assert (change.author, change.comment) == (does.author, does.comment)


@pytest.mark.parametrize(("before", "does"), [(HERS, act(EventKind.ACKNOWLEDGED)), (OPEN, act(EventKind.UNACKNOWLEDGED))])
def test_what_is_so_already_is_no_change(before: Alert, does: Act):
    assert apply(does, before, NOW) is None


@pytest.mark.parametrize(
    ("kind", "may_be"),
    [(EventKind.ACKNOWLEDGED, False), (EventKind.UNACKNOWLEDGED, False), (EventKind.RESOLVED, False), (EventKind.NOTED, True)],
)
def test_of_an_alert_that_is_over_only_notes_are_taken(kind: EventKind, may_be: bool):
    assert act(kind).may_be_done_to(OVER) is may_be
    assert act(kind).may_be_done_to(OPEN)


def test_a_caller_has_seen_the_alert_at_its_revision_or_does_not_say():
    assert act(EventKind.RESOLVED).has_seen(OPEN)
    assert act(EventKind.RESOLVED, expected_revision=OPEN.revision).has_seen(OPEN)
    assert not act(EventKind.RESOLVED, expected_revision=OPEN.revision - 1).has_seen(OPEN)


NOTE = act(EventKind.NOTED, request_id="r")
OTHERS = (
    replace(NOTE, kind=EventKind.RESOLVED),
    replace(NOTE, alert_id=UUID(int=2)),
    replace(NOTE, author="bob"),
    replace(NOTE, comment="said otherwise"),
    replace(NOTE, author="ad", comment="amine"),
)


def test_a_request_is_the_same_one_by_what_it_does_to_which_alert_and_who_says_what():
    done = Answered(NOTE.alert_id, NOTE.kind, NOTE.digest)
    assert done.is_repeated_by(replace(NOTE, expected_revision=7))
    assert not any(done.is_repeated_by(other) for other in OTHERS)


def test_of_an_old_request_it_is_not_asked_who_said_what():
    done = Answered(NOTE.alert_id, NOTE.kind, digest="")
    assert [done.is_repeated_by(other) for other in OTHERS] == [False, False, True, True, True]


def test_what_was_said_cannot_be_found_by_trying_words_without_the_requests_id():
    assert NOTE.digest != replace(NOTE, request_id="s").digest


def test_a_requests_id_is_told_again_without_being_kept():
    first, again, other = (act(EventKind.NOTED, request_id=name) for name in ("about person-4711", "about person-4711", "other"))
    assert first.request_key == again.request_key != other.request_key
    assert "4711" not in first.request_key
    assert act(EventKind.NOTED).request_key == ""
