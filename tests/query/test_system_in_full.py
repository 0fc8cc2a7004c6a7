"""What stands beside the tenant's numbers: the period before, days, earners, a customer's worth, platforms next to each other."""

from __future__ import annotations

import math
from datetime import date, timedelta

import pytest
from rapport.metrics.v1 import system_pb2
from rapport.query.v1 import query_service_pb2

from services.query import loading_tenant
from services.query.histograms import middle
from services.query.performance import Sums, Totals
from services.query.platforms import stand
from services.runtime.windows import midnight
from tests.query.asking import day_start, stamp
from tests.query.conftest import Service
from tests.query.rows import INSTAGRAM, NOW, TODAY, WEB, WHATSAPP, ZONE, Rows, ago

ACQUISITION = 4


async def ask(service: Service, **asked: object) -> system_pb2.SystemPerformance:
    return await service.stub.GetSystemPerformance(query_service_pb2.GetSystemPerformanceRequest(**asked))


@pytest.fixture
def tenant(rows: Rows) -> Rows:
    """Two agents on two platforms now, one before; money of theirs and of nobody's."""
    for agent_id in ("1", "2"):
        rows.agent(agent_id, name=f"Agent {agent_id}")
    rows.counts("1", ago(hours=1), n=4, conversions=2, csat_n=2, csat_x100=900, csat_x100_sq=410_000)
    rows.counts("2", ago(days=3), INSTAGRAM, n=2)
    rows.counts("1", ago(days=35), n=3)
    rows.money("1", ago(hours=1), "100")
    rows.money("2", ago(days=3), "300", platform=INSTAGRAM, orders=2)
    rows.money("", ago(days=3), "100", platform=0)
    rows.money("2", ago(days=35), "250", platform=INSTAGRAM)
    rows.presence(1, "", TODAY, 4)
    rows.presence(1, "", TODAY, 1, previous=ago(days=35).date())
    rows.presence(1, "", ago(days=35).date(), 2)
    rows.times("1", ago(hours=1), 100, 2)
    rows.lengths("1", ago(hours=1), 200, 2)
    return rows


async def test_what_changed_since_the_period_before(service: Service, tenant: Rows) -> None:
    found = {c.measure: c for c in (await ask(service)).changes}
    told = {name: (found[name].previous, found[name].current) for name in ("totalConversations", "totalRevenue")}
    assert told == {"totalConversations": (3, 6), "totalRevenue": (250, 500)}
    assert (found["distinctCustomers"].previous, found["distinctCustomers"].current) == (2, 5)
    assert "score" not in found


async def test_day_by_day_and_percentiles(service: Service, tenant: Rows) -> None:
    got = await ask(service)
    assert (len(got.days), [(d.conversations, d.revenue) for d in got.days[-4:]]) == (30, [(2, 400), (0, 0), (0, 0), (4, 100)])
    overall = got.overall_metrics
    assert overall.response_time_p50_ms == overall.response_time_p99_ms == pytest.approx(2 * 1.04**100 / 2.04)
    assert overall.duration_p90_s == pytest.approx(2 * 1.04**200 / 2.04 / 1000)


async def test_whole_days_of_everybody_are_read_from_the_tenants_rollups(service: Service, tenant: Rows) -> None:
    """The control: what only the agents' rollups know is not in the sums; asked by agents, it is."""
    tenant.insert("scoring.agent_day", agent_id="9", bucket=TODAY, platform=WEB, conversations=50)
    assert (await ask(service)).quality.n == 6
    compared = await service.stub.GetAgentPerformance(query_service_pb2.GetAgentPerformanceRequest(agent_id="1"))
    assert compared.quality.n == 4


async def test_who_brought_the_revenue(service: Service, tenant: Rows) -> None:
    for number in range(12):
        tenant.money(f"small {number:02}", ago(hours=2), str(number), orders=1)
    tenant.money("dollars", ago(hours=2), "5000", currency="USD")

    found = (await ask(service)).revenue_by_agent

    names = ["2", "1", *(f"small {n:02}" for n in range(11, 3, -1)), ""]
    assert [each.agent_id for each in found] == names
    assert (found[0].name, found[0].revenue, found[0].orders) == ("Agent 2", 300, 2)
    assert (found[0].share, found[-1].share) == (pytest.approx(30000 / 566), pytest.approx(10000 / 566))


