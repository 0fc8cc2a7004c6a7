"""Agents next to each other."""

from __future__ import annotations

import grpc
import pytest
from rapport.metrics.v1 import comparison_pb2
from rapport.query.v1 import query_service_pb2

from tests.query.asking import day_start, named_fields, reason, stamp
from tests.query.conftest import Service
from tests.query.rows import INSTAGRAM, TODAY, WHATSAPP, Rows, ago
from tests.query.siblings import POLICY_VERSION


async def compare(service: Service, **asked: object) -> comparison_pb2.AgentComparison:
    return await service.stub.CompareAgents(query_service_pb2.CompareAgentsRequest(**asked))


@pytest.fixture
def sample(service: Service, rows: Rows) -> Rows:
    """Three agents: two good ones and one with two conversations on another platform, none of which led to anything."""
    for agent_id, platform, n, conversions, csat, amount, grade, score in (
        ("1", WHATSAPP, 1, 1, 500, "1200", "A", 70.0),
        ("2", WHATSAPP, 1, 1, 400, "2500", "B+", 72.0),
        ("3", INSTAGRAM, 2, 0, 300, "800", "B+", 60.0),
    ):
        rows.agent(agent_id, name=f"Agent {agent_id}")
        rows.counts(agent_id, ago(hours=1), platform, n=n, conversions=conversions, csat_n=1, csat_x100=csat)
        rows.money(agent_id, ago(hours=1), amount, platform=platform)
        rows.times(agent_id, ago(hours=1), 50, n, platform)
        rows.presence(2, agent_id, TODAY, n)
        service.scoring.grade(
            agent_id, grade=grade, grade_meaning="m", score=score, adjusted_score=score, coverage=0.5 if agent_id == "3" else 1.0
        )
    rows.presence(3, str(WHATSAPP), TODAY, 2)
    rows.presence(3, str(INSTAGRAM), TODAY, 1)
    rows.money("", ago(hours=1), "99", platform=0)
    return rows


async def test_the_summary_is_of_agents_and_pooled(service: Service, sample: Rows) -> None:
    got = await compare(service)

    summary = got.summary
    assert (summary.total_agents, summary.total_revenue, summary.currency) == (3, 4500, "INR")
    assert summary.pooled_satisfaction == 4
    assert summary.pooled_conversion_rate == 50
    assert dict(got.grade_distribution) == {"A": 1, "B+": 2}
    assert set(got.platform_effectiveness) == {"whatsapp", "instagram"}
    whatsapp = got.platform_effectiveness["whatsapp"]
    assert (whatsapp.active_users, whatsapp.conversations, whatsapp.revenue, whatsapp.conversion_rate) == (2, 2, 3700, 100)
    assert (got.quality.n, got.quality.policy_version, got.quality.coverage) == (4, POLICY_VERSION, pytest.approx(2.5 / 3))


async def test_each_agent_is_there_in_full_the_best_first(service: Service, sample: Rows) -> None:
    got = await compare(service)

    assert [c.agent_id for c in got.comparisons] == ["2", "1", "3"]
    first = got.comparisons[0]
    assert (first.name, first.performance_grade, first.business_metrics.total_revenue) == ("Agent 2", "B+", 2500)
    assert (first.conversation_metrics.customer_satisfaction_avg, first.conversation_metrics.distinct_customers) == (4, 1)
    assert first.conversation_metrics.HasField("response_time_p50_ms")
    assert (first.quality.n, first.quality.coverage, first.quality.policy_version) == (1, 1, POLICY_VERSION)
    assert got.next_page_token == ""


async def test_pages_neither_repeat_nor_skip(service: Service, sample: Rows) -> None:
    shown: list[str] = []
    token = ""
    for _ in range(3):
        page = await compare(service, page_size=1, page_token=token)
        assert page.summary.total_agents == 3
        shown += [c.agent_id for c in page.comparisons]
        token = page.next_page_token
    assert (shown, token) == (["2", "1", "3"], "")


