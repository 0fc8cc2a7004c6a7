"""The rows behind numbers: their quantities add up to the number on the card, for every measure that has rows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import grpc
import pytest
from google.type.money_pb2 import Money
from rapport.query.v1 import drill_down_pb2 as pb
from rapport.query.v1 import filter_pb2
from sqlalchemy import literal

from services.query import store_drill_down, store_facts
from services.query.convert_drill_down import counted_fact
from services.query.drill_down import Counted
from services.query.measures import MEASURES, TERMS, Keeping
from services.stack import postgres
from tests.fix_database import database
from tests.query.asking import named_fields, reason, stamp
from tests.query.conftest import Service
from tests.query.drilling import END, ERASED, NOW, START, fill, pages
from tests.query.rows import WHATSAPP, Rows

COUNTABLE = sorted(name for name, measure in MEASURES.items() if measure.has_rows)
ROLLUPS = {Keeping.COUNTS: "agent", Keeping.MONEY: "revenue", Keeping.TALLY: "tally"}


@pytest.fixture(scope="module")
def database_url(postgres_server: postgres.Server, template_database: str) -> Iterator[str]:
    """One world for all tests of this file: none of them changes it."""
    with database(postgres_server, f"TEMPLATE {template_database} STRATEGY FILE_COPY") as url:
        asyncio.run(fill(url))
        yield url


@pytest.fixture
def rows(database_url: str) -> Iterator[Rows]:
    written = Rows(database_url)
    yield written
    written.conn.close()


@pytest.fixture(autouse=True)
def after_it_all(service: Service) -> None:
    service.now = NOW


def asked(measure: str, **more: Any) -> pb.ListFactsRequest:
    filtered = filter_pb2.FactFilter(**more.pop("filter", {}))
    given = {"start_time": stamp(START), "end_time": stamp(END), "page_size": 100, **more}
    return pb.ListFactsRequest(measure=measure, filter=filtered, **given)


async def read(service: Service, request: pb.ListFactsRequest) -> tuple[list[pb.CountedFact], pb.ListFactsResponse]:
    """Return the facts of all pages, and the last page."""
    facts: list[pb.CountedFact] = []
    totals = set()
    async for page in pages(service.stub.ListFacts, request):
        facts += page.facts
        totals.add((page.total, page.erased))
    assert len(totals) == 1
    return facts, page


def kept(rows: Rows, measure: str, grain: str = "day", where: str = "true") -> int:
    """Return a measure as the rollups by agent have it."""
    found = 0
    for term in (TERMS[name] for name in MEASURES[measure].of):
        tally = term.keeping is Keeping.TALLY
        total, which = ("n", f"measure = {term.tally}") if tally else (term.name, "true")
        query = f"SELECT coalesce(sum({total}), 0) FROM scoring.{ROLLUPS[term.keeping]}_{grain} WHERE {which} AND {where}"
        found += int(rows.conn.execute(query.encode()).fetchall()[0][0])
    return found


@pytest.mark.parametrize("measure", COUNTABLE)
async def test_the_number_on_a_card_equals_the_rows_behind_it(service: Service, rows: Rows, measure: str) -> None:
    facts, page = await read(service, asked(measure))

    assert page.total == kept(rows, measure) > 0
    assert sum(fact.quantity for fact in facts) + page.erased == page.total
    assert all(fact.quantity > 0 for fact in facts)
    keys = [(fact.at.ToNanoseconds(), fact.kind, fact.fact_id) for fact in facts]
    assert keys == sorted(set(keys), reverse=True)
    assert page.quality.n == kept(rows, "totalConversations")


def test_most_measures_have_rows_and_some_have_erased_ones() -> None:
    """The test above would pass for want of measures, too."""
    assert len(COUNTABLE) > 45
    assert {"misses", "successes", "orders", "widgetImpressions", "noShows", "overdueFollowUps"} <= set(COUNTABLE)


async def test_a_condition_that_is_left_out_is_found(service: Service, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: were every fact listed, or the erased ones among them, sums would differ from the rollups'."""
    with monkeypatch.context() as careless:
        careless.setattr(store_drill_down, "term_of", lambda fact, name: literal(1))
        facts, page = await read(service, asked("noShows"))
        assert sum(fact.quantity for fact in facts) + page.erased != kept(rows, "noShows")
    with monkeypatch.context() as careless:
        careless.setattr(store_drill_down, "facts", lambda window, only, **_: store_facts.facts(window, only))
        facts, page = await read(service, asked("totalConversations"))
        assert sum(fact.quantity for fact in facts) + page.erased != kept(rows, "totalConversations")
    facts, page = await read(service, asked("misses"))
    assert page.erased > 0
    assert sum(fact.quantity for fact in facts) + page.erased == kept(rows, "misses")


