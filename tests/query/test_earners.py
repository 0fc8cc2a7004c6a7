"""Who brought the revenue: scoring's word saves looking at everybody, and is neither waited for nor taken for all there is."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from rapport.query.v1 import query_service_pb2
from rapport.scoring.v1 import scoring_service_pb2

from services.query import loading_tenant
from services.query.loading_tenant import MOST_EARNERS
from tests.query.conftest import Service
from tests.query.rows import Rows, ago
from tests.query.siblings import Scoring
from tests.until import until


class Late:
    """Scoring that takes its time to name who brought most revenue."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s = delay_s
        self.ends: list[str] = []

    async def list_earners(self, scoring: Scoring, request: Any, context: Any) -> scoring_service_pb2.ListEarnersResponse:
        try:
            await asyncio.sleep(self.delay_s)
        except asyncio.CancelledError:
            self.ends.append("cancelled")
            raise
        self.ends.append("answered")
        return scoring_service_pb2.ListEarnersResponse(agent_ids=scoring.earners or ())


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Late:
    """Take so long; comes before the service."""
    made = Late(0)

    async def list_earners(scoring: Scoring, request: Any, context: Any) -> scoring_service_pb2.ListEarnersResponse:
        return await made.list_earners(scoring, request, context)

    monkeypatch.setattr(Scoring, "ListEarners", list_earners)
    return made


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for scoring that answers as long as a busy machine may take."""
    monkeypatch.setattr(loading_tenant, "_FIRST_S", 10.0)


async def told(service: Service) -> list[tuple[str, float, int]]:
    got = await service.stub.GetSystemPerformance(query_service_pb2.GetSystemPerformanceRequest())
    return [(each.agent_id, each.revenue, each.orders) for each in got.revenue_by_agent]


async def looked_at(service: Service) -> tuple[list[tuple[str, float, int]], bool]:
    """Return who brought the revenue, and whether everybody was looked at for that."""
    with service.statements() as sent:
        found = await told(service)
    (ranked,) = [statement for statement in sent if "revenue_day" in statement and "row_number" in statement]
    return found, "agent_id = ANY" not in ranked


async def test_scoring_that_takes_its_time_is_not_waited_for(
    late: Late, service: Service, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        rows.money(f"a{number:02}", ago(hours=2), str(100 + number))
    service.scoring.earners = [f"a{number:02}" for number in range(11, 1, -1)]
    late.delay_s = 0
    with monkeypatch.context() as patient:
        patient.setattr(loading_tenant, "_FIRST_S", 10.0)
        quick = await looked_at(service)
    late.delay_s = 20
    began = time.monotonic()
    slow = await looked_at(service)
    took_s = time.monotonic() - began
    assert (slow[0], slow[1], quick[1]) == (quick[0], True, False)
    # The control: waited for, it would be twenty seconds.
    assert took_s < 10
    # It is told that nobody waits any more.
    await until(lambda: late.ends == ["answered", "cancelled"], 10)


def agents_with_nothing(rows: Rows) -> None:
    """Eleven agents whose orders brought nothing, one who gave back, and one whose money cannot be told."""
    for number in range(11):
        rows.money(f"nothing {number:02}", ago(hours=2), "0")
    rows.money("gave back", ago(hours=2), "-5", orders=0)
    rows.money("dollars", ago(hours=2), "5000", currency="USD")


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("earned", [0, 1, MOST_EARNERS - 1])
async def test_where_fewer_brought_any_all_are_looked_at(service: Service, rows: Rows, earned: int) -> None:
    agents_with_nothing(rows)
    names = [f"a{number:02}" for number in range(earned)]
    for name in names:
        rows.money(name, ago(hours=2), "7")
    of_everybody = await looked_at(service)
    # Who brought nothing comes behind those who did, by id; who gave back would be the last.
    rest = [("dollars", 0, 1), *((f"nothing {number:02}", 0, 1) for number in range(11))]
    assert of_everybody == ([*((name, 7, 1) for name in names), *rest][:MOST_EARNERS], True)
    service.scoring.earners = names
    assert await looked_at(service) == of_everybody


@pytest.mark.usefixtures("patience")
async def test_where_enough_brought_some_they_are_all(service: Service, rows: Rows) -> None:
    agents_with_nothing(rows)
    names = [f"a{number:02}" for number in range(MOST_EARNERS)]
    for name in names:
        rows.money(name, ago(hours=2), "7")
    (of_everybody, _), service.scoring.earners = await looked_at(service), names
    assert await looked_at(service) == (of_everybody, False)


@pytest.mark.usefixtures("patience")
async def test_who_gave_back_is_told_where_few_are_there(service: Service, rows: Rows) -> None:
    rows.money("gave back", ago(hours=2), "-5", orders=0)
    rows.money("b", ago(hours=2), "0")
    rows.money("", ago(hours=2), "3")
    service.scoring.earners = []
    assert await told(service) == [("b", 0, 1), ("gave back", -5, 0), ("", 3, 1)]
