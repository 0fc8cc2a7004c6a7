"""Grades, customer scores and the sweep read money of every currency that has a rate."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any

import psycopg
import pytest
from google.protobuf.json_format import ParseDict
from rapport.ingest.v1 import ingest_service_pb2 as ingest_pb
from rapport.metrics.v1 import agent_pb2
from rapport.scoring.v1 import scoring_service_pb2 as pb
from sqlalchemy import true

from services.runtime import windows
from services.scoring import customer_store, store
from services.scoring.team import Sums
from services.storage.money import priced
from tests.fix_services import House


async def bought(house: House, *orders: tuple[str, float, datetime], customer: str = "k-1", agent: str = "a-1") -> None:
    """Record a conversation with a purchase for each (currency, value, start)."""
    told = [
        {
            "conversationId": f"{customer}-{agent}-{currency}-{value}-{start.isoformat()}",
            "agentId": agent,
            "customerId": customer,
            "platform": "web",
            "startTime": start.isoformat(),
            "conversionEvent": {"type": "purchase", "value": value, "currency": currency},
        }
        for currency, value, start in orders
    ]
    request = ParseDict({"conversations": told}, ingest_pb.BatchRecordConversationsRequest())
    assert not (await house.ingest.BatchRecordConversations(request, house.caller)).rejections
    await house.drain()


async def put(house: House, *rates: tuple[str, datetime, str]) -> None:
    given = [
        ingest_pb.ExchangeRate(from_currency=c, to_currency="USD", date=at.date().isoformat(), rate=rate) for c, at, rate in rates
    ]
    await house.ingest.PutExchangeRates(ingest_pb.PutExchangeRatesRequest(rates=given), house.caller)


async def sums(house: House, window: windows.Window | None = None) -> dict[str, Sums]:
    asked = window or windows.last_days(30, "UTC", house.clock.now)
    async with house.scoring_database.snapshot() as conn:
        return {s.agent_id: s for s in await store.get_sums(conn, asked, "USD")}


async def paid(house: House, *ids: str) -> dict[str, tuple[float, ...]]:
    """Return what customers paid, by how many orders; the same of their repeat orders; and how many orders there were."""
    async with house.scoring_database.snapshot() as conn:
        found = await customer_store.get_customers(conn, "USD", ids or None)
    columns = (found.paid, found.paid_orders, found.repeat_paid, found.repeat_orders, found.orders)
    return dict(zip(found.ids, zip(*(c.tolist() for c in columns), strict=True), strict=True))


async def mean_order(house: House) -> float | None:
    async with house.scoring_database.snapshot() as conn:
        return await customer_store.get_mean_order(conn, "USD")


async def revenue(house: House) -> agent_pb2.SubScore:
    (grade,) = (await house.scoring.GradeAgents(pb.GradeAgentsRequest(), house.caller)).grades
    return next(part for part in grade.breakdown if part.metric == agent_pb2.METRIC_REVENUE)


async def test_an_agents_sums_and_squares_are_converted_exactly(house: House) -> None:
    today = house.clock.now
    await bought(house, ("USD", 10.01, today), ("EUR", 20.03, today), ("EUR", 30.07, today), ("KWD", 1.001, today))
    await put(house, ("EUR", today, "1.082345678901"), ("KWD", today - timedelta(days=7), "3.25"))

    (found,) = (await sums(house)).values()

    euro, dinar = Decimal("1.082345678901"), Decimal("3.25")
    with localcontext(prec=60):  # a rate squared has more digits than decimals usually keep
        amounts = [Decimal("10.01"), Decimal("20.03") * euro, Decimal("30.07") * euro, Decimal("1.001") * dinar]
        assert (found.revenue, found.revenue_sq) == (sum(amounts), sum(a * a for a in amounts))
    assert not found.is_partly_unconverted
    # The same in quarters of an hour.
    start = windows.floor_to_quarter(today)
    quarter = windows.Window(start, start + windows.QUARTER, "UTC", None)
    assert (await sums(house, quarter))["a-1"] == found


async def test_what_has_no_rate_keeps_the_revenue_out_of_the_grade(house: House) -> None:
    now = house.clock.now
    await bought(house, ("USD", 600, now), ("EUR", 600, now))
    assert not (await revenue(house)).HasField("value")
    (found,) = (await sums(house)).values()
    assert (found.revenue, found.is_partly_unconverted) == (600, True)

    await put(house, ("EUR", now - timedelta(days=8), "1.5"))
    assert not (await revenue(house)).HasField("value")
    await put(house, ("EUR", now - timedelta(days=7), "1.5"))
    part = await revenue(house)
    assert part.value == 750
    assert part.score == 50


async def test_currencies_are_never_added_in_a_grade(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    now = house.clock.now
    await bought(house, ("USD", 600, now), ("EUR", 600, now))
    assert (await sums(house))["a-1"].revenue == 600

    def careless(rows: Any, day: Any, reporting: str) -> Any:
        return replace(priced(rows, day, reporting), is_known=true())

    # The control: with every currency taken as known, the sum is another one.
    monkeypatch.setattr(store, "priced", careless)
    assert (await sums(house))["a-1"].revenue == 1200


async def test_what_customers_paid_is_converted_day_by_day(house: House) -> None:
    now = house.clock.now
    first, second, third = now - timedelta(days=60), now - timedelta(days=40), now
    await bought(house, ("EUR", 10, first), ("USD", 5, second), ("EUR", 10, third), ("GBP", 99, third))
    await bought(house, ("GBP", 7, third), customer="k-2")
    await put(house, ("EUR", first, "2"), ("EUR", third, "3"))

    k1 = (55, 3, 35, 2, 4)
    assert await paid(house) == {"k-1": k1, "k-2": (0, 0, 0, 0, 1)}
    assert await mean_order(house) == pytest.approx(55 / 3)
    assert await paid(house, "k-1") == {"k-1": k1}
    assert await paid(house, "nobody") == {}


async def test_a_customers_prospects_follow_the_rates(house: House) -> None:
    now = house.clock.now
    await bought(house, *(("EUR", 10.0 + n, now - timedelta(days=10 * n)) for n in range(5)))
    asked = pb.ScoreCustomersRequest(customer_ids=["k-1"])

    async def value() -> float | None:
        (score,) = (await house.scoring.ScoreCustomers(asked, house.caller)).scores
        return score.predicted_lifetime_value if score.HasField("predicted_lifetime_value") else None

    assert await value() is None
    days = [now - timedelta(days=10 * n) for n in range(5)]
    await put(house, *(("EUR", day, "1") for day in days))
    single = await value()
    assert single is not None
    await put(house, *(("EUR", day, "2") for day in days))
    assert await value() == pytest.approx(2 * single)


async def test_the_sweep_finds_the_most_valuable_by_converted_money(house: House) -> None:
    """Of forty customers who pay in two currencies, those who pay most are found whatever currency it is."""
    now = house.clock.now
    days = [now - timedelta(days=d) for d in (90, 60, 30, 0)]
    for n in range(40):
        currency = "JPY" if n % 2 else "USD"
        orders = [(currency, float(100 + 10 * n) * (100 if n % 2 else 1), day) for day in days]
        await bought(house, *orders, customer=f"k-{n:02d}")
    await put(house, *(("JPY", day, "0.01") for day in days))

    await house.sweeper.go_round()

    with psycopg.connect(house.url) as conn:
        best = conn.execute("SELECT customer_id FROM scoring.customer_state WHERE segment = 3 ORDER BY 1").fetchall()
    assert [customer for (customer,) in best] == ["k-36", "k-37", "k-38", "k-39"]
