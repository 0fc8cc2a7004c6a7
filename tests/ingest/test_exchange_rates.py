"""Exchange rates over a real channel: put, replaced, listed page by page, and refused."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import grpc
import psycopg
import pytest
from rapport.ingest.v1 import ingest_service_pb2 as pb

from services.ingest.rates import plain
from services.runtime.tenancy import set_tenant
from tests.fix_services import House
from tests.ingest.test_ingest_calls import told


def rate(text: str = "1.0823", day: str = "2026-05-01", base: str = "EUR", into: str = "USD") -> pb.ExchangeRate:
    return pb.ExchangeRate(from_currency=base, to_currency=into, date=day, rate=text)


def put(*rates: pb.ExchangeRate) -> pb.PutExchangeRatesRequest:
    return pb.PutExchangeRatesRequest(rates=rates)


def stored(url: str) -> list[Any]:
    with psycopg.connect(url) as conn:
        return conn.execute("SELECT * FROM ingest.exchange_rate ORDER BY 1, 2, 3, 4").fetchall()


async def listed(ingest: Any, **asked: Any) -> list[tuple[str, str, str, str]]:
    answer = await ingest.ListExchangeRates(pb.ListExchangeRatesRequest(**asked))
    assert answer.next_page_token == ""
    return [(r.date, r.from_currency, r.to_currency, r.rate) for r in answer.rates]


async def test_rates_are_stored_and_listed_newest_day_first_then_by_currencies(ingest: Any, house: House) -> None:
    answer = await ingest.PutExchangeRates(
        put(rate(), rate("0.0065", base="JPY"), rate("90.5", into="INR"), rate("1.1", "2026-05-02"), rate("0.8", "2025-12-31"))
    )

    assert answer.changed == 5
    assert await listed(ingest) == [
        ("2026-05-02", "EUR", "USD", "1.1"),
        ("2026-05-01", "EUR", "INR", "90.5"),
        ("2026-05-01", "EUR", "USD", "1.0823"),
        ("2026-05-01", "JPY", "USD", "0.0065"),
        ("2025-12-31", "EUR", "USD", "0.8"),
    ]
    assert [r[0] for r in await listed(ingest, from_currency="EUR", to_currency="USD")] == [
        "2026-05-02", "2026-05-01", "2025-12-31"
    ]  # fmt: skip
    assert [r[1] for r in await listed(ingest, from_currency="JPY")] == ["JPY"]
    assert [r[2] for r in await listed(ingest, to_currency="INR")] == ["INR"]
    assert await listed(ingest, from_currency="GBP") == []


async def test_a_rate_is_replaced_and_only_what_differs_counts_as_changed(ingest: Any, house: House) -> None:
    await ingest.PutExchangeRates(put(rate("1.0823"), rate("1.1", "2026-05-02")))
    first = stored(house.url)
    house.clock.advance(hours=1)

    answer = await ingest.PutExchangeRates(put(rate("1.08230"), rate("1.2", "2026-05-02"), rate("1.3", "2026-05-03")))

    assert answer.changed == 2
    rows = stored(house.url)
    assert [row[4] for row in rows] == [Decimal("1.0823"), Decimal("1.2"), Decimal("1.3")]
    assert rows[0] == first[0]  # not even touched
    assert rows[1][5] - first[1][5] == timedelta(hours=1)
    assert (await ingest.PutExchangeRates(put(rate("1.2", "2026-05-02")))).changed == 0


@pytest.mark.parametrize("text", ["1.082345678901", "999999999999.999999999999", "0.000000000001", "7", "007.50"])
async def test_rates_are_kept_to_the_last_digit(ingest: Any, house: House, text: str) -> None:
    await ingest.PutExchangeRates(put(rate(text)))
    assert stored(house.url)[0][4] == Decimal(text)
    ((_, _, _, told_back),) = await listed(ingest)
    assert Decimal(told_back) == Decimal(text)
    assert told_back == plain(Decimal(text))


def test_a_rate_reads_as_plain_digits() -> None:
    assert [plain(Decimal(t)) for t in ("100", "1.50", "007.50", "0.000000000001")] == ["100", "1.5", "7.5", "0.000000000001"]


@pytest.mark.parametrize(
    ("bad", "fields"),
    [
        (rate(base="EUX"), ["rates[1].from_currency"]),
        (rate(into="XAU"), ["rates[1].to_currency"]),
        (rate(base="eur"), ["rates[1].from_currency"]),
        (rate(base="USD"), ["rates[1].to_currency"]),
        (rate(day="2026-02-30"), ["rates[1].date"]),
        (rate(day="2025-02-29"), ["rates[1].date"]),
        (rate(day="2026-5-1"), ["rates[1].date"]),
        (rate(day=""), ["rates[1].date"]),
        (rate("0"), ["rates[1].rate"]),
        (rate("0.000000000000"), ["rates[1].rate"]),
        (rate("-1"), ["rates[1].rate"]),
        (rate("1e3"), ["rates[1].rate"]),
        (rate("1.0000000000001"), ["rates[1].rate"]),
        (rate("1000000000000"), ["rates[1].rate"]),
        (rate("NaN"), ["rates[1].rate"]),
        (rate("1."), ["rates[1].rate"]),
        (rate("1\n"), ["rates[1].rate"]),
        (rate("90", "2026-04-30", into="INR"), ["rates[1]"]),
        (rate("0", "2026-02-30", "EUX", "USX"), [f"rates[1].{f}" for f in ("from_currency", "to_currency", "date", "rate")]),
    ],
)
async def test_one_bad_rate_refuses_all_and_is_named(ingest: Any, house: House, bad: Any, fields: list[str]) -> None:
    await ingest.PutExchangeRates(put(rate("90", "2026-04-30", into="INR")))
    before = stored(house.url)

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ingest.PutExchangeRates(put(rate("91", "2026-04-30", into="INR"), bad, rate("1.5", "2026-05-09")))

    assert told(refused.value) == ("INVALID_ARGUMENT", "INVALID_FIELDS", fields)
    assert stored(house.url) == before


async def test_a_request_must_have_rates_and_not_more_than_a_thousand(ingest: Any, house: House) -> None:
    pairs = [(base, day) for base in ("EUR", "GBP") for day in range(1, 29)]
    many = [rate(day=f"20{year:02d}-01-{day:02d}", base=base) for year in range(18) for base, day in pairs]
    for rates in ([], many[:1001]):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ingest.PutExchangeRates(put(*rates))
        assert told(refused.value) == ("INVALID_ARGUMENT", "INVALID_FIELDS", ["rates"])
    assert stored(house.url) == []
    assert (await ingest.PutExchangeRates(put(*many[:1000]))).changed == 1000


async def test_pages_neither_skip_nor_repeat_while_rates_come(ingest: Any, house: House) -> None:
    bases = ("AUD", "CAD", "EUR", "GBP")
    await ingest.PutExchangeRates(put(*(rate("2", f"2026-05-{d:02d}", base) for d in range(1, 8) for base in bases)))
    expected = await listed(ingest)
    assert len(expected) == 28

    seen, token = [], ""
    while True:
        page = await ingest.ListExchangeRates(pb.ListExchangeRatesRequest(page_size=3, page_token=token))
        seen += [(r.date, r.from_currency, r.to_currency, r.rate) for r in page.rates]
        token = page.next_page_token
        # A newer day comes while somebody turns the pages.
        await ingest.PutExchangeRates(put(rate("3", f"2026-06-{len(seen):02d}")))
        if not token:
            break
        assert len(page.rates) == 3

    assert seen == expected


async def test_a_page_token_is_good_for_its_own_list_only(ingest: Any, house: House) -> None:
    await ingest.PutExchangeRates(put(rate(), rate(day="2026-05-02"), rate(day="2026-05-03")))
    first = await ingest.ListExchangeRates(pb.ListExchangeRatesRequest(page_size=1, from_currency="EUR"))
    token = first.next_page_token
    for asked in (
        pb.ListExchangeRatesRequest(page_token=token, from_currency="GBP"),
        pb.ListExchangeRatesRequest(page_token=token),
        pb.ListExchangeRatesRequest(page_token=token, from_currency="EUR", to_currency="USD"),
        pb.ListExchangeRatesRequest(page_token=token[:-2] + "AA", from_currency="EUR"),
        pb.ListExchangeRatesRequest(page_token="nonsense", from_currency="EUR"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ingest.ListExchangeRates(asked)
        assert told(refused.value) == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN", ["page_token"])
    second = await ingest.ListExchangeRates(pb.ListExchangeRatesRequest(page_token=token, page_size=2, from_currency="EUR"))
    assert [r.date for r in second.rates] == ["2026-05-02", "2026-05-01"]
    assert second.next_page_token == ""


async def test_one_tenants_rates_are_not_anothers(house: House) -> None:
    await house.ingest.PutExchangeRates(put(rate()), house.caller)
    set_tenant("another")
    assert not (await house.ingest.ListExchangeRates(pb.ListExchangeRatesRequest(), house.caller)).rates
    assert (await house.ingest.PutExchangeRates(put(rate("5")), house.caller)).changed == 1
    set_tenant("default")
    answer = await house.ingest.ListExchangeRates(pb.ListExchangeRatesRequest(), house.caller)
    assert [r.rate for r in answer.rates] == ["1.0823"]
