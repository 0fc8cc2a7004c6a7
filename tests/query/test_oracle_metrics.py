"""QueryMetrics answers every question as plain Python does from the stored facts: any measure by anything, anywhere, any time.

RAPPORT_ORACLE_SEEDS sets how many random tenants are asked, and RAPPORT_ORACLE_QUESTIONS how much, for long runs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from rapport.query.v1 import metrics_pb2

from services.query.measures import MEASURES as SERVED
from tests.fix_services import House
from tests.query.oracle.answers import Oracle, Question, everything
from tests.query.oracle.asking import Asker, fields_of
from tests.query.oracle.comparing import differences
from tests.query.oracle.days import DAY, date_at, dawn
from tests.query.oracle.dimensions import AGENT, DIMENSIONS, PLATFORM
from tests.query.oracle.figures import Told, rate
from tests.query.oracle.inventing import PLACES, Invented, Place, invent
from tests.query.oracle.measures import MEASURES, Cell, Definition
from tests.storage.suite import Suite

SEEDS = int(os.environ.get("RAPPORT_ORACLE_SEEDS", len(PLACES)))
QUESTIONS = int(os.environ.get("RAPPORT_ORACLE_QUESTIONS", "8"))
#: How long a seed may take: long runs ask much more.
LONGEST_S = 120 + 10 * QUESTIONS
DAYS, STAGE = 3, 8
KATHMANDU = PLACES[2]
CURRENCIES = ("CHF", "INR", "JPY", "KWD", "USD")


async def ask(suite: Suite, question: Question) -> metrics_pb2.QueryMetricsResponse:
    answer: metrics_pb2.QueryMetricsResponse = await suite.call("query.QueryMetrics", **fields_of(question))
    return answer


async def wrong(suite: Suite, oracle: Oracle, questions: Iterable[Question]) -> list[str]:
    """Return what the service answers otherwise than the oracle."""
    found: list[str] = []
    for question in questions:
        lines = differences(question, oracle.answer(question), await ask(suite, question))
        found += [f"{question}: {line}" for line in lines]
    return found


def by_day(dimensions: Sequence[int] = (), **more: Any) -> list[Question]:
    """Return the questions of every measure by the tenant's days."""
    return everything(Question(measures=(), granularity=DAYS, dimensions=dimensions, limit=1000, **more))


def test_the_oracle_knows_every_measure() -> None:
    assert MEASURES.keys() == SERVED.keys()


