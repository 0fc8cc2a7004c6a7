"""Money in other currencies: told in the reporting one at the day's rate, or apart where no rate holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from rapport.metrics.v1 import common_pb2
from rapport.query.v1 import query_service_pb2 as pb
from sqlalchemy import literal

from services.query import store, store_rows
from services.query.performance import Place, Takings
from services.query.questions import Question
from services.query.store_rows import AGENT
from services.runtime import windows
from services.runtime.tenancy import set_tenant
from services.storage import money
from services.storage.readings import read
from tests.query.asking import stamp
from tests.query.conftest import Service
from tests.query.rows import INSTAGRAM, NOW, TODAY, WHATSAPP, ZONE, Rows, ago


def left_out(quality: common_pb2.Quality) -> list[tuple[str, Decimal]]:
    return [(m.currency_code, m.units + Decimal(m.nanos).scaleb(-9)) for m in quality.unconverted]


def careless(rows: Any, day: Any, reporting: str) -> money.Priced:
    """Stand in for `priced`, without the rule that currencies are never added."""
    return replace(money.priced(rows, day, reporting), currency=literal(reporting))


async def performance(service: Service) -> Any:
    return await service.stub.GetAgentPerformance(pb.GetAgentPerformanceRequest(agent_id="1"))


@pytest.fixture
def two_currencies(rows: Rows) -> Rows:
    """Agent 1: two conversations today, 1,200.10 rupees of two orders and 49.95 dollars of one."""
    rows.agent("1")
    rows.counts("1", ago(hours=1), n=2)
    rows.money("1", ago(hours=1), "1200.10", orders=2)
    rows.money("1", ago(hours=1), "49.95", currency="USD", platform=INSTAGRAM)
    return rows


async def test_money_with_a_rate_is_in_every_figure(service: Service, two_currencies: Rows) -> None:
    two_currencies.rate("USD", TODAY, "80.5")

    got = await performance(service)

    business = got.business_metrics
    total = 1200.10 + 49.95 * 80.5
    assert business.total_revenue == pytest.approx(total, abs=1e-9)
    assert business.average_order_value == pytest.approx(total / 3)
    assert business.revenue_per_conversation == pytest.approx(total / 2)
    assert (business.orders, business.currency, got.quality.currency, left_out(got.quality)) == (3, "INR", "INR", [])


async def test_money_without_a_rate_is_apart_and_what_needs_it_absent(service: Service, two_currencies: Rows) -> None:
    # Rates of other currencies, into others, of other tenants and the other way round do not help.
    two_currencies.rate("EUR", TODAY, "90")
    two_currencies.rate("USD", TODAY, "0.9", into="EUR")
    two_currencies.rate("INR", TODAY, "0.0125", into="USD")
    other = Rows(service.database._engine.url.set(drivername="postgresql").render_as_string(False), tenant="other")
    other.rate("USD", TODAY, "80")
    other.conn.close()

    got = await performance(service)

    assert (got.business_metrics.total_revenue, got.business_metrics.average_order_value) == (1200.10, 600.05)
    assert not got.business_metrics.HasField("revenue_per_conversation")
    assert left_out(got.quality) == [("USD", Decimal("49.95"))]


@pytest.mark.parametrize(
    ("days", "converted"), [(-1, False), (0, True), (1, True), (6, True), (7, True), (8, False), (30, False)]
)
async def test_a_rate_holds_on_its_day_and_seven_more(service: Service, rows: Rows, days: int, converted: bool) -> None:
    rows.agent("1")
    rows.money("1", ago(hours=1), "10", currency="USD")
    rows.rate("USD", TODAY - timedelta(days=days), "80")

    got = await performance(service)

    assert got.business_metrics.total_revenue == (800 if converted else 0)
    assert left_out(got.quality) == ([] if converted else [("USD", 10)])


async def test_the_latest_rate_that_is_not_after_the_day_holds(service: Service, rows: Rows) -> None:
    rows.agent("1")
    for days_ago, rate in ((9, "1"), (5, "2"), (2, "30"), (0, "500"), (-1, "9000")):
        rows.rate("USD", TODAY - timedelta(days=days_ago), rate)
    for days_ago in (0, 1, 2, 3, 5, 6, 9, 20):
        rows.money("1", ago(days=days_ago), "1", currency="USD")

    got = await performance(service)

    # Today 500; 1 and 2 days ago 30; 3 and 5 days ago 2; 6 and 9 days ago 1; 20 days ago none.
    assert got.business_metrics.total_revenue == 500 + 30 + 30 + 2 + 2 + 1 + 1
    assert left_out(got.quality) == [("USD", 1)]


async def test_by_quarters_of_an_hour_the_day_is_the_tenants(service: Service, rows: Rows) -> None:
    """19:00 UTC is half past midnight of the next day in Kolkata: the money is worth that day's rate."""
    rows.agent("1")
    evening = NOW.replace(hour=19, minute=0) - timedelta(days=1)
    rows.money("1", evening, "1", currency="USD")
    rows.rate("USD", TODAY, "80")
    rows.rate("USD", TODAY - timedelta(days=1), "70")
    request = pb.GetAgentPerformanceRequest(
        agent_id="1", start_time=stamp(evening - timedelta(hours=1)), end_time=stamp(evening + timedelta(hours=1))
    )

    got = await service.stub.GetAgentPerformance(request)

    assert got.business_metrics.total_revenue == 80
    assert (await performance(service)).business_metrics.total_revenue == 80


