"""The rows that ListFacts has behind every measure are the facts that plain Python counts, and add up to its number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.query.measures import MEASURES as SERVED
from tests.fix_services import House
from tests.query.oracle.answers import Oracle, Question
from tests.query.oracle.asking import Asker
from tests.query.oracle.days import DAY, Period, date_at, of_days
from tests.query.oracle.dimensions import EVERYTHING, Wanted
from tests.query.oracle.facts import Fact, Tenant
from tests.query.oracle.inventing import PLACES, Place, invent, stamp
from tests.query.oracle.rows import MEASURES_WITH_ROWS, row_differences, rows_behind
from tests.storage.suite import Suite


async def wrong(suite: Suite, tenant: Tenant, measure: str, period: Period, wanted: Wanted, *, page_size: int = 0) -> list[str]:
    """Return where the rows of all pages differ from the oracle's, or do not add up to the measure."""
    asked: dict[str, Any] = {"measure": measure, "filter": dict(wanted.fields), "page_size": page_size}
    asked |= {"start_time": stamp(period.start), "end_time": stamp(period.end)}
    page = await suite.call("query.ListFacts", **asked)
    total, erased, facts = page.total, page.erased, list(page.facts)
    while page.next_page_token:
        page = await suite.call("query.ListFacts", **asked, page_token=page.next_page_token)
        facts += page.facts
    number = Oracle(tenant).answer(Question(measures=[measure], start=period.start, end=period.end, wanted=wanted))
    lines = list(row_differences(rows_behind(tenant, measure, period, wanted), facts, total, erased))
    if number.total.now[measure].value != total:
        lines.append(f"total {total} of a measure that is {number.total.now[measure].value}")
    return [f"{measure} {period} {wanted}: {line}" for line in lines]


def test_the_measures_that_count_facts_have_rows() -> None:
    assert {name for name, measure in SERVED.items() if measure.has_rows} == MEASURES_WITH_ROWS


@pytest.mark.parametrize(("place", "seed"), [(PLACES[2], 1), (PLACES[10], 5)], ids=str)
async def test_rows_add_up_to_their_number(house: House, place: Place, seed: int) -> None:
    invented = await invent(house, place, seed, erased=["customer-1"])
    tenant = invented.tenant()
    today = date_at(tenant.now, tenant.zone)
    month = of_days(today - 29 * DAY, today + DAY, tenant.zone)
    asker = Asker(tenant, invented.random)
    async with Suite(house).serving() as suite:
        for n, measure in enumerate(sorted(MEASURES_WITH_ROWS)):
            assert await wrong(suite, tenant, measure, month, EVERYTHING, page_size=1000) == []
            question = asker.question()
            if n % 3 == 0 and question.start and question.end and not question.time_zone:
                period = Period(question.start, question.end)
                assert await wrong(suite, tenant, measure, period, question.wanted, page_size=9) == []


async def test_a_fact_too_few_is_found(house: House) -> None:
    """The control: an oracle that does not know one fact that counts, or thinks it counts for another agent."""
    invented = await invent(house, PLACES[2], 1)
    tenant = invented.tenant()
    talks = [f for f in tenant.facts if f.counts.conversations]
    period = Period(min(f.counts.at for f in talks), tenant.now + 40 * DAY)
    period = of_days(date_at(period.start, tenant.zone), date_at(period.end, tenant.zone), tenant.zone)

    def without(fact: Fact) -> list[Fact]:
        return [f for f in tenant.facts if f is not fact]

    moved = replace(talks[0], counts=replace(talks[0].counts, agent_id="another"))
    async with Suite(house).serving() as suite:
        assert await wrong(suite, tenant, "totalConversations", period, EVERYTHING) == []
        for facts in (without(talks[0]), [*without(talks[0]), moved]):
            assert await wrong(suite, replace(tenant, facts=facts), "totalConversations", period, EVERYTHING) != []
