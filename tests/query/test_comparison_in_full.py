"""What agents can be held against: benchmarks, the best and the last, each one's platforms, and comparisons of a part."""

from __future__ import annotations

import pytest
from rapport.metrics.v1 import common_pb2, comparison_pb2
from rapport.query.v1 import query_service_pb2

from tests.query.conftest import Service
from tests.query.rows import INSTAGRAM, TODAY, WEB, WHATSAPP, Rows, ago


async def compare(service: Service, **asked: object) -> comparison_pb2.AgentComparison:
    return await service.stub.CompareAgents(query_service_pb2.CompareAgentsRequest(**asked))


def benchmark(answer: comparison_pb2.AgentComparison, measure: str) -> comparison_pb2.Benchmark:
    (found,) = [each for each in answer.benchmarks if each.measure == measure]
    return found


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


async def test_benchmarks_are_pooled_and_over_agents(service: Service, team: Rows) -> None:
    got = await compare(service)

    conversion, rating = benchmark(got, "conversionRate"), benchmark(got, "customerSatisfactionAvg")
    # 28 of 52; agent 7 has 7 of 10, which is between 4 and 5 of 7.
    assert (conversion.n, conversion.pooled) == (7, pytest.approx(2800 / 52))
    assert conversion.agent_mean == pytest.approx((2100 / 7 + 70) / 7)
    assert (conversion.p25, conversion.median, conversion.p75) == tuple(pytest.approx(100 * n / 7) for n in (2, 4, 5))
    assert (rating.n, rating.agent_mean, rating.pooled, rating.median) == (4, 3.5, 3.5, 3)
    assert got.summary.avg_conversion_rate == conversion.agent_mean
    revenue, score = benchmark(got, "totalRevenue"), benchmark(got, "score")
    assert (revenue.pooled, revenue.agent_mean, revenue.p25, revenue.median, revenue.p75) == (2800, 400, 200, 400, 600)
    assert (score.HasField("pooled"), score.agent_mean, score.median, score.n) == (False, 40, 40, 7)
    response = benchmark(got, "averageResponseTime")
    assert (response.n, [f.name for f, _ in response.ListFields()]) == (0, ["measure"])


async def test_money_that_cannot_be_told_is_in_no_mean_over_conversations(service: Service, team: Rows) -> None:
    team.money("1", ago(hours=1), "5", currency="USD", platform=WEB)
    found = benchmark(await compare(service), "revenuePerConversation")
    assert (found.n, found.HasField("pooled"), found.p25) == (6, False, pytest.approx(300 / 7))


async def test_agents_with_money_but_no_conversation_are_not_compared(service: Service, team: Rows) -> None:
    """The control: named, they are; and the tenant's revenue has theirs, and nobody's."""
    team.agent("resting")
    team.money("resting", ago(hours=1), "1000")
    team.money("resting", ago(hours=1), "10", currency="USD", platform=WEB)
    team.money("", ago(hours=1), "5000", platform=0)
    team.insert("scoring.agent_day", agent_id="resting", bucket=TODAY, platform=WHATSAPP, booked=3)
    team.add("scoring.counts_total_day", {"bucket": TODAY, "platform": WHATSAPP}, booked=3)

    got = await compare(service)

    assert (got.summary.total_revenue, got.platform_effectiveness["whatsapp"].revenue) == (2800, 2800)
    assert (benchmark(got, "totalRevenue").pooled, benchmark(got, "totalRevenue").n) == (2800, 7)
    assert benchmark(got, "appointmentsBooked").pooled == 0
    assert (len(got.quality.unconverted), set(got.platform_effectiveness)) == (0, {"whatsapp", "instagram"})
    named = await compare(service, agent_ids=["1", "resting"])
    assert (named.summary.total_revenue, benchmark(named, "appointmentsBooked").pooled) == (1100, 3)
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
    asked = [(r.brief, list(r.agent_ids)) for r in service.scoring.requests if r.DESCRIPTOR.name == "GradeAgentsRequest"]
    assert asked == [(True, []), (False, ["7", "6"])]


async def test_nobody_on_the_page_asks_for_no_explanation(service: Service, rows: Rows) -> None:
    """No name would mean every agent."""
    await compare(service)
    assert [r.brief for r in service.scoring.requests] == [True]


async def test_each_agents_platforms(service: Service, team: Rows) -> None:
    first, second = (await compare(service)).comparisons[:2]
    assert [(p.platform, p.conversations, p.revenue_share) for p in first.platforms] == [(WHATSAPP, 7, 100), (INSTAGRAM, 3, 0)]
    assert [(p.platform, p.revenue) for p in second.platforms] == [(WHATSAPP, 600)]
    assert (len(first.days), len(first.grade_history)) == (0, 0)


async def test_a_comparison_on_some_platforms(service: Service, team: Rows) -> None:
    service.scoring.grades = {"7": service.scoring.grades["7"]}
    got = await compare(service, platforms=[INSTAGRAM])
    assert (got.quality.n, got.summary.total_revenue, set(got.platform_effectiveness)) == (3, 0, {"instagram"})
    assert (benchmark(got, "totalConversations").n, benchmark(got, "totalConversations").pooled) == (1, 3)
    assert all(list(r.platforms) == [INSTAGRAM] for r in service.scoring.requests)


async def test_a_comparison_in_an_industry(service: Service, team: Rows) -> None:
    for n, agent_id in enumerate(("1", "2", "2")):
        team.conversation(f"v{n}", ago(hours=1), agent_id=agent_id, industry="finance")
        team.contribution(f"v{n}", ago(hours=1), agent_id=agent_id, amount=str(n), currency="INR", orders=1, conversions=n % 2)
    team.contribution("other", ago(hours=1), agent_id="3")
    service.scoring.grades = {a: service.scoring.grades[a] for a in ("1", "2")}

    got = await compare(service, industries=["finance"])

    assert (got.quality.n, got.summary.total_revenue, got.platform_effectiveness["whatsapp"].active_users) == (3, 3, 1)
    conversion = benchmark(got, "conversionRate")
    assert (conversion.n, conversion.pooled, conversion.agent_mean) == (2, pytest.approx(100 / 3), 25)
    assert [c.quality.n for c in got.comparisons] == [2, 1]


@pytest.mark.parametrize("change", [{"platforms": [INSTAGRAM]}, {"industries": ["finance"]}])
async def test_a_page_token_is_of_the_same_filter(service: Service, team: Rows, change: dict[str, object]) -> None:
    token = (await compare(service, page_size=1)).next_page_token
    with pytest.raises(Exception, match="page"):
        await compare(service, page_size=1, page_token=token, **change)