@pytest.mark.timeout(LONGEST_S)
@pytest.mark.parametrize("seed", range(SEEDS))
async def test_any_question_is_answered_as_the_facts_say(house: House, seed: int) -> None:
    invented = await invent(house, PLACES[seed % len(PLACES)], seed, erased=["customer-1"] if seed % 2 else [])
    async with Suite(house).serving() as suite:
        for _ in range(2):
            tenant = invented.tenant()
            asker = Asker(tenant, invented.random)
            questions = [*everything(Question(measures=())), *(asker.question() for _ in range(QUESTIONS // 2))]
            assert await wrong(suite, Oracle(tenant), questions) == []
            # Whatever comes late, or is corrected, moves the answers with it.
            await invented.live(rounds=1)


async def test_every_measure_by_every_dimension(house: House) -> None:
    invented = await invent(house, KATHMANDU, 1, erased=["customer-1"])
    tenant = invented.tenant()
    async with Suite(house).serving() as suite:
        for number in sorted(DIMENSIONS):
            measures = sorted(MEASURES if number == AGENT else MEASURES.keys() - {"totalCost"})
            asked = [
                Question(measures=measures[n : n + 20], dimensions=[number], limit=1000) for n in range(0, len(measures), 20)
            ]
            assert await wrong(suite, Oracle(tenant), asked) == [], number


@pytest.mark.parametrize("place", PLACES[3:8:2], ids=str)
@pytest.mark.parametrize("is_event", [False, True])
async def test_a_tenant_of_one_fact(house: House, place: Place, is_event: bool) -> None:
    invented = Invented(house, place, seed=5)
    await invented.settle()
    await invented.tell(conversations=int(not is_event), events=int(is_event))
    tenant = invented.tenant()
    fact = tenant.facts[0].counts
    assert len({f.counts.fact_id for f in tenant.facts}) == 1
    windows = {
        "that day": (fact.day, fact.day + DAY),
        "long ago": (fact.day - 700 * DAY, fact.day - 690 * DAY),
    }
    async with Suite(house).serving() as suite:
        for first, last in windows.values():
            window = {"start": dawn(first, place.zone), "end": dawn(last, place.zone), "compares": True}
            assert await wrong(suite, Oracle(tenant), [*by_day(**window), *by_day([AGENT], **window)]) == []


async def test_a_tenant_of_nothing(house: House) -> None:
    invented = Invented(house, KATHMANDU, seed=1)
    await invented.settle()
    async with Suite(house).serving() as suite:
        assert await wrong(suite, Oracle(invented.tenant()), [*by_day(compares=True), *by_day([AGENT])]) == []


#: Measures with one rule of theirs broken.
BROKEN: dict[str, Definition] = {
    "totalConversations": lambda cell: Told(cell.which(lambda c: c.ended)),
    "conversationCompletionRate": lambda cell: rate(cell.which(lambda c: c.completed), len(cell.talks)),
    "customerSatisfactionAvg": lambda cell: MEASURES["customerSatisfactionAvg"](Cell([*cell.facts[1:]], cell.rates)),
    "responseTimeP50": MEASURES["responseTimeP90"],
    "durationP90": MEASURES["durationP50"],
    "distinctCustomers": lambda cell: Told(len(cell.talks)),
    "totalRevenue": lambda cell: MEASURES["totalRevenue"](Cell([f for f in cell.facts if f.counts.orders], cell.rates)),
    "orders": lambda cell: Told(cell.which(lambda c: c.kind == 2)),
    "averageOrderValue": lambda cell: Told(cell.money.total),
    "misses": lambda cell: Told(cell.came_out(*range(3, 10))),
    "noShowRate": lambda cell: rate(cell.which(lambda c: c.no_show), cell.which(lambda c: c.kept or c.no_show or c.cancelled)),
    "consents": lambda cell: Told(cell.tally(30)),
    "totalCost": lambda cell: Told(sum((c.cost for c in cell.counts if c.cost is not None), start=0)),
}


async def test_a_broken_rule_is_found(house: House) -> None:
    """The control: an oracle of other rules, of another zone, without rates or without what was erased says something else."""
    invented = await invent(house, KATHMANDU, 3, erased=["customer-1"])
    tenant = invented.tenant()
    week = {"start": dawn(KATHMANDU.first, tenant.zone), "end": dawn(KATHMANDU.first + 16 * DAY, tenant.zone)}
    doubled = {(c, KATHMANDU.first + n * DAY): Decimal(2) for c in CURRENCIES for n in range(30)}
    others = {
        "zone": replace(tenant, zone="UTC"),
        "rates": replace(tenant, rates=replace(tenant.rates, known=doubled)),
        "erased": replace(tenant, facts=[f for f in tenant.facts if not f.is_erased]),
    }
    async with Suite(house).serving() as suite:
        assert await wrong(suite, Oracle(tenant), by_day(**week)) == []
        for name, other in others.items():
            assert await wrong(suite, Oracle(other), by_day(time_zone=tenant.zone, **week)) != [], name
        for name, broken in BROKEN.items():
            question = Question(measures=[name], granularity=DAYS, **week)
            assert await wrong(suite, Oracle(tenant, {name: broken}), [question]) != [], name


#: What is spoiled of which table's rows, and the questions that its rows answer.
SPOILED = {
    "counts_total_day": ("conversations", "true", {}),
    "revenue_total_day": ("amount", "currency = 'EUR'", {}),
    "response_total_day": ("n", "true", {}),
    "duration_total_day": ("n", "true", {}),
    "tally_total_day": ("n", "true", {}),
    "presence": ("n", "grouping = 1", {}),
    "cost_period": ("amount", "currency = 'EUR'", {}),
    "agent_day": ("completed", "agent_id <> ''", {"dimensions": [AGENT]}),
    "revenue_day": ("orders", "true", {"dimensions": [AGENT]}),
    "response_day": ("n", "true", {"dimensions": [AGENT, PLATFORM]}),
    "duration_day": ("n", "true", {"dimensions": [AGENT, PLATFORM]}),
    "tally_day": ("n", "true", {"dimensions": [AGENT]}),
    "agent_interval": ("escalated", "true", {"time_zone": "America/St_Johns"}),
    "revenue_interval": ("amount", "currency = 'EUR'", {"time_zone": "America/St_Johns"}),
    "response_interval": ("n", "true", {"time_zone": "America/St_Johns"}),
    "duration_interval": ("n", "true", {"time_zone": "America/St_Johns"}),
    "tally_interval": ("n", "true", {"time_zone": "America/St_Johns"}),
    "contribution": ("conversations", "kind = 1", {"dimensions": [STAGE]}),
    "remainder": ("conversations", "kind = 1", {"dimensions": [STAGE]}),
}


async def test_one_spoiled_row_is_found(house: House) -> None:
    """The control: one number too many in one row of any table that answers are read from."""
    invented = await invent(house, KATHMANDU, 1, erased=["customer-1"])
    tenant = invented.tenant()
    assert date_at(tenant.now, tenant.zone) < KATHMANDU.first + 20 * DAY
    async with Suite(house).serving() as suite:
        for table, (column, which, more) in SPOILED.items():
            zone = more.get("time_zone", tenant.zone)
            window = {"start": dawn(KATHMANDU.first - 2 * DAY, zone), "end": dawn(KATHMANDU.first + 45 * DAY, zone)}
            asked = everything(Question(measures=(), limit=1000, **window, **more))
            add(house, table, column, which, 1)
            assert await wrong(suite, Oracle(tenant), asked) != [], table
            add(house, table, column, which, -1)
            # Nothing is wrong any more, so that the next table is found by its own row.
            assert await wrong(suite, Oracle(tenant), asked[:1]) == [], table


def add(house: House, table: str, column: str, which: str, number: int) -> None:
    """Add a number to a column of the first row of a table, by its key."""
    with psycopg.connect(house.url) as conn:
        row = conn.execute(
            f"UPDATE scoring.{table} AS t SET {column} = {column} + %s "
            f"WHERE t.* = (SELECT r FROM scoring.{table} AS r WHERE {which} ORDER BY r LIMIT 1) RETURNING 1".encode(),
            [number],
        ).fetchall()
        assert len(row) == 1, table
