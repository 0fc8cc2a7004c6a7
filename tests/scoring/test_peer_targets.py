"""Targets that the peers set: whose numbers count, from how many on, and what holds otherwise."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.scoring.agents import GradedAgent, grade_agents
from services.scoring.grading import Metric
from services.scoring.policy import IndustryPolicy, Policy, TargetSource
from services.scoring.team import Sums, team_of
from tests.fix_services import House
from tests.scoring.calling import serving, update
from tests.scoring.telling import settled, talked

PEERS = Policy(target_source=TargetSource.PEER_P75)


def agent(number: int, conversations: int = 100, *, rate: int = 0, revenue: int = 0, **more: bool) -> Sums:
    """Return an agent with a conversion rate in percent and a revenue per conversation."""
    return Sums(
        agent_id=f"a{number}",
        conversations=conversations,
        conversions=rate * conversations // 100,
        revenue=Decimal(revenue * conversations),
        revenue_sq=Decimal(revenue**2 * conversations),
        **more,
    )


def targets(policy: Policy, *agents: Sums) -> tuple[float, float]:
    """Return the targets that the first agent's conversion rate and revenue are held against."""
    found = {part.metric: part.target for part in one(policy, *agents).grade.breakdown}
    return found[Metric.CONVERSION], found[Metric.REVENUE]


def one(policy: Policy, *agents: Sums, industry: str = "") -> GradedAgent:
    (graded,) = grade_agents(team_of(agents, industries={agents[0].agent_id: industry}), [agents[0].agent_id], policy)
    return graded


FIVE = [agent(i, rate=10 * i, revenue=100 * i) for i in range(1, 6)]


def test_the_target_is_the_75th_percentile_of_those_with_enough_conversations() -> None:
    assert targets(PEERS, *FIVE) == (40.0, 400.0)
    # Between values in proportion: of six, three quarters of the way from the fourth to the fifth.
    assert targets(PEERS, *FIVE, agent(6, rate=60, revenue=600)) == (47.5, 475.0)
    # Who has fewer than 30 conversations has no say.
    assert targets(PEERS, *FIVE, agent(6, 29, rate=99, revenue=10**6)) == (40.0, 400.0)


def test_of_fewer_than_five_the_policys_own_numbers_hold() -> None:
    assert targets(PEERS, *FIVE[:4]) == (30.0, 1500.0)
    assert targets(PEERS, *FIVE[:4], agent(6, 29, rate=50, revenue=500)) == (30.0, 1500.0)
    assert targets(PEERS, *FIVE[:4], agent(6, 30, rate=50, revenue=500)) == (40.0, 400.0)


def test_the_control_constant_targets_do_not_look_at_peers() -> None:
    assert targets(Policy(), *FIVE) == (30.0, 1500.0)


def test_who_has_money_without_a_rate_has_no_say_in_revenue() -> None:
    unknown = replace(FIVE[4], is_partly_unconverted=True)
    assert targets(PEERS, *FIVE[:4], unknown) == (40.0, 1500.0)
    assert targets(PEERS, *FIVE[:4], agent(6, rate=50, revenue=500), unknown)[1] == 400.0


def test_a_percentile_of_nothing_is_no_target() -> None:
    nothing = [agent(i, rate=0, revenue=0) for i in range(1, 6)]
    assert targets(PEERS, *nothing) == (30.0, 1500.0)
    assert targets(PEERS, *(replace(s, revenue=Decimal(-500)) for s in nothing)) == (30.0, 1500.0)


def test_strengths_scores_and_ranges_go_by_the_peers_target() -> None:
    middling = one(PEERS, FIVE[2], *FIVE[:2], *FIVE[3:])
    best = one(PEERS, FIVE[4], *FIVE[:4])
    scores = {part.metric: part.score for part in middling.grade.breakdown}
    assert (scores[Metric.CONVERSION], scores[Metric.REVENUE]) == (pytest.approx(75), pytest.approx(75))
    assert "Conversion rate could be higher" in middling.grade.improvement_areas
    assert "High conversion rate" in best.grade.strengths
    # By the constant target of 30 % the same agent would be strong.
    assert "High conversion rate" in one(Policy(), FIVE[2], *FIVE[:2], *FIVE[3:]).grade.strengths


def test_an_industrys_own_target_goes_before_the_peers() -> None:
    policy = replace(PEERS, industries=(IndustryPolicy(industry="dental", conversion_rate_target=80.0),))
    graded = one(policy, *FIVE, industry="dental")
    found = {part.metric: part.target for part in graded.grade.breakdown}
    assert (found[Metric.CONVERSION], found[Metric.REVENUE], graded.industry) == (80.0, 400.0, "dental")


async def test_peers_of_the_window_set_the_target(house: House) -> None:
    """Five agents of 30 conversations, of which 0, 4, 8, 12 and 16 led to something: the fourth's 40 % is the 75th percentile."""
    at = house.clock.now.replace(hour=1)
    for number in range(5):
        for i in range(30):
            more = {"conversion_event": {"type": "lead"}} if i < 4 * number else {}
            await talked(house, f"c-{number}-{i}", at, f"a{number}", f"k{i}", **more)
    await settled(house)
    async with serving(house) as stub:
        await update(stub, {"targetSource": "TARGET_SOURCE_PEER_P75"}, "target_source")
        asked = [pb.GradeAgentsRequest(agent_ids=["a2"], policy_version=version) for version in (2, 1)]
        answers = [await stub.GradeAgents(request) for request in asked]
    found = [next(p for p in a.grades[0].breakdown if p.metric == Metric.CONVERSION) for a in answers]
    assert [(p.value, p.target) for p in found] == [
        (pytest.approx(100 * 8 / 30), pytest.approx(40)),
        (pytest.approx(100 * 8 / 30), 30),
    ]
