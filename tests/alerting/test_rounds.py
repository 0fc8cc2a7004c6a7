"""Which subjects of which rules are looked at when, and who is not missed any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.alerting.conditions import Absence, Change, Target
from services.alerting.measures import PLATFORMS
from services.alerting.rounds import SWEEP_EVERY, Round, is_of_time, round_at
from services.alerting.rules import Comparison, NoData, Subject, SubjectKind
from tests.alerting.house import House
from tests.alerting.measured import Measured, rule

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
AGENT, CUSTOMER, TENANT = SubjectKind.AGENT, SubjectKind.CUSTOMER, SubjectKind.TENANT
TOUCHED = {Subject(AGENT, "a"): None, Subject(AGENT, ""): None, Subject(CUSTOMER, "c"): "trace"}
COUNTED = rule("r", "totalConversations")
SILENT = rule("r", "totalConversations", condition=Absence())
PLATFORM, WHOLE = (rule("r", "totalConversations", subject_kind=kind) for kind in (SubjectKind.PLATFORM, TENANT))

QUIET = {"comparison": Comparison.BELOW, "no_data": NoData.WRONG}
ALERTS = "SELECT rule_id, subject_id, state FROM alerting.alert ORDER BY subject_id"


@pytest.mark.parametrize(
    ("since_due", "since_swept", "is_due", "is_sweep"),
    [(29, 60, False, False), (30, 60, True, False), (1, 299, False, False), (1, 300, True, True), (1, None, True, True)],
)
def test_when_what_is_due(since_due, since_swept, is_due, is_sweep):
    swept = None if since_swept is None else NOW - timedelta(seconds=since_swept)
    found = round_at(NOW, NOW - timedelta(seconds=since_due), swept, {})
    assert (found.is_due, found.is_sweep, found.has_work) == (is_due, is_sweep, is_due)


def test_a_touch_moves_its_subject_and_what_it_is_a_part_of():
    found = Round(TOUCHED)
    assert found.asks(COUNTED, ()) == {"a"}
    assert found.asks(SILENT, ("b",)) == {"a", "b"}
    assert found.asks(rule("r", "latestSatisfaction", subject_kind=CUSTOMER), ()) == {"c"}
    assert found.asks(PLATFORM, ()) == set(PLATFORMS.values())
    assert found.asks(WHOLE, ()) == {""}
    assert found.asks(rule("r", "receivedFacts", subject_kind=SubjectKind.SOURCE), ()) == set()
    assert found.asks(rule("r", "totalConversations", subject_ids=("b",)), ("c",)) == set()
    assert found.subjects is not None
    assert found.subjects > {*TOUCHED, Subject(TENANT, ""), Subject(SubjectKind.PLATFORM, "web")}


def test_what_is_due_is_what_goes_on_and_all_that_time_alone_changes():
    found = Round({}, is_due=True)
    assert found.subjects is None
    assert found.asks(COUNTED, ("b",)) == {"b"}
    assert found.asks(SILENT, ("b",)) is None
    assert found.asks(rule("r", "totalConversations", condition=Absence(), subject_ids=("a",)), ()) == {"a"}
    assert found.asks(PLATFORM, ()) == set(PLATFORMS.values())
    assert Round({}, is_due=True, is_sweep=True).asks(COUNTED, ("b",)) is None
    assert Round({}, is_due=True, is_sweep=True).asks(WHOLE, ()) == {""}


@pytest.mark.parametrize(
    ("asked", "of_time"),
    [
        (COUNTED, False),
        (SILENT, True),
        (rule("r", "totalRevenue", condition=Target()), True),
        (rule("r", "totalConversations", condition=Change()), False),
        (rule("r", "totalConversations", no_data=NoData.WRONG), True),
        (rule("r", "totalConversations", no_data=NoData.UNCHANGED), True),
        (rule("r", "latestSatisfaction", subject_kind=CUSTOMER), False),
        *((rule("r", name), True) for name in ("overdueFollowUps", "grade", "downMinutes", "receivedFacts", "watchdog")),
    ],
)
def test_which_rules_time_alone_breaks(asked, of_time):
    assert is_of_time(asked) is of_time


async def _retire(measured: Measured, agent: str) -> None:
    await measured.execute("INSERT INTO ingest.agent (tenant_id, agent_id, state) VALUES ('default', %s, 4)", [(agent,)])


@pytest.mark.parametrize("is_partial", [True, False])
async def test_who_retires_is_not_missed_any_more(house: House, is_partial: bool):
    measured = Measured(house.url)
    await measured.rules(*(rule(each, "totalConversations", for_s=s, **QUIET) for each, s in (("q", 0), ("w", 3600))))
    known = "INSERT INTO scoring.agent_state (tenant_id, agent_id, revision) VALUES ('default', %s, 1)"
    await measured.execute(known, [("a",), ("b",)])
    await house.evaluate()
    assert await house.facts.rows(ALERTS) == [("q", "a", 1), ("q", "b", 1)]
    await _retire(measured, "a")
    house.clock.move(timedelta(seconds=1) if is_partial else SWEEP_EVERY)
    await measured.touch(1, ["a", "b"] if is_partial else [])
    await house.evaluate()
    assert await house.facts.rows(ALERTS) == [("q", "a", 2), ("q", "b", 1)]
    assert await house.facts.rows("SELECT rule_id, subject_id FROM alerting.rule_state") == [("w", "b")]


async def test_a_touch_makes_no_alert_of_an_agent_that_is_gone(house: House):
    measured = Measured(house.url)
    await measured.rules(rule("q", "totalConversations", **QUIET))
    await house.evaluate()
    await measured.execute("INSERT INTO scoring.agent_state (tenant_id, agent_id, revision) VALUES ('default', 'a', 1)")
    await _retire(measured, "a")
    house.clock.move(timedelta(seconds=1))
    await measured.touch(1, ["a"])
    await house.evaluate()
    assert await house.facts.rows(ALERTS) == []