async def test_another_reporting_currency_is_another_view_of_the_same_money(service: Service, two_currencies: Rows) -> None:
    two_currencies.rate("USD", TODAY, "80")
    assert (await performance(service)).business_metrics.total_revenue == pytest.approx(1200.10 + 3996)

    two_currencies.conn.execute("UPDATE ingest.tenant_settings SET reporting_currency = 'USD'")
    got = await performance(service)
    assert (got.business_metrics.total_revenue, got.business_metrics.currency) == (49.95, "USD")
    assert left_out(got.quality) == [("INR", Decimal("1200.10"))]

    two_currencies.rate("INR", TODAY, "0.0125", into="USD")
    got = await performance(service)
    assert got.business_metrics.total_revenue == pytest.approx(49.95 + 1200.10 * 0.0125)
    assert left_out(got.quality) == []


async def test_every_view_tells_converted_money(service: Service, two_currencies: Rows) -> None:
    two_currencies.rate("USD", TODAY, "80")
    total, dollars = pytest.approx(1200.10 + 3996), pytest.approx(3996)
    service.scoring.grade("1", grade="A", score=90, adjusted_score=90, rank=1)

    system = await service.stub.GetSystemPerformance(pb.GetSystemPerformanceRequest())
    assert system.overall_metrics.total_revenue == total
    assert system.platform_distribution["whatsapp"].revenue == 1200.10
    assert system.platform_distribution["instagram"].revenue == dollars
    comparison = await service.stub.CompareAgents(pb.CompareAgentsRequest())
    assert (comparison.summary.total_revenue, comparison.comparisons[0].business_metrics.total_revenue) == (total, total)
    assert comparison.platform_effectiveness["instagram"].revenue == dollars
    dashboard = await service.stub.GetDashboard(pb.GetDashboardRequest(agent_id="1"))
    assert dashboard.performance.business_metrics.total_revenue == total
    assert dashboard.days[-1].revenue == total
    assert not any(left_out(answer.quality) for answer in (system, comparison, dashboard))


