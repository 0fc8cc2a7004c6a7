"""Which alerts a reader wants."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from services.alerting.alerts import Alert, AlertState, EventKind
from services.alerting.filters import AlertFilter
from services.alerting.lifecycle import Change

ALERT = Alert(
    alert_id=UUID(int=1),
    rule_id="rule",
    rule_version=1,
    episode=1,
    type=3,
    severity=2,
    subject_kind=2,
    subject_id="c",
    state=AlertState.FIRING,
    message="m",
    value=2.0,
    threshold=3.0,
    fired_at=datetime(2026, 5, 4, tzinfo=UTC),
)


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        (AlertFilter(), True),
        (AlertFilter(types=frozenset({1, 3})), True),
        (AlertFilter(types=frozenset({1})), False),
        (AlertFilter(severities=frozenset({4})), False),
        (AlertFilter(rule_ids=frozenset({"rule"}), customer_ids=frozenset({"c"})), True),
        (AlertFilter(rule_ids=frozenset({"other"}), customer_ids=frozenset({"c"})), False),
        # An agent's id is not a customer's, even when they read alike.
        (AlertFilter(agent_ids=frozenset({"c"})), False),
        (AlertFilter(states=frozenset({AlertState.RESOLVED})), False),
    ],
)
def test_an_alert_must_be_in_every_list_that_is_not_empty(wanted, matches):
    assert wanted.matches(ALERT) is matches


def test_a_change_within_the_filter_is_what_it_is():
    worse = Change(EventKind.UPDATED, ALERT, replace(ALERT, severity=4))
    assert AlertFilter().event_kind(worse) == EventKind.UPDATED
    assert AlertFilter(severities=frozenset({4})).event_kind(worse) == EventKind.UPDATED


def test_a_change_out_of_the_filter_is_told_as_leaving_it():
    worse = Change(EventKind.UPDATED, ALERT, replace(ALERT, severity=4))
    assert AlertFilter(severities=frozenset({2})).event_kind(worse) == EventKind.LEFT_FILTER


def test_a_change_outside_the_filter_is_not_told():
    assert AlertFilter(types=frozenset({1})).event_kind(Change(EventKind.UPDATED, ALERT, ALERT)) is None
    assert AlertFilter(types=frozenset({1})).event_kind(Change(EventKind.FIRED, None, ALERT)) is None


def test_filters_that_want_the_same_have_the_same_fingerprint():
    assert AlertFilter(types=frozenset([1, 3])).fingerprint() == AlertFilter(types=frozenset([3, 1])).fingerprint()
    assert AlertFilter(agent_ids=frozenset({"a"})).fingerprint() != AlertFilter(customer_ids=frozenset({"a"})).fingerprint()
