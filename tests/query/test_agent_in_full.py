"""What stands beside an agent's numbers: the period before, days, platforms, grades of the past, percentiles and filters."""

from __future__ import annotations

import math
import random
from datetime import timedelta

import pytest
from rapport.metrics.v1 import agent_pb2
from rapport.query.v1 import query_service_pb2

from tests.query.asking import day_start, stamp
from tests.query.conftest import Service
from tests.query.rows import INSTAGRAM, NOW, TODAY, WEB, WHATSAPP, Rows, ago


async def ask(service: Service, **asked: object) -> agent_pb2.AgentPerformance:
    return await service.stub.GetAgentPerformance(query_service_pb2.GetAgentPerformanceRequest(agent_id="1", **asked))


@pytest.fixture
def asha(rows: Rows) -> Rows:
    """Agent 1: six conversations on two platforms in this window, two in the one before; agent 2 is another."""
    rows.agent("1", name="Asha", industry="retail")
    rows.agent("2")
    rows.counts(
        "1", ago(hours=1), n=4, conversions=2, csat_n=2, csat_x100=900, csat_x100_sq=410_000, response_n=2, response_ms=9000
    )
    rows.counts("1", ago(days=3), INSTAGRAM, n=2, escalated=1)
    rows.counts("1", ago(days=35), n=2, conversions=2)
    rows.counts("2", ago(hours=1), n=9)
    rows.money("1", ago(hours=1), "300", orders=2)
    rows.money("1", ago(days=3), "100", platform=INSTAGRAM)
    rows.money("1", ago(days=35), "200")
    rows.presence(2, "1", TODAY, 3)
    rows.presence(2, "1", TODAY, 2, previous=ago(days=35).date())
    rows.presence(2, "1", ago(days=35).date(), 2)
    return rows


async def test_what_changed_since_the_period_before(service: Service, asha: Rows) -> None:
    service.scoring.grade("1", grade="A", score=90.0)

    found = {change.measure: change for change in (await ask(service)).changes}

    told = {name: (found[name].previous, found[name].current) for name in ("totalConversations", "totalRevenue", "score")}
    assert told == {"totalConversations": (2, 6), "totalRevenue": (200, 400), "score": (90, 90)}
    assert (found["distinctCustomers"].previous, found["distinctCustomers"].current) == (2, 5)
    assert (found["conversionRate"].relative, found["conversionRate"].better) == (pytest.approx(-200 / 3), False)
    # Of a base of 0 nothing is a percentage.
    assert (found["escalationRate"].previous, found["escalationRate"].HasField("relative")) == (0, False)
    asked = [(r.with_previous, r.start_time) for r in service.scoring.requests if r.DESCRIPTOR.name == "GradeAgentsRequest"]
    assert asked == [(True, stamp(day_start(29)))]


async def test_without_a_period_before_nothing_changed_and_quality_says_so(service: Service, asha: Rows) -> None:
    end = NOW.replace(minute=0)
    got = await ask(service, start_time=stamp(end - timedelta(days=20)), end_time=stamp(end))
    assert (len(got.changes), list(got.quality.missing)) == (0, ["previous"])
    assert [r.DESCRIPTOR.name for r in service.scoring.requests].count("GradeAgentsRequest") == 1


async def test_day_by_day(service: Service, asha: Rows) -> None:
    days = (await ask(service)).days
    assert [d.date for d in days] == [str(TODAY - timedelta(days=n)) for n in range(29, -1, -1)]
    assert [(d.conversations, d.revenue) for d in days[-4:]] == [(2, 100), (0, 0), (0, 0), (4, 300)]
    assert (days[-1].customer_satisfaction_avg, days[-1].average_response_time_ms, days[-1].conversion_rate) == (4.5, 4500, 50)
    assert {field.name for field, _ in days[0].ListFields()} == {"date"}


async def test_of_a_long_window_the_newest_400_days_are_told(service: Service, asha: Rows) -> None:
    asha.counts("1", ago(days=500), n=7)
    got = await ask(service, start_time=stamp(day_start(599)), end_time=stamp(day_start(-1)))
    assert (len(got.days), got.days[0].date, got.days[-1].date) == (400, str(TODAY - timedelta(days=399)), str(TODAY))
    assert (got.quality.n, sum(d.conversations for d in got.days)) == (15, 8)


