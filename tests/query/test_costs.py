"""What agents, the tenant and winning a customer cost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from rapport.metrics.v1 import agent_pb2, customer_pb2, system_pb2
from rapport.query.v1 import query_service_pb2 as pb

from services.query import store_costs
from services.query.costs import Costs, Spending, costs, known, merged, return_on_investment
from services.query.periods import span_in_days
from services.runtime import windows
from tests.query.asking import stamp
from tests.query.conftest import Service
from tests.query.rows import NOW, TODAY, ZONE, Rows, ago
from tests.query.test_converted_money import careless, left_out

MODEL_USAGE, ACQUISITION = 1, 4
MAY, JUNE = date(2026, 5, 1), date(2026, 6, 1)
WEEK = windows.of_days(date(2026, 5, 4), date(2026, 5, 11), ZONE)


def between(window: windows.Window) -> dict[str, Any]:
    return {"start_time": stamp(window.start), "end_time": stamp(window.end)}


async def agent(service: Service, window: windows.Window | None = None) -> agent_pb2.AgentPerformance:
    given = between(window) if window else {}
    return await service.stub.GetAgentPerformance(pb.GetAgentPerformanceRequest(agent_id="1", **given))


async def system(service: Service, window: windows.Window | None = None) -> system_pb2.SystemPerformance:
    return await service.stub.GetSystemPerformance(pb.GetSystemPerformanceRequest(**(between(window) if window else {})))


async def customer(service: Service, customer_id: str = "c1") -> customer_pb2.CustomerInsight:
    return await service.stub.GetCustomerInsight(pb.GetCustomerInsightRequest(customer_id=customer_id))


async def test_a_week_takes_its_share_of_a_months_costs_in_two_currencies(service: Service, rows: Rows) -> None:
    rows.agent("1")
    rows.cost("3100", MAY, JUNE, agent_id="1")
    rows.cost("310", MAY, JUNE, agent_id="1", currency="USD")
    rows.cost("70", date(2026, 5, 8), date(2026, 5, 15), agent_id="1", customer_id="c9", category=MODEL_USAGE)
    rows.cost("9999", MAY, JUNE, agent_id="2")
    rows.cost("9999", MAY, JUNE)
    # June has not begun: a month's last day that is not after today is today.
    rows.rate("USD", TODAY - timedelta(days=7), "80")
    rows.rate("USD", date(2026, 5, 31), "1")

    got = await agent(service, WEEK)

    assert got.business_metrics.total_cost == 700 + 70 * 80 + 30
    assert left_out(got.quality) == []


async def test_costs_without_a_rate_are_apart_and_never_added(
    service: Service, rows: Rows, monkeypatch: pytest.MonkeyPatch, forget: Callable[[], None]
) -> None:
    rows.agent("1")
    rows.cost("3100", MAY, JUNE, agent_id="1")
    rows.cost("310", MAY, JUNE, agent_id="1", currency="USD")
    rows.cost("31", MAY, JUNE, agent_id="1", currency="EUR")
    rows.money("1", datetime(2026, 5, 5, 12, tzinfo=NOW.tzinfo), "5", currency="USD")
    rows.rate("USD", TODAY - timedelta(days=8), "80")

    got = await agent(service, WEEK)

    assert got.business_metrics.total_cost == 700
    # Of the week; money taken and money spent in a currency that cannot be told is told together.
    assert left_out(got.quality) == [("EUR", 7), ("USD", 75)]
    # The control: added regardless of currency, it is another sum.
    monkeypatch.setattr(store_costs, "priced", careless)
    forget()
    assert (await agent(service, WEEK)).business_metrics.total_cost == 700 + 70 + 7


async def test_a_cost_of_the_past_is_told_at_the_rate_of_its_last_day(service: Service, rows: Rows) -> None:
    rows.agent("1")
    rows.cost("30", date(2026, 4, 1), MAY, agent_id="1", currency="USD")
    for day, rate in ((date(2026, 4, 29), "70"), (MAY, "1000"), (TODAY, "9000"), (date(2026, 4, 5), "5")):
        rows.rate("USD", day, rate)
    april = windows.of_days(date(2026, 4, 1), MAY, ZONE)
    assert (await agent(service, april)).business_metrics.total_cost == 2100


async def test_only_costs_that_name_the_agent_make_it_cost_something(service: Service, rows: Rows) -> None:
    rows.agent("1")
    rows.cost("100", MAY, JUNE)
    rows.cost("100", MAY, JUNE, agent_id="2")
    assert not (await agent(service)).business_metrics.HasField("total_cost")
    rows.cost("100", date(2026, 1, 1), date(2026, 2, 1), agent_id="1")
    got = await agent(service)
    assert got.business_metrics.HasField("total_cost")
    assert got.business_metrics.total_cost == 0


async def test_costs_that_cannot_be_told_at_all_are_no_sum_of_nothing(service: Service, rows: Rows) -> None:
    rows.agent("1")
    rows.cost("100", TODAY, TODAY + timedelta(days=1), agent_id="1", currency="USD")
    got = await agent(service)
    assert not got.business_metrics.HasField("total_cost")
    assert left_out(got.quality) == [("USD", 100)]


async def test_quarters_of_an_hour_take_their_share_of_a_day(service: Service, rows: Rows) -> None:
    rows.agent("1")
    rows.cost("96", TODAY - timedelta(days=1), TODAY + timedelta(days=1), agent_id="1")
    noon = windows.midnight(TODAY, ZONE) + timedelta(hours=12)
    six_hours = windows.resolve(noon, noon + timedelta(hours=6), ZONE, NOW)
    assert (await agent(service, six_hours)).business_metrics.total_cost == 12
    over_midnight = windows.resolve(noon - timedelta(hours=18), noon - timedelta(hours=9), ZONE, NOW)
    assert (await agent(service, over_midnight)).business_metrics.total_cost == 18


async def test_the_days_of_a_month_add_up_to_its_cost(service: Service, rows: Rows) -> None:
    rows.agent("1")
    rows.cost("1000.01", MAY, JUNE, agent_id="1")
    days = [windows.of_days(MAY + timedelta(days=n), MAY + timedelta(days=n + 1), ZONE) for n in range(31)]
    costs = [(await agent(service, day)).business_metrics.total_cost for day in days]
    assert sum(costs) == pytest.approx(1000.01, abs=1e-9)
    whole = windows.of_days(MAY, JUNE, ZONE)
    assert (await agent(service, whole)).business_metrics.total_cost == 1000.01


def test_a_part_of_a_day_of_daylight_saving_time_is_a_part_of_its_hours() -> None:
    """On 2026-10-25 clocks in Berlin are put back at 3:00: the day has 25 hours."""
    midnight = windows.midnight(date(2026, 10, 25), "Europe/Berlin")
    window = windows.Window(midnight, midnight + timedelta(hours=5), "Europe/Berlin", None)
    start, end = span_in_days(window)
    assert (start % 1, end - start) == (0, Decimal(5) / 25)
    whole = windows.of_days(date(2026, 10, 25), date(2026, 10, 27), "Europe/Berlin")
    assert span_in_days(whole)[1] - span_in_days(whole)[0] == 2


async def test_a_comparison_and_a_dashboard_tell_costs(service: Service, rows: Rows) -> None:
    for agent_id in ("1", "2"):
        rows.agent(agent_id)
        rows.counts(agent_id, ago(hours=1), n=1)
        service.scoring.grade(agent_id, grade="A", score=90, adjusted_score=90, rank=1)
    rows.cost("60", TODAY - timedelta(days=59), TODAY + timedelta(days=1), agent_id="1")
    compared = await service.stub.CompareAgents(pb.CompareAgentsRequest())
    first, second = (each.business_metrics for each in compared.comparisons)
    assert (first.total_cost, second.HasField("total_cost")) == (30, False)
    dashboard = await service.stub.GetDashboard(pb.GetDashboardRequest(agent_id="1"))
    assert dashboard.performance.business_metrics.total_cost == 30
    assert dashboard.previous.business_metrics.total_cost == 30


async def test_a_tenants_costs_and_what_a_new_customer_costs(service: Service, rows: Rows) -> None:
    rows.cost("3100", MAY, JUNE)
    rows.cost("620", MAY, JUNE, agent_id="1", customer_id="c1", currency="USD")
    rows.cost("310", MAY, JUNE, category=ACQUISITION)
    rows.cost("31", MAY, JUNE, category=ACQUISITION, customer_id="c1", campaign="spring")
    rows.cost("1000", date(2026, 1, 1), date(2026, 1, 31), category=ACQUISITION)
    rows.rate("USD", TODAY, "10")
    for n, day in enumerate((3, 4, 7, 10, 11)):
        rows.customer(f"c{n}", date(2026, 5, day), TODAY)
    rows.customer("old", date(2026, 1, 1), date(2026, 5, 6))
    rows.customer("named only", None, None, days=0)

    overall = (await system(service, WEEK)).overall_metrics

    assert overall.total_cost == 700 + 1400 + 70 + 7
    assert overall.new_customers == 3
    assert overall.customer_acquisition_cost == pytest.approx(77 / 3)


async def test_without_costs_or_new_customers_there_is_no_cost_of_one(service: Service, rows: Rows) -> None:
    got = (await system(service, WEEK)).overall_metrics
    assert (got.HasField("total_cost"), got.HasField("customer_acquisition_cost"), got.new_customers) == (False, False, 0)
    rows.cost("310", MAY, JUNE, category=ACQUISITION)
    rows.cost("31", date(2026, 1, 1), date(2026, 2, 1))
    got = (await system(service, WEEK)).overall_metrics
    assert (got.total_cost, got.HasField("customer_acquisition_cost")) == (70, False)
    rows.customer("c1", date(2026, 5, 4), TODAY)
    assert (await system(service, WEEK)).overall_metrics.customer_acquisition_cost == 70
    # A customer of another time, and costs of another time.
    january = windows.of_days(date(2026, 1, 1), date(2026, 1, 8), ZONE)
    rows.customer("c2", date(2026, 1, 2), TODAY)
    got = (await system(service, january)).overall_metrics
    assert (got.total_cost, got.new_customers, got.HasField("customer_acquisition_cost")) == (7, 1, False)


async def test_a_part_of_what_was_spent_to_win_customers_says_too_little(service: Service, rows: Rows) -> None:
    rows.customer("c1", date(2026, 5, 4), TODAY)
    rows.cost("310", MAY, JUNE, category=ACQUISITION)
    rows.cost("31", MAY, JUNE, category=ACQUISITION, currency="USD")

    got = await system(service, WEEK)

    assert got.overall_metrics.total_cost == 70
    assert not got.overall_metrics.HasField("customer_acquisition_cost")
    assert left_out(got.quality) == [("USD", 7)]
    insight = await customer(service)
    assert not insight.business_metrics.HasField("customer_acquisition_cost")
    assert left_out(insight.quality) == [("USD", 31)]


async def test_new_customers_of_some_hours_are_those_whose_first_moment_is_in_them(service: Service, rows: Rows) -> None:
    for customer_id, hours in (("before", 5), ("in it", 3), ("after", 1)):
        rows.customer(customer_id, TODAY, TODAY)
        rows.contribution(f"{customer_id}-1", ago(hours=hours), customer_id=customer_id)
        rows.contribution(f"{customer_id}-2", ago(hours=hours / 2), customer_id=customer_id)
    rows.customer("bought", TODAY, TODAY, orders=1)
    rows.contribution("p", ago(hours=3), customer_id="bought", kind=2, conversations=0, orders=1)
    rows.contribution("q", ago(hours=6), customer_id="bought", kind=3, conversations=0)  # booked before: no engagement
    start = windows.floor_to_quarter(ago(hours=4))
    hours = windows.resolve(start, start + timedelta(hours=2), ZONE, NOW)
    assert (await system(service, hours)).overall_metrics.new_customers == 2
    assert (await system(service)).overall_metrics.new_customers == 4


async def test_what_was_spent_on_a_customer_by_name_comes_first(service: Service, rows: Rows) -> None:
    rows.customer("c1", date(2026, 5, 4), TODAY)
    rows.paid("c1", TODAY, "1000")
    rows.cost("150", date(2025, 1, 1), date(2025, 2, 1), category=ACQUISITION, customer_id="c1")
    rows.cost("1", MAY, JUNE, category=ACQUISITION, customer_id="c1", currency="USD")
    rows.cost("400", MAY, JUNE, category=MODEL_USAGE, customer_id="c1")
    rows.cost("400", MAY, JUNE, category=ACQUISITION)
    rows.rate("USD", TODAY, "100")

    worth = (await customer(service)).business_metrics

    assert (worth.customer_acquisition_cost, worth.return_on_investment) == (250, 3)


async def test_what_names_nobody_is_shared_by_those_first_seen_in_its_period(service: Service, rows: Rows) -> None:
    for customer_id, day in (("c1", 4), ("c2", 10), ("c3", 11), ("c4", 3)):
        rows.customer(customer_id, date(2026, 5, day), TODAY)
    rows.customer("unseen", None, None, days=0)
    rows.cost("90", WEEK.days[0], WEEK.days[1], category=ACQUISITION)  # c1 and c2
    rows.cost("400", MAY, JUNE, category=ACQUISITION, agent_id="1")  # all four
    rows.cost("7", MAY, JUNE, category=MODEL_USAGE)
    rows.cost("7", MAY, JUNE, category=ACQUISITION, customer_id="c3")

    shares = {c: (await customer(service, c)).business_metrics for c in ("c1", "c2", "c4")}

    assert {c: worth.customer_acquisition_cost for c, worth in shares.items()} == {"c1": 145, "c2": 145, "c4": 100}
    assert shares["c4"].return_on_investment == -1
    assert (await customer(service, "c3")).business_metrics.customer_acquisition_cost == 7
    unseen = (await customer(service, "unseen")).business_metrics
    assert not unseen.HasField("customer_acquisition_cost")
    assert not unseen.HasField("return_on_investment")


async def test_a_campaigns_cost_is_shared_by_those_it_brought(service: Service, rows: Rows) -> None:
    for customer_id, campaign in (("c1", "spring"), ("c2", "spring"), ("c3", "summer"), ("c4", None)):
        rows.customer(customer_id, date(2026, 5, 4), TODAY, campaign=campaign)
    rows.customer("late", JUNE, JUNE, campaign="spring")
    rows.cost("100", MAY, JUNE, category=ACQUISITION, campaign="spring")
    rows.cost("1", MAY, JUNE, category=ACQUISITION, campaign="spring", currency="USD")
    rows.cost("40", MAY, JUNE, category=ACQUISITION)
    rows.rate("USD", TODAY, "20")

    found = {c: (await customer(service, c)).business_metrics.customer_acquisition_cost for c in ("c1", "c3", "c4")}

    assert found == {"c1": 70, "c3": 10, "c4": 10}


async def test_a_return_on_nothing_or_on_unknown_money_is_undefined(service: Service, rows: Rows) -> None:
    rows.customer("c1", date(2026, 5, 4), TODAY)
    rows.cost("0", MAY, JUNE, category=ACQUISITION)
    worth = (await customer(service)).business_metrics
    assert (worth.HasField("customer_acquisition_cost"), worth.customer_acquisition_cost) == (True, 0)
    assert not worth.HasField("return_on_investment")
    rows.cost("10", MAY, JUNE, category=ACQUISITION, agent_id="1")
    assert (await customer(service)).business_metrics.return_on_investment == -1
    rows.paid("c1", TODAY, "9", "USD")
    worth = (await customer(service)).business_metrics
    assert (worth.customer_acquisition_cost, worth.HasField("return_on_investment")) == (10, False)


async def test_the_number_of_statements_does_not_grow_with_costs(service: Service, rows: Rows) -> None:
    rows.agent("1")
    rows.customer("c1", date(2026, 5, 4), TODAY)
    counts = []
    for turn in range(2):
        with service.statements() as sent:
            await agent(service)
            await system(service)
            await customer(service)
        counts.append(len(sent))
        for n in range(30):
            first = MAY - timedelta(days=30 * turn + n)
            rows.cost("1", first, JUNE, agent_id="1", category=ACQUISITION)
            rows.cost("1", first, JUNE, category=ACQUISITION, currency="USD")
            rows.customer(f"d{turn}-{n}", date(2026, 5, 4), TODAY)
    assert counts[0] == counts[1]


def test_what_amounts_come_to() -> None:
    assert (costs({}, "INR"), costs({}, "INR", are_known=True)) == (Costs(), Costs(Decimal(0)))
    assert costs({"USD": Decimal(0)}, "INR", are_known=True) == Costs()
    found = costs({"USD": Decimal(2), "EUR": Decimal(0), "INR": Decimal(5)}, "INR")
    assert (found, known(found), known(Costs(Decimal(5)))) == (Costs(Decimal(5), (("USD", Decimal(2)),)), None, Decimal(5))
    assert merged((("USD", Decimal(1)), ("EUR", Decimal(2))), (("USD", Decimal(3)),)) == (
        ("EUR", Decimal(2)),
        ("USD", Decimal(4)),
    )
    assert Spending().per_new_customer is None
    assert Spending(acquisition=Costs(Decimal(9)), new_customers=2).per_new_customer == Decimal("4.5")
    assert return_on_investment(Decimal(3), None) is return_on_investment(Decimal(3), Decimal(0)) is None
