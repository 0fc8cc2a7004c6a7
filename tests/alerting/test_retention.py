"""What of the log is kept."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import log_store, retention
from services.alerting.retention import LOG_KEPT, REQUESTS_KEPT, SILENCES_KEPT, Retention, first_kept
from services.runtime.database import Database
from services.runtime.tenancy import current_tenant
from tests.alerting.house import Clock, House, said_by_us
from tests.alerting.people import ack, note, open_alert, silence_of, unack
from tests.until import until

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
    # By the last one those are known who have read it.
    assert await house.facts.rows("SELECT revision FROM alerting.alert_log") == [(5,)]
    assert await house.facts.rows("SELECT count(*) FROM alerting.alert WHERE state = 1") == [(1,)]
    await house.score("d", 1)
    head = "SELECT revision, first_revision FROM alerting.log_head WHERE tenant_id = 'default'"
    assert await house.facts.rows(head) == [(7, 6)]


async def test_silences_that_are_long_over_go_unless_an_alert_names_them(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    await open_alert(house, "over")
    async with house.stub() as stub:
        # The alert ends while it is silent, and says so for ever.
        named = (await stub.PutSilence(silence_of("over", house))).silence.silence_id
        await house.score("over", 5)
        for _ in range(5):
            await stub.PutSilence(silence_of("nobody", house))
        young = (await stub.PutSilence(silence_of("nobody", house, hours=2))).silence.silence_id
        lasting = (await stub.PutSilence(silence_of("nobody", house, hours=2000))).silence.silence_id
    house.clock.move(timedelta(hours=1.5) + SILENCES_KEPT)
    await Retention(house.database, house.clock).delete_old()
    left = {each for (each,) in await house.facts.rows("SELECT silence_id::text FROM alerting.silence")}
    assert left == {named, young, lasting}


async def test_requests_are_known_again_for_a_while_and_what_they_did_is_kept(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    alert_id = await open_alert(house)
    keep = Retention(house.database, house.clock)
    async with house.stub() as stub:
        for i in range(5):
            await stub.AddAlertNote(note(alert_id, request_id=f"note {i}"))
        await stub.UnacknowledgeAlert(unack(alert_id, request_id="did nothing"))
        house.clock.move(REQUESTS_KEPT)
        await stub.AcknowledgeAlert(ack(alert_id, request_id="young"))
        await keep.delete_old()
        assert await house.facts.rows("SELECT count(*) FROM alerting.act_request") == [(7,)]
        house.clock.move(timedelta(seconds=1))
        await keep.delete_old()
        assert await house.facts.rows("SELECT kind FROM alerting.act_request") == [(6,)]
        assert await house.facts.rows("SELECT count(*) FROM alerting.act") == [(6,)]


@pytest.mark.parametrize("failure", [RuntimeError("a defect"), psycopg.errors.DeadlockDetected()])
async def test_a_tenant_where_it_goes_wrong_keeps_no_other_from_its_turn(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, failure: Exception
):
    for tenant in ("a", "b", "c"):
        await house.score("c", 1, tenant=tenant)
    house.clock.move(LOG_KEPT + timedelta(seconds=1))
    delete_entries = log_store.delete_entries

    async def fail_for_b(conn: AsyncConnection, before: int) -> None:
        if current_tenant() == "b":
            raise failure
        await delete_entries(conn, before)

    monkeypatch.setattr(log_store, "delete_entries", fail_for_b)
    await Retention(house.database, house.clock).delete_old()
    kept = await house.facts.rows("SELECT tenant_id, first_revision FROM alerting.log_head ORDER BY 1")
    assert kept == [("a", 2), ("b", 1), ("c", 2)]
    ((said, fields),) = [(r, r.fields) for r in caplog.records if r.name.startswith("services.")]
    assert (said.message, fields["tenant"]) == ("what is old of a tenant stays", "b")
    assert (said.exc_info is not None) is isinstance(failure, RuntimeError)


async def test_a_database_that_is_lost_in_the_middle_ends_the_round(house: House, monkeypatch: pytest.MonkeyPatch):
    for tenant in ("a", "b"):
        await house.score("c", 1, tenant=tenant)
    visited: list[str] = []

    async def fail(*_: object) -> None:
        visited.append(current_tenant())
        raise psycopg.OperationalError

    monkeypatch.setattr(log_store, "list_oldest", fail)
    with pytest.raises(psycopg.OperationalError):
        await Retention(house.database, house.clock).delete_old()
    assert visited == ["a"]


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
        await until(was_tried_often)
        stop.set()
        await working
    await away.close()
    assert said_by_us(caplog) == [("WARNING", "old alerts wait for the database", None)]