@pytest.mark.parametrize("measure", ["successes", "orders", "totalConversations", "overdueFollowUps", "interactions"])
async def test_by_agent_and_platform_numbers_are_the_rollups(service: Service, rows: Rows, measure: str) -> None:
    which = {"agent_ids": ["agent-0", "agent-1", ""], "platforms": [0, 1, 2, 4]}
    facts, page = await read(service, asked(measure, filter=which))

    assert page.total == kept(rows, measure, where="agent_id IN ('agent-0', 'agent-1', '') AND platform IN (0, 1, 2, 4)")
    assert sum(fact.quantity for fact in facts) + page.erased == page.total
    assert {fact.agent_id for fact in facts} <= {"agent-0", "agent-1", ""}
    assert 0 < page.total < kept(rows, measure)


@pytest.mark.parametrize("which", [
    {"stages": [5]}, {"stages": [0]}, {"outcomes": [2, 3]}, {"outcomes": [0]}, {"sources": [0]}, {"sources": [3, 7]},
    {"conversion_types": [2], "agent_ids": ["agent-1"]}, {"industries": [""]}, {"sentiments": [1, 2], "platforms": [1, 2, 3]},
])  # fmt: skip
@pytest.mark.parametrize("measure", ["totalConversations", "misses", "orders"])
async def test_other_filters_are_of_the_facts_as_well(service: Service, rows: Rows, which: dict[str, Any], measure: str) -> None:
    facts, page = await read(service, asked(measure, filter=which))
    assert sum(fact.quantity for fact in facts) + page.erased == page.total <= kept(rows, measure)


async def test_filters_split_a_number_without_remainder(service: Service, rows: Rows) -> None:
    by_outcome = [(await read(service, asked("totalConversations", filter={"outcomes": [o]})))[1].total for o in range(10)]
    by_stage = [(await read(service, asked("totalConversations", filter={"stages": [s]})))[1].total for s in range(6)]
    assert sum(by_outcome) == sum(by_stage) == kept(rows, "totalConversations")
    assert len([n for n in by_outcome if n]) == 5
    # Of how many conversations a number is, is the same whatever it is read from.
    for measure in ("misses", "successes"):
        assert [(await read(service, asked(measure, filter={"outcomes": [o]})))[1].quality.n for o in range(10)] == by_outcome
    several = await read(service, asked("misses", filter={"outcomes": [2, 4, 9]}))
    assert several[1].quality.n == by_outcome[2] + by_outcome[4]


async def test_a_customers_facts_are_never_erased_ones(service: Service) -> None:
    one = "customer-1"
    facts, page = await read(service, asked("successes", filter={"customer_ids": [one]}))
    assert sum(fact.quantity for fact in facts) == page.total > 0
    assert (page.erased, {fact.customer_id for fact in facts}) == (0, {one})
    everybody, _ = await read(service, asked("totalConversations"))
    assert {fact.customer_id for fact in everybody} == {f"customer-{n}" for n in range(6)} - {ERASED}


async def test_parts_of_days_are_read_by_the_quarter(service: Service, rows: Rows) -> None:
    start, end = NOW - timedelta(days=21, hours=3), NOW - timedelta(days=17, hours=2, minutes=45)
    window = {"start_time": stamp(start), "end_time": stamp(end)}
    for measure in ("totalConversations", "misses", "orders", "interactions"):
        facts, page = await read(service, asked(measure, **window))
        between = f"bucket >= '{start.isoformat()}' AND bucket < '{end.isoformat()}'"
        assert page.total == kept(rows, measure, "interval", between) > 0
        assert sum(fact.quantity for fact in facts) + page.erased == page.total
        assert all(start <= fact.at.ToDatetime(start.tzinfo) < end for fact in facts)