async def test_a_customers_worth_is_converted_day_by_day(service: Service, rows: Rows) -> None:
    rows.customer("c1", TODAY - timedelta(days=40), TODAY)
    rows.paid("c1", TODAY, "100")
    rows.paid("c1", TODAY, "2", "USD")
    rows.paid("c1", TODAY - timedelta(days=40), "3", "USD")
    rows.paid("c1", TODAY - timedelta(days=20), "5", "USD")
    rows.rate("USD", TODAY, "80")
    rows.rate("USD", TODAY - timedelta(days=45), "70")

    got = await service.stub.GetCustomerInsight(pb.GetCustomerInsightRequest(customer_id="c1"))

    worth = got.business_metrics
    assert (worth.lifetime_value, worth.total_purchases) == (100 + 160 + 210, 4)
    assert worth.average_order_value == pytest.approx(470 / 3)
    assert left_out(got.quality) == [("USD", 5)]


def odd_amounts() -> list[tuple[str, Decimal]]:
    """Thousands of amounts in several currencies, none of which a double tells exactly."""
    currencies = ("INR", "USD", "EUR", "KWD", "GBP")
    return [(currencies[n % 5], Decimal(n * 7919 + 1) / 1000 + Decimal("0.001")) for n in range(5000)]


async def test_sums_are_exact_to_the_last_digit(service: Service, rows: Rows) -> None:
    rates = {"INR": "1", "USD": "83.123456789012", "EUR": "90.000000000001", "KWD": "271.999999999999"}
    for currency, rate in list(rates.items())[1:]:
        rows.rate(currency, TODAY, rate)
    amounts = odd_amounts()
    for n, (currency, amount) in enumerate(amounts):
        rows.insert(
            "scoring.revenue_day",
            agent_id=f"a{n}", bucket=TODAY, platform=WHATSAPP, currency=currency, orders=1, amount=amount,
        )  # fmt: skip
        key = {"bucket": TODAY, "platform": WHATSAPP, "currency": currency}
        rows.add("scoring.revenue_total_day", key, orders=1, amount=amount)

    set_tenant("default")
    async with service.database.snapshot() as conn:
        question = Question(windows.last_days(1, ZONE, NOW))
        (takings,) = await read(conn, store.takings(question, "INR", ()))
        (by_agent,) = await read(conn, store.takings(question, "INR", (AGENT,)))

    known = [(c, a) for c, a in amounts if c in rates]
    exact = sum((a * Decimal(rates[c]) for c, a in known), Decimal(0))
    assert takings == {Place(): {"INR": Takings(4000, exact), "GBP": Takings(1000, sum(a for c, a in amounts if c == "GBP"))}}
    together = sum((each.get("INR", Takings()) for each in by_agent.values()), Takings())
    assert (len(by_agent), together) == (5000, Takings(4000, exact))
    # The control: doubles do not come to the same.
    assert Decimal(sum(float(a) * float(rates[c]) for c, a in known)) != exact


async def test_currencies_are_never_added(
    service: Service, two_currencies: Rows, monkeypatch: pytest.MonkeyPatch, forget: Callable[[], None]
) -> None:
    assert (await performance(service)).business_metrics.total_revenue == 1200.10
    # The control: taken for the reporting currency's, the dollars would be in the sum.
    monkeypatch.setattr(store_rows, "priced", careless)
    forget()
    assert (await performance(service)).business_metrics.total_revenue == 1250.05


async def test_rates_of_a_tenant_are_looked_up_within_the_statements_there_are(service: Service, two_currencies: Rows) -> None:
    with service.statements() as without:
        await performance(service)
    for n in range(40):
        two_currencies.rate("USD", TODAY - timedelta(days=n), "80")
        two_currencies.money("1", ago(days=n % 20, hours=2), "1", currency="USD", platform=4 + n // 20)
    with service.statements() as sent:
        await performance(service)
    assert len(sent) == len(without)


async def test_a_day_that_no_rate_reaches_is_told_by_date(service: Service, rows: Rows) -> None:
    """A rate long before, and one long after: neither holds on the day between."""
    rows.agent("1")
    rows.money("1", ago(days=15), "10", currency="USD")
    rows.rate("USD", date(2026, 4, 1), "70")
    rows.rate("USD", TODAY, "80")
    got = await performance(service)
    assert (got.business_metrics.total_revenue, left_out(got.quality)) == (0, [("USD", 10)])
