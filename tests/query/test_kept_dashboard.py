"""What only conversations themselves tell is told of those that are kept, and a dashboard says where that is not all."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from rapport.query.v1 import query_service_pb2
from sqlalchemy import literal, select

from services.query.loading_kept import load_beside
from services.storage.readings import Prepared, Reading
from tests.query.asking import day_start, stamp
from tests.query.conftest import Service
from tests.query.rows import WHATSAPP, Rows, ago
from tests.query.test_kept_windows import delete_before

LEFT_OVER = ["emotions", "intents", "followUps", "customersAtRisk"]


@pytest.fixture
def dashed(rows: Rows) -> Rows:
    """An agent with a conversation that is kept, and numbers of one that is not."""
    rows.agent("1")
    rows.counts("1", ago(days=25), n=1)
    rows.counts("1", ago(days=2), n=1)
    rows.conversation("c", ago(days=2), emotions=["calm"], intents=["buy"], follow_up_required=True)
    return rows


async def missing(service: Service, start: datetime | None = None, **asked: Any) -> list[str]:
    request = query_service_pb2.GetDashboardRequest(agent_id="1", start_time=start and stamp(start), **asked)
    got = await service.stub.GetDashboard(request)
    assert [each.name for each in got.emotions] == ["calm"]
    return [name for name in got.quality.missing if name != "previous"]


async def test_it_says_where_only_some_conversations_are_kept(service: Service, dashed: Rows) -> None:
    assert await missing(service) == []
    delete_before(dashed, 7)
    assert await missing(service) == LEFT_OVER
    assert await missing(service, day_start(8)) == LEFT_OVER
    assert await missing(service, platforms=[WHATSAPP]) == LEFT_OVER
    assert await missing(service, day_start(7)) == []


async def test_it_says_so_of_a_window_that_is_not_kept_at_all(service: Service, dashed: Rows) -> None:
    dashed.conn.execute("DELETE FROM ingest.conversation")
    delete_before(dashed, 7)
    request = query_service_pb2.GetDashboardRequest(agent_id="1", start_time=stamp(day_start(29)), end_time=stamp(day_start(9)))
    got = await service.stub.GetDashboard(request)
    assert (list(got.emotions), got.quality.n) == ([], 1)
    assert [name for name in got.quality.missing if name != "previous"] == LEFT_OVER


async def test_since_when_is_read_beside_something_else(service: Service, rows: Rows) -> None:
    one = Reading(Prepared(select(literal(1).label("n"))), lambda found: found[0].n)
    async with service.database.snapshot("default") as conn:
        assert await load_beside(conn, one) == (1, None)
    delete_before(rows, 7)
    async with service.database.snapshot("default") as conn:
        assert await load_beside(conn, one) == (1, day_start(7))
    async with service.database.snapshot("other") as conn:
        assert await load_beside(conn, one) == (1, None)
