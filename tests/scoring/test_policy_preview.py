"""What a change of the policy would change: the same as it does change, and nothing is saved before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from rapport.insight.v1 import vocabulary_pb2
from rapport.metrics.v1 import agent_pb2
from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.scoring.agents import GradedAgent, grade_agents
from services.scoring.comparing_policies import GradeChange, grade_changes
from services.scoring.policy import CutOffs, IndustryPolicy, Policy
from services.scoring.team import team_of
from tests.fix_services import House
from tests.ingest.bad_world import everything
from tests.scoring.calling import Stub, preview, serving, update
from tests.scoring.telling import settled, talked
from tests.scoring.test_grading import sums

Segment = vocabulary_pb2.CustomerSegment


# --- decisions ----------------------------------------------------------------------------------------------------------


def by(policy: Policy, n: int = 100, **changes: int) -> list[GradedAgent]:
    return grade_agents(team_of([sums("a", n, **changes)]), ["a"], policy)


def change(then: Policy, n: int = 100, **changes: int) -> GradeChange:
    """Return how an agent's grade changes between the default and another policy."""
    (found,) = grade_changes(by(Policy(), n, **changes), by(then, n, **changes), Policy(), then)
    return found


def test_the_metric_that_moved_most_is_named_with_what_moved_it() -> None:
    found = change(Policy(conversion_rate_target=100.0, escalation_limit=20.0), conversions=30, escalated=2)
    assert (found.before.grade, found.after.grade) == ("A+", "B+")
    assert found.reason == "Conversion rate moves most, by -12.25 points: it scores 30.00 instead of 100.00"
    assert [metric.name for metric, _ in found.points] == ["CONVERSION", "ESCALATION"]
    assert sum(points for _, points in found.points) == pytest.approx(found.difference)


def test_a_weight_that_moved_is_told() -> None:
    heavy = Policy(quality_weight=1.0, conversion_weight=0.0, efficiency_weight=0.0)
    found = change(heavy, csat_x100=300 * 100, csat_x100_sq=90_000 * 100)
    assert found.reason == "Satisfaction moves most, by +21.00 points: it weighs 0.700 instead of 0.280"
    assert sum(points for _, points in found.points) == pytest.approx(found.difference)


def test_when_only_the_cut_offs_moved_they_are_the_reason() -> None:
    harder = change(Policy(cut_offs=CutOffs(a_plus=99.5)), escalated=2)
    assert (harder.before.grade, harder.after.grade, harder.points) == ("A+", "A", ())
    assert harder.reason == "The score stays as it is; A+ begins at 99.5 instead of 95"
    easier = change(Policy(cut_offs=CutOffs(a_plus=70, a=60, b_plus=50, b=40, c_plus=30, c=20)), conversions=0)
    assert (easier.before.grade, easier.after.grade) == ("B", "A+")
    assert easier.reason.endswith("A+ begins at 70 instead of 95")


def test_when_only_the_conversations_asked_for_moved_they_are_the_reason() -> None:
    assert change(Policy(provisional_below=101)).reason == (
        "The score stays as it is; the grade is provisional: a firm one takes 101 instead of 30 conversations"
    )
    assert "no longer provisional: a firm one takes 20 instead of 30" in change(Policy(provisional_below=20), n=25).reason


def test_who_keeps_the_grade_is_not_named() -> None:
    then = Policy(conversion_rate_target=30.5)
    assert grade_changes(by(Policy()), by(then), Policy(), then) == []


def test_a_grade_that_there_was_none_of_before_moves_by_its_whole_score() -> None:
    blind = Policy(quality_weight=0.0, conversion_weight=0.0, efficiency_weight=1.0)
    unanswered = team_of([replace(sums("a", 100), response_n=0, conversations=100)])
    silent = replace(blind, response_share=1.0)
    before, after = (grade_agents(unanswered, ["a"], p) for p in (silent, Policy()))
    (found,) = grade_changes(before, after, silent, Policy())
    assert (found.before.grade, found.before.score, found.after.grade) == (None, None, "A+")
    assert found.difference == pytest.approx(found.after.score)
    assert sum(points for _, points in found.points) == pytest.approx(found.difference)


def test_the_largest_change_comes_first() -> None:
    agents = [sums(f"a{i}", 100, conversions=10 * i) for i in range(4)]
    team, then = team_of(agents), Policy(conversion_rate_target=100.0)
    before, after = (grade_agents(team, [a.agent_id for a in agents], p) for p in (Policy(), then))
    found = grade_changes(before, after, Policy(), then)
    moved = [abs(c.difference) for c in found]
    assert moved == sorted(moved, reverse=True)
    assert found[0].agent_id == "a3"


# --- calls --------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def stub(house: House) -> AsyncIterator[Stub]:
    """A house with two agents of three conversations, and customers who came on several days."""
    now = house.clock.now
    sold = {"conversion_event": {"type": "purchase", "value": 1500, "currency": "USD"}}
    good = {"customer_satisfaction_score": 5, "response_time_avg_ms": 10_000} | sold
    for i in range(3):
        await talked(house, f"g-{i}", now - timedelta(hours=1), "good", "k-1", **good)
        await talked(house, f"s-{i}", now - timedelta(hours=1), "some", "k-2", **(good | {"customer_satisfaction_score": 4}))
    for days in (200, 193, 186):
        await talked(house, f"old-{days}", now - timedelta(days=days), "good", "k-3", **good)
    await settled(house)
    await house.sweeper.go_round()
    async with serving(house) as served:
        yield served


