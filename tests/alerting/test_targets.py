"""Revenue targets are put, listed and deleted."""

from __future__ import annotations

import grpc
import pytest
from google.type.money_pb2 import Money
from rapport.alerting.v1 import rule_pb2 as pb

from tests.alerting.house import House, failure_of


def target(month: str, units: int, agent: str = "", *, nanos: int = 0, currency: str = "USD") -> pb.RevenueTarget:
    return pb.RevenueTarget(agent_id=agent, month=month, amount=Money(currency_code=currency, units=units, nanos=nanos))


async def put(stub, *targets: pb.RevenueTarget) -> None:
    for each in targets:
        assert (await stub.PutTarget(pb.PutTargetRequest(target=each))).target == each


async def listed(stub, from_month: str = "") -> list[pb.RevenueTarget]:
    return list((await stub.ListTargets(pb.ListTargetsRequest(from_month=from_month))).targets)


async def test_targets_come_back_by_month_and_agent(house: House):
    june, mine, whole, past = target("2026-06", 3), target("2026-05", 2, "a"), target("2026-05", 9, nanos=5), target("2026-04", 1)
    async with house.stub() as stub:
        await put(stub, june, mine, whole, past)
        assert await listed(stub) == [whole, mine, june]
        assert await listed(stub, "2026-04") == [past, whole, mine, june]
        assert await listed(stub, "2026-06") == [june]


async def test_this_month_is_the_tenants(house: House):
    house.clock.now = house.clock.now.replace(month=6, day=1, hour=2)
    async with house.stub() as stub:
        await put(stub, target("2026-05", 1), target("2026-06", 2))
        assert [t.month for t in await listed(stub)] == ["2026-06"]
        await house.facts.rows(
            "INSERT INTO ingest.tenant_settings (tenant_id, reporting_currency, time_zone, attribution_window_days, version,"
            " updated_at) VALUES ('default', 'USD', 'America/New_York', 7, 1, now())"
        )
        assert [t.month for t in await listed(stub)] == ["2026-05", "2026-06"]


async def test_a_target_replaces_that_of_its_agent_and_month(house: House):
    async with house.stub() as stub:
        await put(stub, target("2026-05", 1, "a"), target("2026-05", 2, "a"))
        assert await listed(stub) == [target("2026-05", 2, "a")]


async def test_what_is_deleted_is_gone_and_not_found_again(house: House):
    async with house.stub() as stub:
        await put(stub, target("2026-05", 1), target("2026-05", 2, "a"))
        await stub.DeleteTarget(pb.DeleteTargetRequest(month="2026-05"))
        assert await listed(stub) == [target("2026-05", 2, "a")]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.DeleteTarget(pb.DeleteTargetRequest(month="2026-05"))
    assert failure_of(refused.value)[:2] == ("NOT_FOUND", "TARGET_NOT_FOUND")


@pytest.mark.parametrize(
    "wrong",
    [
        target("2026-05", 1, currency="EUR"),
        target("2026-05", 0),
        target("2026-05", -1),
        target("2026-05", 1, nanos=-1),
        target("2026-05", 1, nanos=1_000_000_000),
        target("2026-13", 1),
    ],
)
async def test_what_is_no_target_is_refused(house: House, wrong):
    async with house.stub() as stub:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.PutTarget(pb.PutTargetRequest(target=wrong))
        assert await listed(stub, "2000-01") == []
    assert failure_of(refused.value)[:2] == ("INVALID_ARGUMENT", "INVALID_FIELDS")


async def test_another_tenants_targets_are_not_listed(house: House):
    async with house.stub() as stub:
        await put(stub, target("2026-05", 1))
        await house.facts.rows("UPDATE alerting.target SET tenant_id = 'other'")
        assert await listed(stub) == []
