"""Which rules see that nothing came, and for how long one is there of whom nothing comes."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from services.alerting.conditions import Absence, Anomaly, Change
from services.alerting.presence import is_counted, is_missed, known_since
from services.alerting.rules import NoData, SubjectKind
from tests.alerting.measured import rule


@pytest.mark.parametrize(
    ("asked", "counted"),
    [
        (rule("r", "totalConversations"), True),
        (rule("r", "conversionsGenerated", condition=Change()), True),
        (rule("r", "receivedFacts", subject_kind=SubjectKind.SOURCE), True),
        (rule("r", "overdueFollowUps"), True),
        (rule("r", "failedNotifications", subject_kind=SubjectKind.TENANT), True),
        (rule("r", "totalConversations", condition=Absence()), False),
        (rule("r", "totalConversations", condition=Anomaly()), False),
        *((rule("r", name), False) for name in ("conversionRate", "averageResponseTime", "totalRevenue", "grade")),
    ],
)
def test_counts_and_changes_of_them_see_that_nothing_came(asked, counted):
    assert is_counted(asked) is counted


def test_agents_are_missed_where_no_data_is_wrong():
    assert is_missed(rule("r", "averageResponseTime", no_data=NoData.WRONG))
    assert not is_missed(rule("r", "averageResponseTime", no_data=NoData.UNCHANGED))
    assert not is_missed(rule("r", "averageResponseTime", no_data=NoData.WRONG, subject_kind=SubjectKind.PLATFORM))


def test_platforms_and_sources_are_there_for_35_of_the_tenants_days():
    midnight_in_auckland = datetime(2026, 5, 14, 12, tzinfo=UTC)
    assert known_since(midnight_in_auckland, "Pacific/Auckland") == date(2026, 4, 10)
    assert known_since(midnight_in_auckland, "UTC") == date(2026, 4, 9)