async def test_a_newcomer_moves_no_page(service: Service, sample: Rows) -> None:
    first = await compare(service, page_size=1)
    service.scoring.grade("0", grade="A", adjusted_score=99.0)
    second = await compare(service, page_size=1, page_token=first.next_page_token)
    assert [c.agent_id for c in (*first.comparisons, *second.comparisons)] == ["2", "1"]


async def test_later_pages_are_of_the_first_pages_window(service: Service, sample: Rows) -> None:
    first = await compare(service, page_size=1)
    service.now = day_start(-3)
    second = await compare(service, page_size=1, page_token=first.next_page_token)
    assert second.quality.window == first.quality.window


@pytest.mark.parametrize("change", [{"agent_ids": ["1"]}, {"start_time": stamp(day_start(3))}, {"end_time": stamp(day_start(0))}])
async def test_a_page_token_is_of_one_question_only(service: Service, sample: Rows, change: dict[str, object]) -> None:
    token = (await compare(service, page_size=1)).next_page_token
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await compare(service, page_size=1, page_token=token, **change)
    assert (caught.value.code(), reason(caught.value)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN")


async def test_a_changed_page_token_is_refused(service: Service, sample: Rows) -> None:
    token = (await compare(service, page_size=1)).next_page_token
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await compare(service, page_size=1, page_token=token[:-2] + ("AA" if token[-2:] != "AA" else "BB"))
    assert reason(caught.value) == "INVALID_PAGE_TOKEN"


async def test_the_largest_id_fits_into_a_page_token(service: Service, rows: Rows) -> None:
    for number in range(2):
        agent_id = f"{number}" + "\N{SLIGHTLY SMILING FACE}" * 127
        rows.agent(agent_id)
        service.scoring.grade(agent_id, grade="A", adjusted_score=100 / 3 - number)
    first = await compare(service, page_size=1)
    second = await compare(service, page_size=1, page_token=first.next_page_token)
    assert [c.agent_id[0] for c in (*first.comparisons, *second.comparisons)] == ["0", "1"]


async def test_agents_asked_for_are_compared_alone(service: Service, sample: Rows) -> None:
    sample.agent("idle")
    sample.contribution("f1", ago(hours=1), agent_id="1", customer_id="a")
    sample.contribution("f2", ago(hours=1), agent_id="2", customer_id="b")
    sample.contribution("f3", ago(hours=1), agent_id="3", customer_id="b", platform=INSTAGRAM)

    got = await compare(service, agent_ids=["idle", "1"])

    assert [c.agent_id for c in got.comparisons] == ["1", "idle"]
    assert not got.comparisons[1].HasField("performance_grade")
    assert (got.summary.total_agents, got.summary.total_revenue, got.summary.pooled_conversion_rate) == (2, 1200, 100)
    assert dict(got.grade_distribution) == {"A": 1}
    assert set(got.platform_effectiveness) == {"whatsapp"}
    assert got.platform_effectiveness["whatsapp"].active_users == 1


async def test_an_agent_never_heard_of_is_not_found(service: Service, sample: Rows) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await compare(service, agent_ids=["1", "nobody"])
    assert (caught.value.code(), reason(caught.value)) == (grpc.StatusCode.NOT_FOUND, "AGENT_NOT_FOUND")
    assert named_fields(caught.value) == ["agent_ids[1]"]


async def test_nobody_to_compare(service: Service, rows: Rows) -> None:
    got = await compare(service)
    assert (got.summary.total_agents, got.summary.HasField("avg_satisfaction"), len(got.comparisons)) == (0, False, 0)


@pytest.mark.parametrize("agents", [0, 60])
async def test_the_number_of_statements_does_not_grow(service: Service, sample: Rows, agents: int) -> None:
    for number in range(agents):
        sample.agent(f"more {number}")
        sample.counts(f"more {number}", ago(hours=1), n=1)
        service.scoring.grade(f"more {number}", grade="A", adjusted_score=50.0)
    with service.statements() as sent:
        got = await compare(service, page_size=1000)
    assert len(got.comparisons) == 3 + agents
    assert len(sent) == 14