async def test_by_platform_with_shares_and_intervals(service: Service, asha: Rows) -> None:
    asha.money("1", ago(hours=2), "-50", platform=WEB, orders=0)
    asha.money("1", ago(hours=2), "50", platform=0)

    whatsapp, instagram, web = (await ask(service)).platforms

    assert (whatsapp.platform, whatsapp.conversations, whatsapp.revenue, whatsapp.revenue_share) == (WHATSAPP, 4, 300, 75)
    assert (whatsapp.revenue_per_conversation, whatsapp.rated_conversations, whatsapp.customer_satisfaction_avg) == (75, 2, 4.5)
    assert (whatsapp.conversion_rate, whatsapp.conversation_completion_rate, whatsapp.escalation_rate) == (50, 100, 0)
    assert whatsapp.conversion_interval.low == pytest.approx(15.0036, abs=1e-3)
    assert whatsapp.conversion_interval.high == pytest.approx(84.9964, abs=1e-3)
    assert whatsapp.conversion_interval.level == 0.95
    # Of two ratings, 4 and 5, the true mean may be anywhere on the scale.
    assert (whatsapp.satisfaction_interval.low, whatsapp.satisfaction_interval.high) == (1, 5)
    assert (instagram.revenue_share, instagram.HasField("satisfaction_interval"), instagram.rated_conversations) == (25, False, 0)
    # Refunds alone: a part of the whole, but of no conversations.
    assert (web.platform, web.revenue, web.revenue_share) == (WEB, -50, -12.5)
    assert not any(web.HasField(f) for f in ("conversion_interval", "conversion_rate", "revenue_per_conversation"))


async def test_a_share_of_no_revenue_is_absent(service: Service, rows: Rows) -> None:
    rows.agent("1")
    rows.counts("1", ago(hours=1), n=1)
    (only,) = (await ask(service)).platforms
    assert not only.HasField("revenue_share")


async def test_grades_of_the_last_90_days_the_oldest_first(service: Service, asha: Rows) -> None:
    for days in (1, 2, 90, 91):
        service.scoring.snapshot("1", str(TODAY - timedelta(days=days)), grade="A", score=91.0, adjusted_score=89.0, rank=days)
    service.scoring.snapshot("1", str(TODAY - timedelta(days=3)))

    history = (await ask(service)).grade_history

    assert [p.date for p in history] == [str(TODAY - timedelta(days=n)) for n in (90, 3, 2, 1)]
    assert (history[-1].grade, history[-1].score, history[-1].adjusted_score, history[-1].rank) == ("A", 91, 89, 1)
    assert {field.name for field, _ in history[1].ListFields()} == {"date"}


@pytest.mark.parametrize("seed", range(3))
async def test_percentiles_are_those_of_the_times_themselves(service: Service, rows: Rows, seed: int) -> None:
    """Of random times, over several days and platforms; those of another agent are not in them."""
    chance = random.Random(seed)
    times = [chance.randint(1, 10 ** chance.randint(1, 8)) for _ in range(chance.randint(1, 60))]
    rows.agent("1")
    rows.times("2", ago(hours=1), 1, 1000)
    for number, time in enumerate(times):
        at, bucket = ago(days=number % 29, hours=1), math.ceil(math.log(time) / math.log(1.04))
        for name in ("response", "duration"):
            for table, key in ((f"{name}_day", {"agent_id": "1"}), (f"{name}_total_day", {})):
                where = {**key, "bucket": at.date(), "platform": 1 + number % 3, "log_bucket": bucket}
                rows.add(f"scoring.{table}", where, n=1)

    got = (await ask(service)).conversation_metrics

    for percent in (50, 90, 99):
        exact = sorted(times)[math.ceil(percent * len(times) / 100) - 1]
        assert getattr(got, f"response_time_p{percent}_ms") == pytest.approx(exact, rel=0.02)
        assert getattr(got, f"duration_p{percent}_s") == pytest.approx(exact / 1000, rel=0.02)


