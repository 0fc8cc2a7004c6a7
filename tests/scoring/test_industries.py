"""Policies by industry: each agent graded by its own part, all of them ranked together."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.scoring.agents import grade_agents
from services.scoring.grading import Metric
from services.scoring.policy import IndustryPolicy, Policy
from services.scoring.team import Sums, team_of
from tests.fix_services import House
from tests.scoring.calling import Stub, serving, update
from tests.scoring.telling import happened, settled, talked

DENTAL = IndustryPolicy(industry="Dental", conversion_rate_target=60.0)
SPA = IndustryPolicy(
    industry="spa",
    escalation_limit=50.0,
    response_target_ms=1000.0,
    response_limit_ms=100_000.0,
    revenue_target=100.0,
    quality_weight=0.2,
    conversion_weight=0.3,
    efficiency_weight=0.5,
)
POLICY = Policy(industries=(DENTAL, SPA))


def agent(name: str, n: int = 100, rate: int = 30) -> Sums:
    """Return an agent of whom a share converts, a tenth is escalated, and who takes ten seconds to answer."""
    return Sums(
        agent_id=name,
        conversations=n,
        ended=n,
        completed=n,
        escalated=n // 10,
        conversions=rate * n // 100,
        response_n=n,
        response_ms=10_000 * n,
        response_ms_sq=10**8 * n,  # type: ignore[arg-type]  # whole numbers do as well
    )


def graded(policy: Policy, industries: dict[str, str], *agents: Sums) -> dict[str, tuple[str, dict[Metric, tuple[float, float]]]]:
    """Return each agent's part of the policy, and its sub-scores and weights by metric."""
    found = grade_agents(team_of(agents, industries=industries), [a.agent_id for a in agents], policy)
    return {
        g.agent_id: (g.industry, {p.metric: (p.score, p.weight) for p in g.grade.breakdown if p.score is not None}) for g in found
    }


def test_each_agent_is_graded_by_its_industrys_part() -> None:
    found = graded(POLICY, {"d": "DENTAL", "s": "Spa", "x": "law"}, agent("d"), agent("s"), agent("x"), agent("none"))
    assert {name: industry for name, (industry, _) in found.items()} == {"d": "Dental", "s": "spa", "x": "", "none": ""}
    assert found["d"][1][Metric.CONVERSION] == (50.0, pytest.approx(0.175))
    assert found["x"] == found["none"]
    assert found["x"][1][Metric.CONVERSION] == (100.0, pytest.approx(0.175))
    spa = found["s"][1]
    # Without ratings quality is completion alone.
    assert spa[Metric.COMPLETION] == (100.0, pytest.approx(0.2))
    assert spa[Metric.ESCALATION] == (80.0, pytest.approx(0.25))
    assert spa[Metric.RESPONSE] == (pytest.approx(100 * (1 - math.log(10) / math.log(100))), pytest.approx(0.25))
    assert found["x"][1][Metric.ESCALATION] == (60.0, pytest.approx(0.125))


def test_the_rank_is_by_adjusted_score_among_all() -> None:
    agents = [agent(f"{kind}{i}", rate=10 + 8 * i) for kind in ("d", "x") for i in range(5)]
    team = team_of(agents, industries={a.agent_id: "dental" for a in agents if a.agent_id.startswith("d")})
    found = grade_agents(team, [a.agent_id for a in agents], POLICY)
    assert [g.rank for g in found] == list(range(1, 11))
    scores = [g.adjusted.score for g in found if g.adjusted]
    assert scores == sorted(scores, reverse=True)
    # The same numbers are worth less against a higher target.
    ranks = {g.agent_id: g.rank or 0 for g in found}
    assert all(ranks[f"x{i}"] < ranks[f"d{i}"] for i in range(1, 5))


def test_a_part_that_says_nothing_changes_nothing_but_the_name() -> None:
    agents = [agent(f"a{i}", n=20 + 30 * i, rate=5 * i) for i in range(6)]
    names = [a.agent_id for a in agents]
    plain = grade_agents(team_of(agents), names, Policy())
    named = grade_agents(
        team_of(agents, industries={"a1": "law", "a4": "law"}), names, Policy(industries=(IndustryPolicy(industry="law"),))
    )
    assert [g.industry for g in named if g.agent_id in {"a1", "a4"}] == ["law", "law"]
    assert [replace(g, industry="") for g in named] == plain


@pytest.fixture
async def stub(house: House):
    async with serving(house) as served:
        yield served


async def test_the_industry_is_the_one_that_the_agent_is_configured_with(house: House, stub: Stub) -> None:
    at = house.clock.now.replace(hour=1)
    for name in ("d", "x"):
        for i in range(4):
            more = {"conversion_event": {"type": "lead"}} if i == 0 else {}
            await talked(house, f"c-{name}-{i}", at, name, f"k{i}", **more)
    await happened(house, "agent_configured", {"name": "Bot", "industry": "dENTAL"}, at, agent="d")
    await settled(house)
    told = {"industries": [{"industry": "Dental", "conversionRateTarget": 50}]}
    await update(stub, told, "industries")
    answer = await stub.GradeAgents(pb.GradeAgentsRequest())
    parts = {g.agent_id: next(p for p in g.breakdown if p.metric == Metric.CONVERSION) for g in answer.grades}
    assert {g.agent_id: g.industry for g in answer.grades} == {"d": "Dental", "x": ""}
    assert {name: (p.target, p.score) for name, p in parts.items()} == {
        "d": (50, 50),
        "x": (30, pytest.approx(100 * 25 / 30)),
    }
    before = await stub.GradeAgents(pb.GradeAgentsRequest(policy_version=1, agent_ids=["d"]))
    assert (before.grades[0].industry, before.grades[0].breakdown[2].target) == ("", 30)