async def test_a_preview_saves_nothing(house: House, stub: Stub) -> None:
    before = everything(house.url)
    found = await preview(stub, {"strongSatisfaction": 4, "revenueTarget": 10_000}, "strong_satisfaction", "revenue_target")
    assert (found.policy.version, found.policy.revenue_target) == (2, 10_000)
    assert list(found.policy.changed_paths) == ["revenue_target", "strong_satisfaction"]
    assert not found.policy.HasField("created_at")
    assert everything(house.url) == before
    assert before["scoring.customer_score"]
    # The control: the update of the same saves a version.
    await update(stub, {"revenueTarget": 10_000}, "revenue_target")
    assert everything(house.url) != before


async def test_a_preview_tells_what_the_update_then_does(house: House, stub: Stub) -> None:
    told = {"revenueTarget": 15_000, "cutOffs": {"c": 5}}
    before = {g.agent_id: g for g in (await stub.GradeAgents(pb.GradeAgentsRequest())).grades}
    found = await preview(stub, told, "revenue_target", "cut_offs.c")
    await update(stub, told, "revenue_target", "cut_offs.c")
    after = {g.agent_id: g for g in (await stub.GradeAgents(pb.GradeAgentsRequest())).grades}
    assert (found.agents_graded, found.agents_changed, found.quality.n, found.quality.policy_version) == (2, 2, 6, 1)
    for c in found.grade_changes:
        assert (c.grade_before, c.score_before) == (before[c.agent_id].grade, before[c.agent_id].score)
        assert (c.grade_after, c.score_after) == (after[c.agent_id].grade, after[c.agent_id].score)
        assert sum(p.difference for p in c.points) == pytest.approx(c.score_after - c.score_before)
        assert c.points[0].metric == agent_pb2.METRIC_REVENUE
        assert c.reason.startswith("Revenue moves most, by -15.75 points: it scores 10.00 instead of 100.00")


async def test_a_preview_is_of_the_window_asked_for(house: House, stub: Stub) -> None:
    request: dict[str, object] = {}
    for name, days in (("start_time", 201), ("end_time", 180)):
        at = (house.clock.now - timedelta(days=days)).replace(hour=0)
        request[name] = at
    found = await preview(stub, {"revenueTarget": 15_000}, "revenue_target", **request)
    assert [(c.agent_id, found.agents_graded, found.quality.n) for c in found.grade_changes] == [("good", 1, 3)]
    assert found.quality.window.start.ToDatetime() == request["start_time"].replace(tzinfo=None)  # type: ignore[attr-defined]


async def segments(stub: Stub) -> dict[str, int]:
    asked = pb.ScoreCustomersRequest(customer_ids=["k-1", "k-2", "k-3"])
    return {s.customer_id: s.segment for s in (await stub.ScoreCustomers(asked)).scores}


async def test_customers_who_would_be_in_another_segment_are_named(house: House, stub: Stub) -> None:
    before = await segments(stub)
    assert before == {"k-1": Segment.new_customer, "k-2": Segment.new_customer, "k-3": Segment.at_risk}
    told = {"segments": {"atRiskBelow": 0.0, "safeFrom": 0.0}}
    found = await preview(stub, told, "segments.at_risk_below", "segments.safe_from")
    assert [(c.customer_id, c.segment_before, c.segment_after) for c in found.segment_changes] == [
        ("k-3", Segment.at_risk, Segment.regular)
    ]
    assert found.segment_changes[0].reason
    assert (found.customers_segmented, found.customers_changed, found.agents_changed) == (3, 1, 0)
    assert await segments(stub) == before
    await update(stub, told, "segments.at_risk_below", "segments.safe_from")
    assert (await segments(stub))["k-3"] == Segment.regular


async def test_as_many_are_named_as_asked_for_and_all_are_counted(house: House, stub: Stub) -> None:
    for i in range(12):
        await talked(house, f"more-{i:02}", house.clock.now - timedelta(days=180), "good", f"x-{i:02}")
    await settled(house)
    told = {"segments": {"newCustomerDays": 3650}, "revenueTarget": 15_000}
    found = await preview(stub, told, "segments.new_customer_days", "revenue_target", limit=5)
    assert [c.customer_id for c in found.segment_changes] == [f"x-{i:02}" for i in range(5)]
    assert (found.customers_changed, found.customers_segmented) == (12, 15)
    one = await preview(stub, told, "segments.new_customer_days", "revenue_target", limit=1)
    assert (len(one.grade_changes), one.agents_changed) == (1, 2)


async def test_a_change_that_changes_nothing_previews_as_nothing(house: House, stub: Stub) -> None:
    found = await preview(stub, {"revenueTarget": 1500}, "revenue_target")
    assert (found.policy.version, list(found.policy.changed_paths)) == (1, [])
    assert (found.agents_changed, found.customers_changed, found.agents_graded, found.customers_segmented) == (0, 0, 2, 3)


def test_an_industrys_part_shows_in_its_agents_only() -> None:
    then = Policy(industries=(IndustryPolicy(industry="law", conversion_rate_target=100.0),))
    team = team_of([sums("a", 100, conversions=30), sums("b", 100, conversions=30)], industries={"a": "Law"})
    before, after = (grade_agents(team, ["a", "b"], p) for p in (Policy(), then))
    assert [c.agent_id for c in grade_changes(before, after, Policy(), then)] == ["a"]
