"""What agents can be held against: benchmarks, the best and the last, each one's platforms, and comparisons of a part."""

from __future__ import annotations

import pytest
from rapport.metrics.v1 import common_pb2, comparison_pb2
from rapport.query.v1 import query_service_pb2

from tests.query.conftest import Service
from tests.query.rows import INSTAGRAM, TODAY, WEB, WHATSAPP, Rows, ago
from tests.query.test_comparison_pages import compare


@pytest.fixture
def team(service: Service, rows: Rows) -> Rows:
    """Seven agents with n conversations each, n/7 of them successes; agent 7 works on two platforms."""
    for n in range(1, 8):
        agent_id = str(n)
        rows.agent(agent_id, name=f"Agent {n}")
        rows.counts(
            agent_id,
            ago(hours=1),
            n=7,
            conversions=n,
            csat_n=1 if n % 2 else 0,
            csat_x100=100 * (n if n < 6 else 5) if n % 2 else 0,
        )
        rows.money(agent_id, ago(hours=1), str(100 * n))
        service.scoring.grade(
            agent_id, grade="A", score=10.0 * n, adjusted_score=9.0 * n, rank=8 - n, n=7, coverage=1.0, strengths=["good"],
            adjusted_interval=common_pb2.Interval(low=9 * n - 5, high=9 * n + 5, level=0.9),
        )  # fmt: skip
    rows.counts("7", ago(hours=2), INSTAGRAM, n=3)
    rows.presence(3, str(WHATSAPP), TODAY, 20)
    return rows


async def test_benchmarks_are_scorings(service: Service, team: Rows) -> None:
    """They are of the agents compared, not of those that the page shows."""
    told = [
        comparison_pb2.Benchmark(measure="customerSatisfactionAvg", pooled=3.5, agent_mean=3.25, p25=1, median=3, p75=5, n=4),
        comparison_pb2.Benchmark(measure="conversionRate", pooled=2800 / 52, agent_mean=2170 / 7, n=7),
        comparison_pb2.Benchmark(measure="averageResponseTime"),
    ]
    service.scoring.benchmarks = told

    got = await compare(service, page_size=1)

    assert list(got.benchmarks) == told
    assert (got.summary.avg_satisfaction, got.summary.avg_conversion_rate) == (3.25, 2170 / 7)


async def test_means_over_agents_for_none_of_whom_they_are_defined_are_absent(service: Service, team: Rows) -> None:
    service.scoring.benchmarks = [comparison_pb2.Benchmark(measure="customerSatisfactionAvg", pooled=3.5)]
    summary = (await compare(service)).summary
    assert (summary.HasField("avg_satisfaction"), summary.HasField("avg_conversion_rate")) == (False, False)


async def test_agents_with_money_but_no_conversation_are_not_compared(service: Service, team: Rows) -> None:
    """The control: named, they are; and the tenant's revenue has theirs, and nobody's."""
    team.agent("resting")
    service.scoring.resting = ["resting"]
    team.money("resting", ago(hours=1), "1000")
    team.money("resting", ago(hours=1), "10", currency="USD", platform=WEB)
    team.money("", ago(hours=1), "5000", platform=0)
    team.insert("scoring.agent_day", agent_id="resting", bucket=TODAY, platform=WHATSAPP, booked=3)
    team.add("scoring.counts_total_day", {"bucket": TODAY, "platform": WHATSAPP}, booked=3)

    got = await compare(service)

    assert (got.summary.total_revenue, got.platform_effectiveness["whatsapp"].revenue) == (2800, 2800)
    assert got.quality.n == 52
    assert (len(got.quality.unconverted), set(got.platform_effectiveness)) == (0, {"whatsapp", "instagram"})
    named = await compare(service, agent_ids=["1", "resting"])
    assert named.summary.total_revenue == 1100
    whole = await service.stub.GetSystemPerformance(query_service_pb2.GetSystemPerformanceRequest())
    assert whole.overall_metrics.total_revenue == 8800


async def test_the_best_and_the_last(service: Service, team: Rows) -> None:
    service.scoring.grades["6"].provisional = True

    got = await compare(service, page_size=1)

    assert [each.agent_id for each in got.leaders] == ["7", "5", "4", "3", "2"]
    assert [each.agent_id for each in got.trailers] == ["1"]
    best = got.leaders[0]
    assert (best.name, best.grade, best.adjusted_score, best.rank, best.n) == ("Agent 7", "A", 63, 1, 7)
    assert (best.adjusted_interval.low, best.adjusted_interval.high) == (58, 68)


async def test_only_the_pages_grades_are_explained(service: Service, team: Rows) -> None:
    got = await compare(service, page_size=2)
    assert [list(each.strengths) for each in got.comparisons] == [["good"], ["good"]]
    asked = [(r.page_size, list(r.agent_ids)) for r in service.scoring.requests if r.DESCRIPTOR.name == "GradeAgentsRequest"]
    assert asked == [(2, [])]


async def test_nobody_to_compare(service: Service, rows: Rows) -> None:
    got = await compare(service)
    assert (got.summary.total_agents, len(got.comparisons), len(service.scoring.requests)) == (0, 0, 1)


async def test_each_agents_platforms(service: Service, team: Rows) -> None:
    first, second = (await compare(service)).comparisons[:2]
    assert [(p.platform, p.conversations, p.revenue_share) for p in first.platforms] == [(WHATSAPP, 7, 100), (INSTAGRAM, 3, 0)]
    assert [(p.platform, p.revenue) for p in second.platforms] == [(WHATSAPP, 600)]
    assert (len(first.days), len(first.grade_history)) == (0, 0)


async def test_a_comparison_on_some_platforms(service: Service, team: Rows) -> None:
    service.scoring.grades = {"7": service.scoring.grades["7"]}
    got = await compare(service, platforms=[INSTAGRAM])
    assert (got.quality.n, got.summary.total_revenue, set(got.platform_effectiveness)) == (3, 0, {"instagram"})
    assert all(list(r.platforms) == [INSTAGRAM] for r in service.scoring.requests)


async def test_a_comparison_in_an_industry(service: Service, team: Rows) -> None:
    for n, agent_id in enumerate(("1", "2", "2")):
        team.conversation(f"v{n}", ago(hours=1), agent_id=agent_id, industry="finance")
        team.contribution(f"v{n}", ago(hours=1), agent_id=agent_id, amount=str(n), currency="INR", orders=1, conversions=n % 2)
    team.contribution("other", ago(hours=1), agent_id="3")
    service.scoring.grades = {a: service.scoring.grades[a] for a in ("1", "2")}

    got = await compare(service, industries=["finance"])

    assert (got.quality.n, got.summary.total_revenue, got.platform_effectiveness["whatsapp"].active_users) == (3, 3, 1)
    assert got.summary.pooled_conversion_rate == pytest.approx(100 / 3)
    assert [c.quality.n for c in got.comparisons] == [2, 1]


@pytest.mark.parametrize("change", [{"platforms": [INSTAGRAM]}, {"industries": ["finance"]}])
async def test_a_page_token_is_of_the_same_filter(service: Service, team: Rows, change: dict[str, object]) -> None:
    token = (await compare(service, page_size=1)).next_page_token
    with pytest.raises(Exception, match="page"):
        await compare(service, page_size=1, page_token=token, **change)