async def test_facts_are_told_as_they_count(service: Service, rows: Rows) -> None:
    """Each as its contribution: money in its own currency, negative for a refund, and nothing where there is nothing."""
    facts, _ = await read(service, asked("orders"))
    for measure in ("misses", "widgetImpressions", "widgetOpens", "widgetDeployments", "widgetCustomizations"):
        facts += (await read(service, asked(measure)))[0]
    stored = {
        (kind, fact_id): row
        for kind, fact_id, *row in rows.conn.execute(
            "SELECT kind, fact_id, at, agent_id, customer_id, platform, outcome, amount, currency FROM scoring.contribution"
        ).fetchall()
    }
    for fact in facts:
        at, agent_id, customer_id, platform, outcome, amount, currency = stored[fact.kind, fact.fact_id]
        assert fact.at == stamp(at)
        for field, value in (("agent_id", agent_id), ("customer_id", customer_id), ("platform", platform), ("outcome", outcome)):
            assert fact.HasField(field) == bool(value)
            assert getattr(fact, field) == (value or type(getattr(fact, field))())
        assert fact.HasField("amount") == (amount is not None)
        if amount is not None:
            assert (fact.amount.currency_code, fact.amount.units * 10**9 + fact.amount.nanos) == (currency, amount * 10**9)
    assert {fact.kind for fact in facts} >= {1, 2, 4, 5, 7, 8}
    assert max(fact.quantity for fact in facts) > 1


async def test_tokens_belong_to_the_question(service: Service) -> None:
    first = await service.stub.ListFacts(asked("misses", page_size=3))
    more = await service.stub.ListFacts(asked("misses", page_size=5, page_token=first.next_page_token))
    assert len(more.facts) == 5
    token = first.next_page_token
    others = (
        asked("successes", page_token=token),
        asked("misses", page_token=token, filter={"platforms": [WHATSAPP]}),
        asked("misses", page_token=token, end_time=stamp(END - timedelta(days=1))),
        asked("misses", page_token=token[:-2] + ("AA" if token[-2:] != "AA" else "BB")),
        asked("misses", page_token="x"),
        pb.ListConversationsRequest(start_time=stamp(START), end_time=stamp(END), page_token=token),
    )
    for request in others:
        call = service.stub.ListFacts if isinstance(request, pb.ListFactsRequest) else service.stub.ListConversations
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(request)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert (reason(refused.value), named_fields(refused.value)) == ("INVALID_PAGE_TOKEN", ["page_token"])


@pytest.mark.parametrize("measure", ["nonsense", "conversionRate", "totalRevenue", "distinctCustomers", "responseTimeP50"])
async def test_measures_without_rows_are_refused(service: Service, measure: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.stub.ListFacts(asked(measure))
    assert (reason(refused.value), named_fields(refused.value)) == ("UNKNOWN_MEASURE", ["measure"])


async def test_statements_are_few_however_many_facts(service: Service) -> None:
    counts = []
    for size in (1, 5):
        with service.statements() as sent:
            first = await service.stub.ListFacts(asked("misses", page_size=size))
        with service.statements() as again:
            await service.stub.ListFacts(asked("misses", page_size=size, page_token=first.next_page_token))
        counts.append((len(sent), len(again)))
    # Later pages keep the first one's total: conversations, outcomes, and what was erased.
    assert counts == [(6, 3), (6, 3)]


def test_money_of_a_refund_is_negative() -> None:
    told = counted_fact(
        Counted(
            kind=store_facts.TRANSACTION, fact_id="r", at=NOW, agent_id="", customer_id="", platform=0, outcome=None, quantity=1,
            amount=-Decimal("19.99"), currency="EUR",
        )
    )  # fmt: skip
    assert told.amount == Money(currency_code="EUR", units=-19, nanos=-990_000_000)
    assert [field.name for field, _ in told.ListFields()] == ["kind", "fact_id", "at", "quantity", "amount"]
