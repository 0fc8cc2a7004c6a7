"""Probes of the services' health, and uptime."""

from __future__ import annotations

from datetime import timedelta

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from rapport.alerting.v1 import alerting_service_pb2 as pb
from rapport.insight.v1 import event_pb2

from services.alerting.prober import Prober
from services.alerting.retention import PROBES_KEPT, Retention
from services.alerting.uptime import HealthState, Probe, Probes, state_of, uptime
from services.runtime.database import Database
from tests.alerting.house import House, failure_of

#: Nobody listens there.
NOWHERE = "127.0.0.1:1"


def timestamp(moment) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def blaming(prober: Prober) -> Prober:
    """Return a prober that no longer takes a service that is away for one that starts."""
    prober._starting = set()
    return prober


async def test_a_service_that_starts_is_not_down_until_it_has_had_its_time(house: House):
    prober = Prober(house.database, {"ingest": NOWHERE}, house.clock)
    await prober.probe_all()
    house.clock.move(timedelta(seconds=29))
    await prober.probe_all()
    assert await house.facts.rows("SELECT count(*) FROM alerting.probe") == [(0,)]
    house.clock.move(timedelta(seconds=1))
    await prober.probe_all()
    assert await house.facts.rows("SELECT probes, good FROM alerting.probe") == [(1, 0)]


async def test_a_service_that_was_up_is_blamed_at_once(house: House):
    async with house.serving() as running:
        prober = Prober(house.database, {"ingest": running.address}, house.clock)
        await prober.probe_all()
        prober._addresses = {"ingest": NOWHERE}
        await prober.probe_all()
    assert await house.facts.rows("SELECT probes, good FROM alerting.probe") == [(2, 1)]


def test_states():
    assert [state_of(s) for s in (True, False, None)] == [HealthState.UP, HealthState.DEGRADED, HealthState.DOWN]


def test_uptime_is_the_share_of_good_probes_and_absent_without_any(house: House):
    now = house.clock()
    assert uptime([]) is None
    assert uptime([Probes("a", 3, 3, 1, now), Probes("b", 1, 0, 3, now)]) == 75.0


async def test_each_service_is_asked_and_counted(house: House):
    async with house.serving() as running, house.stub() as stub:
        prober = blaming(Prober(house.database, {"alerting": running.address, "ingest": NOWHERE}, house.clock))
        await prober.probe_all()
        house.clock.move(timedelta(seconds=5))
        prober._addresses = {"alerting": running.address, "ingest": running.address}
        await prober.probe_all()
        answer = await stub.GetSystemHealth(pb.GetSystemHealthRequest())
    assert answer.probes == 4
    assert answer.health.uptime == 75.0
    alerting, ingest = answer.health.services
    assert (alerting.service, alerting.state, alerting.uptime) == ("alerting", event_pb2.HEALTH_STATE_UP, 100.0)
    assert (ingest.service, ingest.state, ingest.uptime) == ("ingest", event_pb2.HEALTH_STATE_UP, 50.0)
    assert alerting.checked_at.ToDatetime(house.clock.now.tzinfo) == house.clock.now


async def test_a_service_that_says_that_it_cannot_serve_is_degraded(house: House):
    async with house.serving() as running:
        await running._health.close()
        prober = blaming(Prober(house.database, {"alerting": running.address}, house.clock))
        await prober.probe_all()
    assert await house.facts.rows("SELECT probes, good, state FROM alerting.probe") == [(1, 0, HealthState.DEGRADED)]


async def test_nothing_probed_is_no_uptime_rather_than_none(house: House):
    async with house.stub() as stub:
        answer = await stub.GetSystemHealth(pb.GetSystemHealthRequest())
    assert answer.probes == 0
    assert not answer.health.HasField("uptime")


async def test_the_period_decides_which_probes_count(house: House):
    prober = Prober(house.database, {}, house.clock)
    began = house.clock()
    for state, hours in ((HealthState.DOWN, 0), (HealthState.UP, 2), (HealthState.UP, 30)):
        house.clock.now = began + timedelta(hours=hours)
        prober._unsaved.append(Probe("ingest", house.clock(), state))
        await prober.probe_all()
    async with house.stub() as stub:

        async def ask(**period):
            return await stub.GetSystemHealth(pb.GetSystemHealthRequest(**{k: timestamp(v) for k, v in period.items()}))

        assert (await ask()).probes == 1
        both = await ask(start_time=began, end_time=began + timedelta(hours=3))
        assert (both.probes, both.health.uptime) == (2, 50.0)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await ask(start_time=began, end_time=began)
        assert failure_of(refused.value)[:2] == ("INVALID_ARGUMENT", "UNSUPPORTED_WINDOW")


async def test_answers_wait_for_a_database_that_is_away(house: House):
    away = Database("postgresql://postgres@/none?host=/nowhere", "rapport_alerting")
    prober = blaming(Prober(away, {"ingest": NOWHERE}, house.clock))
    await prober.probe_all()
    await prober.probe_all()
    prober._database = house.database
    await prober.probe_all()
    assert await house.facts.rows("SELECT probes, good, state FROM alerting.probe") == [(3, 0, HealthState.DOWN)]
    await prober.probe_all()
    assert await house.facts.rows("SELECT probes FROM alerting.probe") == [(4,)]
    await away.close()


async def test_old_probes_are_deleted(house: House):
    await blaming(Prober(house.database, {"ingest": NOWHERE}, house.clock)).probe_all()
    house.clock.move(PROBES_KEPT - timedelta(hours=1))
    await Retention(house.database, house.clock).delete_old()
    assert await house.facts.rows("SELECT count(*) FROM alerting.probe") == [(1,)]
    house.clock.move(timedelta(hours=1))
    await Retention(house.database, house.clock).delete_old()
    assert await house.facts.rows("SELECT count(*) FROM alerting.probe") == [(0,)]