async def test_of_some_platforms_only(service: Service, asha: Rows) -> None:
    asha.cost("60", TODAY, TODAY + timedelta(days=1), agent_id="1")
    asha.contribution("f1", ago(days=3), customer_id="a", platform=INSTAGRAM)
    asha.contribution("f2", ago(days=3), customer_id="a", platform=INSTAGRAM)
    asha.contribution("f3", ago(days=3), customer_id="b")
    assert (await ask(service)).business_metrics.total_cost == 60
    service.scoring.requests.clear()

    got = await ask(service, platforms=[INSTAGRAM])

    assert (got.quality.n, got.business_metrics.total_revenue, got.conversation_metrics.distinct_customers) == (2, 100, 1)
    assert [slice_.platform for slice_ in got.platforms] == [INSTAGRAM]
    # Costs are kept by no platform.
    assert not got.business_metrics.HasField("total_cost")
    graded = [r for r in service.scoring.requests if r.DESCRIPTOR.name == "GradeAgentsRequest"]
    assert [list(r.platforms) for r in graded] == [[INSTAGRAM]]
    both = await ask(service, platforms=[INSTAGRAM, WHATSAPP])
    assert (both.quality.n, both.conversation_metrics.distinct_customers) == (6, 2)
    assert (await ask(service, platforms=[WEB])).quality.n == 0


async def test_of_some_industries_only_facts_are_added_up(service: Service, asha: Rows) -> None:
    """A conversation's own industry comes before its agent's, which is retail."""
    asha.conversation("v1", ago(hours=1), industry="finance")
    asha.conversation("v2", ago(hours=2), customer_id="c2")
    asha.conversation("v3", ago(days=40), industry="finance")
    told = {"ended": 1, "completed": 1, "csat_x100": 400, "response_ms": 5000, "duration_ms": 60_000}
    asha.contribution("v1", ago(hours=1), conversions=1, amount="70", currency="INR", orders=1, **told)
    asha.contribution("v2", ago(hours=2), customer_id="c2", amount="1", currency="INR", orders=1)
    asha.contribution("v3", ago(days=40), **told)

    got = await ask(service, industries=["finance"])

    talks, business = got.conversation_metrics, got.business_metrics
    assert (talks.total_conversations, talks.distinct_customers, talks.customer_satisfaction_avg) == (1, 1, 4)
    assert (business.total_revenue, business.orders, business.conversion_rate) == (70, 1, 100)
    assert (talks.response_time_p50_ms, talks.duration_p99_s) == (pytest.approx(5000, rel=0.02), pytest.approx(60, rel=0.02))
    assert [(d.conversations, d.revenue) for d in got.days[-2:]] == [(0, 0), (1, 70)]
    assert {c.measure: c.previous for c in got.changes}["totalConversations"] == 1
    assert [list(r.industries) for r in service.scoring.requests if r.DESCRIPTOR.name == "GradeAgentsRequest"] == [["finance"]]
    assert (await ask(service, industries=["retail"])).business_metrics.total_revenue == 1
    assert (await ask(service, industries=["finance", "retail"], platforms=[WHATSAPP])).quality.n == 2
    assert (await ask(service, industries=["finance"], platforms=[WEB])).quality.n == 0


@pytest.mark.parametrize(("asked", "statements"), [({}, 8), ({"platforms": [WHATSAPP, WEB]}, 9), ({"industries": ["retail"]}, 9)])
async def test_the_number_of_statements_is_fixed(service: Service, asha: Rows, asked: dict[str, object], statements: int) -> None:
    for more in (0, 20):
        for n in range(more):
            asha.counts("1", ago(days=n, hours=6), WEB, n=1)
            asha.money("1", ago(days=n, hours=6), "1", platform=WEB, currency="USD")
            asha.cost("1", TODAY - timedelta(days=n + 1), TODAY, agent_id="1")
        with service.statements() as sent:
            await ask(service, **asked)
        assert len(sent) == statements
