"""How customers go from stage to stage."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from rapport.query.v1 import drill_down_pb2 as pb
from rapport.query.v1 import filter_pb2

from services.query.funnel import Reached, steps
from services.query.uncertainty import LEVEL, wilson
from tests.query.asking import day_start, reason, stamp
from tests.query.conftest import Service
from tests.query.rows import WEB, Rows, ago

AWARE, CONSIDERING, DECIDING, RETAINED, ADVOCATE = range(1, 6)


class Talks:
    """Writes conversations that tell a stage, as ingest and scoring leave them."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.n = 0

    def __call__(self, customer_id: str, stage: int | None, days_ago: float, **more: Any) -> None:
        self.n += 1
        counted = {key: more[key] for key in ("platform", "agent_id") if key in more}
        self.rows.conversation(f"t{self.n}", ago(days=days_ago), customer_id=customer_id, stage=stage, **more)
        self.rows.contribution(f"t{self.n}", ago(days=days_ago), customer_id=customer_id, **counted)


@pytest.fixture
def talks(rows: Rows) -> Talks:
    return Talks(rows)


async def ask(service: Service, **asked: Any) -> pb.GetStageFunnelResponse:
    filtered = filter_pb2.FactFilter(**asked.pop("filter", {}))
    return await service.stub.GetStageFunnel(pb.GetStageFunnelRequest(filter=filtered, **asked))


async def test_who_reached_a_stage_reached_all_before_it(service: Service, talks: Talks) -> None:
    # One goes the whole way in order; one skips; one goes back; one only hears of it; one tells nothing.
    for stage, days in ((AWARE, 20), (CONSIDERING, 18), (DECIDING, 14), (RETAINED, 6), (ADVOCATE, 5)):
        talks("ordered", stage, days)
    talks("skips", AWARE, 20)
    talks("skips", DECIDING, 10)
    talks("back", DECIDING, 9)
    talks("back", CONSIDERING, 8)
    talks("hears", AWARE, 3)
    talks("hears", AWARE, 2)
    talks("silent", None, 1)

    got = await ask(service)

    assert [s.stage for s in got.stages] == [1, 2, 3, 4, 5]
    assert [s.customers for s in got.stages] == [4, 3, 3, 1, 1]
    assert [s.conversations for s in got.stages] == [4, 2, 3, 1, 1]
    assert got.quality.n == 11
    first, considering, deciding, retained, advocate = got.stages
    assert not any(first.HasField(name) for name in ("conversion_rate", "interval", "median_days"))
    assert [s.conversion_rate for s in got.stages[1:]] == [75, 100, pytest.approx(100 / 3), 100]
    low, high = wilson(3, 4)
    assert (considering.interval.low, considering.interval.high, considering.interval.level) == (
        pytest.approx(100 * low), pytest.approx(100 * high), LEVEL,
    )  # fmt: skip
    # Both told: ordered 2 days. Who skipped told no consideration.
    assert considering.median_days == pytest.approx(2)
    # Ordered 4 days; who went back reached both at once. Their median.
    assert deciding.median_days == pytest.approx(2)
    assert (retained.median_days, advocate.median_days) == (pytest.approx(8), pytest.approx(1))


async def test_without_customers_nothing_is_defined(service: Service, talks: Talks) -> None:
    got = await ask(service)
    assert [(s.customers, s.conversations) for s in got.stages] == [(0, 0)] * 5
    assert not any(s.HasField(name) for s in got.stages for name in ("conversion_rate", "interval", "median_days"))


async def test_a_rate_is_there_when_nobody_came_further(service: Service, talks: Talks) -> None:
    talks("c", AWARE, 1)
    considering, deciding = (await ask(service)).stages[1:3]
    assert (considering.HasField("conversion_rate"), considering.conversion_rate) == (True, 0)
    assert considering.interval.low == 0 < considering.interval.high
    assert (considering.HasField("median_days"), deciding.HasField("conversion_rate")) == (False, False)


async def test_only_the_windows_facts_and_those_meant(service: Service, talks: Talks) -> None:
    talks("early", ADVOCATE, 40)
    talks("early", AWARE, 3)
    talks("web", CONSIDERING, 3, platform=WEB, agent_id="2")

    assert [s.customers for s in (await ask(service)).stages] == [2, 1, 0, 0, 0]
    assert [s.customers for s in (await ask(service, filter={"platforms": [WEB]})).stages] == [1, 1, 0, 0, 0]
    assert [s.customers for s in (await ask(service, filter={"agent_ids": ["1"]})).stages] == [1, 0, 0, 0, 0]
    assert [s.customers for s in (await ask(service, filter={"stages": [2]})).stages] == [1, 1, 0, 0, 0]
    longer = await ask(service, start_time=stamp(day_start(45)), end_time=stamp(day_start(-1)))
    assert [s.customers for s in longer.stages] == [2, 2, 1, 1, 1]
    assert longer.quality.window.time_zone == "Asia/Kolkata"


async def test_nobody_elses(service: Service, talks: Talks, database_url: str) -> None:
    other = Rows(database_url, "other")
    Talks(other)("theirs", AWARE, 1)
    other.conn.close()
    talks("c", AWARE, 1)
    assert (await ask(service)).stages[0].customers == 1


async def test_few_statements_and_no_odd_window(service: Service, talks: Talks) -> None:
    counts = set()
    for n in (1, 50):
        for each in range(n):
            talks(f"c{n}-{each}", AWARE, 1)
        with service.statements() as sent:
            await ask(service)
        counts.add(len(sent))
    assert counts == {4}
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await ask(service, start_time=stamp(ago(days=50)))
    assert reason(refused.value) == "UNSUPPORTED_WINDOW"


def test_steps_of_the_same_numbers() -> None:
    one, two = steps([Reached(1, 8, 9, None), Reached(2, 2, 3, 1.5)])
    assert (one.rate, one.interval, one.median_days) == (None, None, None)
    assert (two.rate, two.median_days, two.conversations) == (25, 1.5, 3)
    assert two.interval == pytest.approx(tuple(100 * end for end in wilson(2, 8)))
