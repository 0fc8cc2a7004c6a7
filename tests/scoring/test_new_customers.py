"""On which days customers were new: after every batch, what counting them one by one gives."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta

import psycopg
import pytest
from rapport.ingest.v1 import ingest_service_pb2 as pb
from sqlalchemy import text

from services.scoring import erase_store, state_store
from services.scoring.worker import Worker
from tests.facts import Facts
from tests.fix_services import House
from tests.scoring.oracle.reading import World
from tests.scoring.test_rebuild import rebuild
from tests.scoring.test_rollups import in_zone

ERASED = "SELECT first_day FROM scoring.remainder_customer"
STORED = "SELECT first_day FROM scoring.customer_state WHERE first_day IS NOT NULL"


def days(house: House, query: str) -> Counter[date]:
    with psycopg.connect(house.url) as conn:
        return Counter(day for (day,) in conn.execute(query.encode()))


def kept(house: House) -> Counter[date]:
    with psycopg.connect(house.url) as conn:
        return Counter(dict(conn.execute("SELECT day, n FROM scoring.new_customers_day WHERE n <> 0").fetchall()))


def plain(house: House) -> Counter[date]:
    return days(house, STORED) + days(house, ERASED)


def told_by_facts(house: House, zone: str) -> Counter[date]:
    """Count with the oracle's Python what the stored facts tell, and whom no fact tells of any more."""
    first: dict[str, date] = {}
    for fact in World(house.url, zone, timedelta(days=3), house.clock.now).contributions():
        if fact.customer_id and (fact.conversations or fact.orders):
            first[fact.customer_id] = min(fact.day, first.get(fact.customer_id, fact.day))
    return Counter(first.values()) + days(house, ERASED)


async def happen(house: House, facts: Facts, order: random.Random, *, erases: bool) -> None:
    """Record some facts, late ones and corrections among them; delete a conversation and erase a customer now and then."""
    conversations = [facts.conversation() for _ in range(order.randrange(1, 12))]
    await house.ingest.BatchRecordConversations(pb.BatchRecordConversationsRequest(conversations=conversations), house.caller)
    events = [facts.event() for _ in range(order.randrange(1, 12))]
    await house.ingest.SyncEvents(pb.SyncEventsRequest(events=events), house.caller)
    with psycopg.connect(house.url) as conn:
        stored = conn.execute("SELECT conversation_id FROM ingest.conversation ORDER BY 1").fetchall()
    if stored and order.random() < 0.4:
        request = pb.DeleteConversationRequest(conversation_id=order.choice(stored)[0])
        await house.ingest.DeleteConversation(request, house.caller)
    if erases:
        await house.ingest.EraseCustomer(pb.EraseCustomerRequest(customer_id=f"customer-{order.randrange(6)}"), house.caller)


async def differing(house: House, seed: int) -> tuple[int, int]:
    """Let random things happen, and return after how many batches the rollup was not what it must be, of how many."""
    facts, order, wrong, batches = Facts(seed), random.Random(seed), 0, 0
    for n in range(18):
        await happen(house, facts, order, erases=n % 6 == 5)
        if n == 17 or order.random() < 0.6:
            worker = Worker(house.scoring_database, house.clock, order.choice([3, 10, 50]))
            while await worker.drain("default"):
                batches += 1
                wrong += kept(house) != plain(house)
    return wrong, batches


@pytest.mark.parametrize(("seed", "zone"), [(1, "UTC"), (2, "Asia/Kathmandu"), (3, "America/St_Johns"), (4, "Europe/Berlin")])
async def test_after_every_batch_it_is_what_a_plain_count_gives(house: House, seed: int, zone: str) -> None:
    await in_zone(house, zone)
    wrong, batches = await differing(house, seed)
    assert (wrong, batches > 20) == (0, True)
    assert kept(house) == plain(house) == told_by_facts(house, zone)
    assert house.differences() == []
    assert days(house, ERASED)
    # Days on which nobody was new after all are left with 0: first days moved.
    with psycopg.connect(house.url) as conn:
        assert conn.execute("SELECT count(*) > 0 FROM scoring.new_customers_day WHERE n = 0").fetchall() == [(True,)]


async def test_without_taking_back_the_first_day_of_before_it_would_differ(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: whose first day moves would be new twice."""
    careless = str(state_store._PUT_STATES).replace("(put.was_day, -1)", "(put.was_day, 0)")
    assert careless != str(state_store._PUT_STATES)
    monkeypatch.setattr(state_store, "_PUT_STATES", text(careless))
    wrong, _ = await differing(house, 1)
    assert wrong > 0
    assert {line.split(":")[0] for line in house.differences()} == {"scoring.new_customers_day"}


async def test_who_was_erased_was_new_all_the_same(house: House) -> None:
    """With the facts that are theirs alone every customer is erased, and no day loses any of them."""
    facts = Facts(5)
    for _ in range(4):
        conversations = [facts.conversation() for _ in range(10)]
        await house.ingest.BatchRecordConversations(pb.BatchRecordConversationsRequest(conversations=conversations), house.caller)
    await house.drain()
    before = kept(house)
    for n in range(6):
        await house.ingest.EraseCustomer(pb.EraseCustomerRequest(customer_id=f"customer-{n}"), house.caller)
        await house.drain()
        assert kept(house) == plain(house) == before
    assert (days(house, STORED), sum(before.values())) == (Counter(), 6)
    assert house.differences() == []


async def test_without_keeping_first_days_the_comparison_objects(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: an erasure that does not note when the customer came is found out."""

    async def forget(*_: object) -> None: ...

    monkeypatch.setattr(erase_store, "keep_first_days", forget)
    await differing(house, 1)
    assert kept(house) != plain(house)
    assert {line.split(":")[0] for line in house.differences()} == {"scoring.new_customers_day"}


async def test_another_time_zone_moves_the_first_days_of_erased_customers_too(house: House) -> None:
    await in_zone(house, "Pacific/Kiritimati")
    await differing(house, 2)
    before, erased = kept(house), days(house, ERASED)
    await rebuild(house, time_zone="Pacific/Pago_Pago")
    assert kept(house) == plain(house) != before
    assert days(house, ERASED) != erased
    assert house.differences() == []
