"""Alerts of an erased customer end like any others; then no table and no memory of a process has the customer's id."""

from __future__ import annotations

import pytest
from rapport.alerting.v1 import alert_pb2
from rapport.alerting.v1 import alerting_service_pb2 as pb

from services.alerting import erase_store
from services.alerting.erase_store import ERASED
from services.alerting.erasing import GRACE
from tests.alerting.house import House, Reader
from tests.ingest.erasures import find
from tests.until import until

PERSON = "person-4711"
EVERYTHING = pb.WatchAlertsRequest()


async def rate(house: House, score: float) -> None:
    """Let the person's conversation, which is not called after the person, have a score."""
    await house.facts.conversation("talk", house.clock(), customer=PERSON, score=score)
    await house.evaluate()


async def erase(house: House) -> None:
    """Do what scoring does: nothing counts for the customer any more, and alerting is told."""
    await house.facts.rows("DELETE FROM scoring.contribution WHERE customer_id = %s", PERSON)
    await house.facts.rows(
        "INSERT INTO scoring.touched (tenant_id, subject_kind, subject_id) VALUES ('default', %s, %s)", ERASED, PERSON
    )
    await house.evaluate()


async def test_open_alerts_end_and_whoever_asked_for_the_customer_is_told(house: House):
    await rate(house, 1)
    async with house.stub() as stub:
        wanted = alert_pb2.AlertFilter(customer_ids=[PERSON])
        reader = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(filter=wanted)))
        await reader.begin()
        await erase(house)
        (told,) = await reader.events(1)
        (event,) = told.events.events
        assert (event.kind, event.alert.customer_id) == (alert_pb2.ALERT_EVENT_KIND_RESOLVED, PERSON)
        assert not event.alert.HasField("value")
        assert "scoring.touched" in find(house.url, PERSON)
        house.clock.move(GRACE)
        await house.evaluate()
        assert find(house.url, PERSON) == {}


async def test_a_customer_without_open_alerts_is_taken_out_at_once(house: House):
    await rate(house, 1)
    await house.score("somebody", 1)
    await rate(house, 5)
    house.clock.move(GRACE)
    await erase(house)
    assert find(house.url, PERSON) == {}
    names = {name for (name,) in await house.facts.rows("SELECT subject_id FROM alerting.alert")}
    assert len(names) == 2
    assert "somebody" in names
    (pseudonym,) = names - {"somebody"}
    assert pseudonym.startswith("erased-")
    logged = await house.facts.rows("SELECT revision, after ->> 'subject_id' FROM alerting.alert_log ORDER BY 1")
    assert logged == [(1, pseudonym), (2, "somebody"), (3, pseudonym)]


async def seen_from_the_start(house: House) -> set[str]:
    """Return whom a stream names that is resumed from before everything, while another has kept the log in memory."""
    async with house.stub() as stub:
        first = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(now=True)))
        token = (await first.next()).resume_token
        await rate(house, 1)
        await rate(house, 5)
        assert len(await first.events(2)) == 2
        house.clock.move(GRACE)
        await erase(house)
        await house.score("somebody", 1)
        told = [m.events.events[0].alert.customer_id for m in await first.events(1)]
        assert told == ["somebody"]
        late = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(resume_token=token)))
        return {m.events.events[0].alert.customer_id for m in await late.events(3)}


async def test_what_processes_keep_of_the_log_is_taken_out_too_and_tokens_go_on(house: House):
    seen = await seen_from_the_start(house)
    assert PERSON not in seen
    assert len(seen) == 2


async def test_without_telling_that_the_log_was_rewritten_memory_would_serve_the_id(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    """The control: the tables are clean, and the process is not."""

    async def tell_nobody(_):
        pass

    monkeypatch.setattr(erase_store, "tell_rewritten", tell_nobody)
    assert PERSON in await seen_from_the_start(house)
    assert find(house.url, PERSON) == {}


async def test_an_erasure_waits_for_an_alert_that_has_just_ended(house: House):
    await rate(house, 1)
    await rate(house, 5)
    await erase(house)
    assert "alerting.alert" in find(house.url, PERSON)
    house.clock.move(GRACE)

    async def is_gone() -> bool:
        await house.worker.go_round()
        return find(house.url, PERSON) == {}

    await until(is_gone)
