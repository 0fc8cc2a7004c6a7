"""Facts one by one: which there are, of which kinds and conversations, and what each counts for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from rapport.ingest.v1 import ingest_service_pb2 as ingest_pb
from sqlalchemy import func, select

from services.query.dimensions import EVERYTHING, WORDS, Dimension, Filter
from services.query.measures import TERMS, Keeping
from services.query.store_facts import BOOKING, CONSENT, CONVERSATION, TRANSACTION, conversation_of, facts, term_of
from services.runtime.windows import Window
from services.storage.schema import metadata
from tests.query.conftest import Service
from tests.query.metrics_oracle import Oracle
from tests.query.metrics_world import counted, populate
from tests.query.rows import NOW, TODAY, Rows, ago
from tests.storage.binding import unbound
from tests.storage.sending import recording

WINDOW = Window(NOW - timedelta(days=1), NOW, "UTC", None)


async def read(service: Service, query: Any) -> list[Any]:
    async with service.database.transaction("default") as conn:
        return list((await conn.execute(query)).all())


async def ids(service: Service, *args: Any, **named: Any) -> list[str]:
    fact = facts(*args, **named)
    return sorted(row[0] for row in await read(service, select(fact.c.fact_id)))


async def test_facts_of_a_window_of_some_kinds_and_customers(service: Service, rows: Rows) -> None:
    for name, hours, kind in (("first", 24, 1), ("paid", 3, 2), ("before", 25, 1), ("last", 0.001, 1)):
        rows.contribution(name, ago(hours=hours), kind=kind, customer_id=f"c-{name}")
    rows.contribution("at the end", NOW, customer_id="c-first")
    assert await ids(service, WINDOW, EVERYTHING) == ["first", "last", "paid"]
    assert await ids(service, None, EVERYTHING) == ["at the end", "before", "first", "last", "paid"]
    assert await ids(service, WINDOW, EVERYTHING, kinds=[TRANSACTION, BOOKING]) == ["paid"]
    assert await ids(service, None, Filter({}, ("c-first", "c-paid"))) == ["at the end", "first", "paid"]
    assert await ids(service, None, Filter({}, ())) == []


async def test_erased_facts_are_there_without_anything_told_of_them(service: Service, rows: Rows) -> None:
    rows.contribution("stored", ago(hours=1), customer_id="c1")
    rows.conversation("stored", ago(hours=1), tags=["vip"])
    rows.conversation("random", ago(hours=1), tags=["vip"])
    values = dict.fromkeys(
        ("ended", "completed", "escalated", "conversions", "booked", "kept", "no_show", "cancelled", "orders"), 0
    )
    rows.insert(
        "scoring.remainder",
        kind=1, fact_id="random", agent_id="1", platform=1, at=ago(hours=1), day=TODAY, conversations=1, **values,
    )  # fmt: skip
    fact = facts(WINDOW, EVERYTHING, split=[Dimension.TAG, Dimension.SEGMENT, Dimension.SOURCE])
    query = select(
        fact.c.fact_id, fact.c.is_erased, fact.c.customer_id, fact.c.dimension_5, fact.c.dimension_9, fact.c.dimension_10
    )
    assert sorted(await read(service, query)) == [("random", True, "", "", 0, 0), ("stored", False, "c1", "vip", 0, 0)]
    # Nobody knows whose it was, nor what it was tagged with.
    assert await ids(service, WINDOW, Filter({}, ("c1",))) == ["stored"]
    assert await ids(service, WINDOW, Filter({}, ("",))) == ["random"]
    assert await ids(service, WINDOW, Filter({Dimension.TAG: ("vip",)})) == ["stored"]
    assert await ids(service, WINDOW, Filter({Dimension.TAG: ("",)})) == ["random"]


async def test_a_value_told_twice_counts_once(service: Service, rows: Rows) -> None:
    rows.contribution("a", ago(hours=1))
    rows.conversation("a", ago(hours=1), intents=["book", "book", "ask"], tags=["x", "x"], emotions=[])
    fact = facts(WINDOW, EVERYTHING, split=[Dimension.INTENT, Dimension.TAG, Dimension.EMOTION])
    found = await read(service, select(fact.c.dimension_4, fact.c.dimension_5, fact.c.dimension_7))
    assert sorted(found) == [("ask", "x", ""), ("book", "x", "")]


async def test_an_event_tells_its_own_source_a_consent_too(service: Service, rows: Rows) -> None:
    rows.contribution("5/a/b", ago(hours=1), kind=8, conversations=0, measure=30, quantity=1)
    rows.contribution("5/a/b", ago(hours=1), kind=CONSENT, conversations=0, measure=31, quantity=1)
    rows.insert(
        "ingest.event",
        source=5, event_id="a/b", kind=16, occurred_at=ago(hours=1), conversation_id="told", body="{}", content_hash=b"x",
    )  # fmt: skip
    fact = facts(WINDOW, EVERYTHING, split=[Dimension.SOURCE])
    query = select(fact.c.kind, fact.c.dimension_10, conversation_of(fact.c))
    assert sorted(await read(service, query)) == [(8, 5, "told"), (CONSENT, 5, "told")]


@pytest.mark.parametrize("is_erased", [False, True])
async def test_every_fact_has_the_conversation_that_it_names(service: Service, database_url: str, is_erased: bool) -> None:
    async with counted(service, database_url) as house:
        await populate(house, service, 12)
        if is_erased:
            query = "SELECT customer_id FROM ingest.conversation GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
            (busiest,) = service.rows.conn.execute(query).fetchone() or ()
            await house.ingest.EraseCustomer(ingest_pb.EraseCustomerRequest(customer_id=busiest), house.caller)
            await house.drain()
    oracle = Oracle(database_url)
    fact = facts(None, EVERYTHING)
    found = {
        (row.kind, row.fact_id): row[2]
        for row in await read(service, select(fact.c.kind, fact.c.fact_id, conversation_of(fact.c)))
    }
    assert found == {(f.row["kind"], f.row["fact_id"]): f.conversation for f in oracle.facts}
    assert len({name for name in found.values() if name}) > 15
    assert any(name is None for (kind, _), name in found.items() if kind == CONVERSATION) == is_erased


async def test_what_facts_add_up_to_is_what_rollups_keep(service: Service, database_url: str) -> None:
    async with counted(service, database_url) as house:
        await populate(house, service, 13)
        assert house.differences() == []
    fact = facts(None, EVERYTHING)
    names = [name for name, term in TERMS.items() if term.keeping is not Keeping.MONEY]
    ((*sums,),) = await read(service, select(*(func.sum(term_of(fact.c, name)) for name in names)))
    conn = service.rows.conn
    for name, total in zip(names, sums, strict=True):
        if TERMS[name].keeping is Keeping.TALLY:
            query = f"SELECT sum(n) FROM scoring.tally_total_day WHERE measure = {TERMS[name].tally}"
        else:
            query = f"SELECT sum({name}) FROM scoring.counts_total_day"
        (kept,) = conn.execute(query.encode()).fetchone() or (None,)
        assert total == (kept or 0), name
    assert sum(bool(total) for total in sums) > 30


async def test_every_way_of_asking_is_bound_to_the_tenant(service: Service) -> None:
    tables = {t.fullname for t in metadata.sorted_tables if "tenant_id" in t.c}
    only = Filter({d: ("x",) if d in WORDS else (1,) for d in Dimension})
    with recording() as sent:
        for question in (only, Filter(only.values, ("c",)), EVERYTHING):
            for split in ([], list(Dimension)):
                fact = facts(WINDOW, question, split=split, kinds=[CONVERSATION])
                await read(service, select(fact, conversation_of(fact.c).label("named")))
    asked = [one for one in sent if "contribution" in one.statement]
    assert len(asked) == 6
    for one in asked:
        assert unbound(one.statement, tables, lambda number, one=one: number in one.asked) == []
        # The control: without its tenant it is not.
        assert unbound(one.statement, tables, lambda _: False)
