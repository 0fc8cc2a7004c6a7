"""What of the log is kept."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest

from services.alerting import retention
from services.alerting.retention import LOG_KEPT, Retention, first_kept
from services.runtime.database import Database
from tests.alerting.house import Clock, House, eventually

NOW = datetime(2026, 5, 4, tzinfo=UTC)
OLD, YOUNG = NOW - timedelta(hours=1), NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("times", "first"),
    [
        ([], None),
        ([YOUNG], None),
        ([OLD, OLD, YOUNG], 7),
        ([OLD, OLD], 7),
        # The clocks of two replicas differ: nothing goes before what is older by revision.
        ([OLD, YOUNG, OLD], 6),
        ([YOUNG, OLD], None),
    ],
)
def test_what_is_kept_has_no_gaps(times, first):
    assert first_kept(list(enumerate(times, 5)), NOW) == first


async def test_old_entries_go_batch_by_batch_and_open_alerts_stay(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    for i in range(5):
        await house.score("c", 1 + i % 2)
    house.clock.move(LOG_KEPT + timedelta(seconds=1))
    await house.facts.rows("INSERT INTO alerting.evaluation VALUES ('without a log', now())")
    await Retention(house.database, house.clock).delete_old()
    assert await house.facts.rows("SELECT revision, first_revision FROM alerting.log_head") == [(5, 6)]
    assert await house.facts.rows("SELECT count(*) FROM alerting.alert_log") == [(0,)]
    assert await house.facts.rows("SELECT count(*) FROM alerting.alert WHERE state = 1") == [(1,)]
    await house.score("d", 1)
    head = "SELECT revision, first_revision FROM alerting.log_head WHERE tenant_id = 'default'"
    assert await house.facts.rows(head) == [(7, 6)]


async def test_a_database_that_is_away_is_waited_for_and_told_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(retention, "_AGAIN_S", 0.01)
    away = Database("postgresql://postgres@127.0.0.1:1/none", "rapport_alerting")
    asked = []
    monkeypatch.setattr(away, "probe", lambda probe=away.probe: asked.append(1) or probe())
    stop = asyncio.Event()

    async def was_tried_often() -> bool:
        return len(asked) > 3

    with caplog.at_level(logging.WARNING):
        working = asyncio.create_task(Retention(away, Clock()).run(stop))
        await eventually(was_tried_often)
        stop.set()
        await working
    await away.close()
    assert [record.message for record in caplog.records] == ["old alerts wait for the database"]
