"""What breaks a rule."""

from __future__ import annotations

import pytest
from rapport.alerting.v1 import alert_pb2, alerting_service_pb2, rule_pb2
from rapport.insight.v1 import event_pb2, vocabulary_pb2

from services.alerting.alerts import AlertState, EventKind
from services.alerting.defaults import DEFAULT_RULES
from services.alerting.log import BookmarkReason
from services.alerting.rules import AlertType, Comparison, NoData, Reading, Rule, Severity, SubjectKind
from services.alerting.uptime import HealthState

RESPONSE_TIME, SATISFACTION = DEFAULT_RULES[0]


@pytest.mark.parametrize(
    ("rule", "value", "is_broken"),
    [
        (RESPONSE_TIME, 30_000.0, False),
        (RESPONSE_TIME, 30_000.5, True),
        (SATISFACTION, 3.0, False),
        (SATISFACTION, 2.99, True),
    ],
)
def test_a_value_is_wrong_past_the_threshold_and_right_on_it(rule, value, is_broken):
    assert rule.is_broken_by(Reading(value, samples=1)) is is_broken


def test_too_few_samples_and_no_reading_break_nothing():
    assert not SATISFACTION.is_broken_by(None)
    assert not SATISFACTION.is_broken_by(Reading(1.0, samples=0))


def test_a_count_rests_on_its_window_however_few_facts_there_are():
    quiet = Rule(rule_id="q", message="quiet", type=1, severity=1, subject_kind=SubjectKind.TENANT, measure="totalConversations",
                 comparison=Comparison.BELOW, fire_at=3.0, min_samples=50)  # fmt: skip
    assert quiet.is_broken_by(Reading(0.0, samples=None))
    assert not quiet.is_broken_by(Reading(3.0, samples=None))
    assert not quiet.is_broken_by(Reading(0.0, samples=49))


@pytest.mark.parametrize(
    ("ours", "contract", "prefix"),
    [
        (AlertType, vocabulary_pb2.AlertType.Value, ""),
        (Severity, vocabulary_pb2.Severity.Value, ""),
        (SubjectKind, alert_pb2.SubjectKind, "SUBJECT_KIND_"),
        (Comparison, rule_pb2.Comparison, "COMPARISON_"),
        (NoData, rule_pb2.NoData, "NO_DATA_"),
        (AlertState, alert_pb2.AlertState, "ALERT_STATE_"),
        (EventKind, alert_pb2.AlertEventKind, "ALERT_EVENT_KIND_"),
        (BookmarkReason, alerting_service_pb2.BookmarkReason, "BOOKMARK_REASON_"),
        (HealthState, event_pb2.HealthState, "HEALTH_STATE_"),
    ],
)
def test_numbers_are_the_contracts(ours, contract, prefix):
    theirs = {name.removeprefix(prefix).upper(): number for name, number in contract.items() if number}
    assert {member.name: member.value for member in ours} == theirs
