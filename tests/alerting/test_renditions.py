"""What is made of an entry for streams is made once for all that want the same, and takes bounded memory."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest
from rapport.alerting.v1 import alert_pb2
from rapport.alerting.v1 import alerting_service_pb2 as pb

from services.alerting import convert, renditions
from services.alerting.alerts import Alert, AlertState, EventKind
from services.alerting.lifecycle import Change
from services.alerting.log import Entry
from services.alerting.renditions import Renditions
from tests.alerting.house import House, Reader

NOW = datetime(2026, 5, 4, tzinfo=UTC)
ALERT = Alert(UUID(int=1), "rule", 1, 1, 1, 1, 1, "agent", AlertState.FIRING, "message", 1.0, 2.0, NOW)


def entry(revision: int) -> Entry:
    return Entry(revision, Change(EventKind.UPDATED, None, ALERT), NOW)


def test_each_audience_has_its_own_made_once():
    made = []

    def make(told: Entry) -> bytes | None:
        made.append(told.revision)
        return None if told.revision == 2 else b"x"

    kept, one, other = Renditions(), object(), object()
    for audience in (one, other, one, other):
        assert [kept.get(audience, entry(n), make) for n in (1, 2)] == [b"x", None]
    assert made == [1, 2, 1, 2]


def test_the_oldest_make_room():
    kept, audience = Renditions(capacity=10_000), object()
    for n in range(1000):
        kept.get(audience, entry(n), lambda _: b"x" * 1000)
    assert kept.get(audience, entry(999), lambda _: b"new") == b"x" * 1000
    assert kept.get(audience, entry(0), lambda _: b"new") == b"new"
    assert sum(map(renditions._size, kept._made.values())) == kept._size <= 10_000


def test_what_is_larger_than_all_together_is_told_and_not_kept():
    kept = Renditions(capacity=100)
    assert kept.get(object(), entry(1), lambda _: b"x" * 1000) == b"x" * 1000
    assert not kept._made


async def converted(house: House, monkeypatch: pytest.MonkeyPatch, readers: int) -> int:
    """Return how often one change is converted for streams that want all alerts, and two that want fewer."""
    counted = 0
    real = convert.told_to_proto

    def count(told):
        nonlocal counted
        counted += 1
        return real(told)

    high, low = (pb.WatchAlertsRequest(filter=alert_pb2.AlertFilter(severities=[n])) for n in (3, 1))
    async with house.stub() as stub:
        reading = [Reader(stub.WatchAlerts(pb.WatchAlertsRequest())) for _ in range(readers)]
        filtering, leaving_out = Reader(stub.WatchAlerts(high)), Reader(stub.WatchAlerts(low))
        for reader in (*reading, filtering, leaving_out):
            await reader.begin()
        monkeypatch.setattr(convert, "told_to_proto", count)
        await house.score("c", 1)
        told = await asyncio.gather(*(reader.events(1) for reader in (*reading, filtering)))
    (same,) = {m.SerializeToString() for (m,) in told[:-1]}
    assert told[-1][0].SerializeToString() != same, "a token is bound to its filter"
    return counted


async def test_streams_of_the_same_filter_share_what_they_send(house: House, monkeypatch: pytest.MonkeyPatch):
    assert await converted(house, monkeypatch, readers=20) == 2


async def test_control_without_keeping_them_each_stream_makes_its_own(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(renditions.Renditions.__init__, "__defaults__", (0,))
    assert await converted(house, monkeypatch, readers=20) == 21