async def test_who_scoring_says_brought_most_is_read_alone(
    service: Service, tenant: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: without scoring's word everybody is looked at, and the answer is the same."""
    monkeypatch.setattr(loading_tenant, "_FIRST_S", 10.0)
    for number in range(12):
        tenant.money(f"small {number:02}", ago(hours=2), str(number), orders=1)
    with service.statements() as of_everybody:
        alone = (await ask(service)).revenue_by_agent

    service.scoring.earners = [each.agent_id for each in alone if each.agent_id]
    with service.statements() as by_name:
        assert (await ask(service)).revenue_by_agent == alone
    ranked = [[s for s in sent if "revenue_day" in s and "row_number" in s] for sent in (of_everybody, by_name)]
    assert [["agent_id = ANY" in statement for statement in each] for each in ranked] == [[False], [True]]
    # It is taken at its word.
    service.scoring.earners = [*service.scoring.earners[1:], "1"]
    assert [each.agent_id for each in (await ask(service)).revenue_by_agent] == [*(each.agent_id for each in alone[1:-1]), ""]


async def test_nobodys_revenue_is_left_out_where_there_is_none(service: Service, rows: Rows) -> None:
    rows.money("1", ago(hours=2), "-5", orders=0)
    (only,) = (await ask(service)).revenue_by_agent
    assert (only.agent_id, only.revenue, only.HasField("share")) == ("1", -5, False)


async def test_what_a_customer_is_worth_and_costs(service: Service, tenant: Rows) -> None:
    tenant.customer("c1", date(2025, 1, 1), TODAY)
    tenant.customer("c2", TODAY, TODAY)
    tenant.customer("named only", None, None, days=0)
    tenant.cost("50", TODAY, TODAY + timedelta(days=1), category=ACQUISITION)

    overall = (await ask(service)).overall_metrics

    # 750 of all time by the two who were ever there, one of whom came in the window.
    assert (overall.average_lifetime_value, overall.customer_acquisition_cost) == (375, 50)
    assert overall.lifetime_value_to_acquisition_cost == 7.5


async def test_the_worth_of_nobody_and_of_unknown_money_is_absent(service: Service, tenant: Rows) -> None:
    assert not (await ask(service)).overall_metrics.HasField("average_lifetime_value")
    tenant.customer("c1", TODAY, TODAY)
    overall = (await ask(service)).overall_metrics
    assert (overall.average_lifetime_value, overall.HasField("lifetime_value_to_acquisition_cost")) == (750, False)
    tenant.money("1", ago(days=300), "1", currency="USD")
    assert not (await ask(service)).overall_metrics.HasField("average_lifetime_value")


async def test_platforms_have_shares_and_intervals(service: Service, tenant: Rows) -> None:
    got = (await ask(service)).platform_distribution
    assert (got["whatsapp"].revenue_share, got["instagram"].revenue_share) == (20, 60)  # the rest is on none
    assert got["whatsapp"].conversion_interval.low == pytest.approx(15.0036, abs=1e-3)
    assert (got["whatsapp"].rated_conversations, got["whatsapp"].HasField("satisfaction_interval")) == (2, True)
    assert not got["whatsapp"].HasField("conversion_p_value")  # of too few


async def test_of_some_platforms_only(service: Service, tenant: Rows) -> None:
    tenant.presence(3, str(INSTAGRAM), TODAY, 2)
    tenant.customer("c1", ago(days=3).date(), TODAY)
    tenant.customer("c2", ago(days=3).date(), TODAY)
    tenant.contribution("f1", ago(days=3), agent_id="2", platform=INSTAGRAM)
    tenant.contribution("f2", ago(days=3), customer_id="c2")
    tenant.cost("50", TODAY, TODAY + timedelta(days=1), category=ACQUISITION)

    got = await ask(service, platforms=[INSTAGRAM])

    overall = got.overall_metrics
    assert (overall.total_conversations, overall.total_revenue, overall.total_customers) == (2, 300, 2)
    assert (overall.total_active_agents, overall.new_customers) == (1, 1)
    assert set(got.platform_distribution) == {"instagram"}
    assert [each.agent_id for each in got.revenue_by_agent] == ["2"]
    # Costs, and who customers are for all time, are kept by no platform.
    assert not any(overall.HasField(f) for f in ("total_cost", "customer_acquisition_cost", "average_lifetime_value"))
    nowhere = await ask(service, platforms=[0])
    assert (nowhere.overall_metrics.total_revenue, nowhere.overall_metrics.revenue_without_platform) == (100, 100)


async def test_of_some_industries_only(service: Service, tenant: Rows) -> None:
    tenant.customer("c1", ago(days=3).date(), TODAY)
    tenant.conversation("v1", ago(days=3), agent_id="2", industry="finance", platform=INSTAGRAM)
    tenant.contribution("v1", ago(days=3), agent_id="2", platform=INSTAGRAM, amount="7", currency="INR", orders=1)
    got = await ask(service, industries=["finance"])
    overall = got.overall_metrics
    assert (overall.total_conversations, overall.total_revenue, overall.total_customers) == (1, 7, 1)
    assert (overall.total_active_agents, overall.new_customers) == (1, 1)
    assert [(each.agent_id, each.share) for each in got.revenue_by_agent] == [("2", 100)]
    assert got.platform_distribution["instagram"].active_users == 1


async def test_quarters_of_an_hour(service: Service, tenant: Rows) -> None:
    end = NOW.replace(minute=0)
    got = await ask(service, start_time=stamp(end - timedelta(hours=2)), end_time=stamp(end))
    assert (got.quality.n, [(d.date, d.conversations) for d in got.days]) == (4, [(str(TODAY), 4)])
    assert got.overall_metrics.response_time_p50_ms == pytest.approx(2 * 1.04**100 / 2.04)
    gone = await ask(service, start_time=stamp(end - timedelta(days=20)), end_time=stamp(end))
    assert (len(gone.changes), list(gone.quality.missing)) == (0, ["previous"])


async def test_the_window_may_be_of_many_years(service: Service, tenant: Rows) -> None:
    got = await ask(service, start_time=stamp(day_start(3000)), end_time=stamp(day_start(-1)))
    assert (got.quality.n, len(got.days), got.days[-1].conversations) == (9, 400, 4)


def test_p_values_are_against_all_other_platforms_together() -> None:
    ours = Sums(conversations=100, conversions=60, csat_n=40, csat_x100=40 * 450, csat_x100_sq=40 * 205_000)
    theirs = Sums(conversations=50, conversions=20, csat_n=30, csat_x100=30 * 400, csat_x100_sq=30 * 165_000)
    rest = Sums(conversations=50, conversions=20, csat_n=10, csat_x100=10 * 400, csat_x100_sq=10 * 165_000)

    found = {each.platform: each for each in stand({1: Totals(ours), 2: Totals(theirs), 3: Totals(rest)}, "INR")}

    # z = (.6 - .4) / sqrt(.5 · .5 · (1/100 + 1/100)) = 2.828
    assert found[1].conversion_p == pytest.approx(math.erfc(2 / math.sqrt(1)), rel=1e-6)
    assert found[1].satisfaction_p is not None
    assert found[1].satisfaction_p < 0.001
    assert found[3].satisfaction_p is None  # ten ratings
    assert stand({1: Totals(ours)}, "INR")[0].conversion_p is None


def test_where_nothing_differs_chance_explains_all() -> None:
    alike = Sums(conversations=40, csat_n=40, csat_x100=40 * 500, csat_x100_sq=40 * 250_000)
    worse = Sums(conversations=40, csat_n=40, csat_x100=40 * 400, csat_x100_sq=40 * 160_000)
    both = stand({WHATSAPP: Totals(alike), WEB: Totals(alike)}, "INR")
    assert [(each.conversion_p, each.satisfaction_p) for each in both] == [(1, 1), (1, 1)]
    assert [each.satisfaction_p for each in stand({WHATSAPP: Totals(alike), WEB: Totals(worse)}, "INR")] == [0, 0]


@pytest.mark.parametrize("first", [date(2026, 1, 1), date(2026, 1, 10), date(2026, 1, 25), date(2026, 4, 28)])
@pytest.mark.parametrize("last", [date(2026, 5, 1), date(2026, 5, 12), date(2026, 5, 21)])
async def test_percentiles_of_any_days(service: Service, rows: Rows, first: date, last: date) -> None:
    """Whole months are read at once: what is outside of the window, in the same months, counts for nothing."""
    start, end = (midnight(day, ZONE) for day in (first, last))
    hour = timedelta(hours=1)
    outside = [start - hour, end + hour, start - timedelta(days=8), end + timedelta(days=8)]
    for n, at in enumerate(outside):
        rows.times(str(n), at, 200, 100)
    for n, at in enumerate((start + hour, end - hour)):
        rows.times(f"in {n}", at, 50 + 10 * n, 1)

    overall = (await ask(service, start_time=stamp(start), end_time=stamp(end))).overall_metrics

    assert overall.response_time_p50_ms == pytest.approx(middle(50))
    assert overall.response_time_p99_ms == pytest.approx(middle(60))
