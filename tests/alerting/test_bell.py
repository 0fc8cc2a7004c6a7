"""Streams hear of what this process appends when the bell rings, and of what others do by polling."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest
from rapport.alerting.v1 import alerting_service_pb2 as pb
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.alerting import tail
from services.alerting.bell import Bell
from tests.alerting.house import House, Reader

COUNT = "SELECT count(*) FROM alerting.target"
PUT = "INSERT INTO alerting.target (tenant_id, agent_id, month, amount, currency) VALUES ('a', '', '2026-05-01', 1, 'USD')"


async def test_it_rings_for_the_tenant_once_what_was_written_can_be_read(house: House):
    bell, heard = Bell(), []
    with bell.heard("a", lambda: heard.append("a")), bell.heard("b", lambda: heard.append("b")):
        async with house.database.transaction("a") as conn:
            await conn.execute(text(PUT))
            for _ in range(3):
                bell.ring_after(conn)
            assert len(conn.engine.sync_engine.pool.dispatch.checkin) == 1
            assert heard == []
            assert await house.facts.rows(COUNT) == [(0,)]
        assert heard == ["a"], "once, however often it was asked to"
        assert await house.facts.rows(COUNT) == [(1,)]
        async with house.database.transaction("a"):
            pass
    assert heard == ["a"]


async def test_a_transaction_that_fails_leaves_nothing_to_ring_later(house: House):
    bell, heard = Bell(), []
    with bell.heard("a", lambda: heard.append("a")):
        with pytest.raises(DBAPIError):
            await fail(house, bell)
        heard.clear()
        async with house.database.transaction("b"):
            pass
    assert heard == []
    assert not bell._listeners


async def fail(house: House, bell: Bell) -> None:
    async with house.database.transaction("a") as conn:
        bell.ring_after(conn)
        await conn.execute(text("SELECT 1 / 0"))


async def test_what_this_process_appends_is_told_without_polling(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tail.process, "wait", lambda event, _: event.wait())
    async with house.stub() as stub:
        reader = Reader(stub.WatchAlerts(pb.WatchAlertsRequest()))
        await reader.begin()
        for n in range(1, 6):
            await house.score("c", 1 + n % 2)
            assert [m.revision for m in await reader.events(1)] == [n]


async def test_what_another_process_appends_is_found_by_polling(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Bell, "ring_after", lambda *_: None)
    async with house.stub() as stub:
        reader = Reader(stub.WatchAlerts(pb.WatchAlertsRequest()))
        await reader.begin()
        for n in range(1, 6):
            await house.score("c", 1 + n % 2)
            assert [m.revision for m in await reader.events(1)] == [n]


async def test_many_tails_without_news_look_no_more_often_than_few(house: House, monkeypatch: pytest.MonkeyPatch):
    looked: list[str] = []
    news = house.reader.news
    monkeypatch.setattr(house.reader, "news", lambda *a: (looked.append(a[0]), news(*a))[1])
    tails = tail.Tails(house.reader)
    with ExitStack() as stack:
        for n in range(12):
            stack.enter_context(tails.watched(f"tenant {n}", lambda: None))
        await asyncio.sleep(0.5)
        looked.clear()
        await asyncio.sleep(1)
    assert set(looked) == {f"tenant {n}" for n in range(12)}
    assert len(looked) < 200, "each ten times a second; one alone forty times"
