"""What people said about an erased customer goes, wherever it is kept, and what was said at that moment, too."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from rapport.alerting.v1 import act_pb2
from rapport.alerting.v1 import alerting_service_pb2 as pb

from services.alerting import act_store, erase_store
from services.alerting.defaults import DEFAULT_RULES
from services.alerting.erase_store import ERASED
from services.alerting.erasing import GRACE
from tests.alerting.house import TENANT, House, Reader
from tests.alerting.notifying import TellingHouse, receiving
from tests.alerting.people import one, put_rule, silence_of
from tests.ingest.erasures import find

PERSON = "person-4711"
SAID = f"{PERSON} called twice"


async def tell(house: House) -> None:
    """Do what scoring does: nothing counts for the customer any more, and alerting is told."""
    await house.facts.rows("DELETE FROM scoring.contribution WHERE customer_id = %s", PERSON)
    await house.facts.rows(
        "INSERT INTO scoring.touched (tenant_id, subject_kind, subject_id) VALUES (%s, %s, %s)", TENANT, ERASED, PERSON
    )
    await house.evaluate()


async def erase(house: House) -> None:
    await tell(house)
    house.clock.move(GRACE)
    await house.evaluate()


async def raise_alert(house: House) -> str:
    """Let the person, whose conversation is not called after them, raise an alert; return its id."""
    await house.facts.conversation("talk", house.clock(), customer=PERSON, score=1)
    await house.evaluate()
    ((alert_id,),) = await house.facts.rows("SELECT alert_id::text FROM alerting.alert WHERE subject_id = %s", PERSON)
    return str(alert_id)


async def talk(stub: Any, alert_id: str) -> None:
    said = {"alert_id": alert_id, "author": "ada", "comment": SAID}
    await stub.AcknowledgeAlert(act_pb2.AcknowledgeAlertRequest(**said))
    note = act_pb2.AddAlertNoteRequest(**said, request_id=f"about {PERSON}")
    await stub.AddAlertNote(note)
    await stub.ResolveAlert(act_pb2.ResolveAlertRequest(**said))


async def test_comments_silences_rules_and_what_rules_remember_go_and_positions_stay(house: House):
    alert_id = await raise_alert(house)
    of_customers = DEFAULT_RULES[0][1]
    for version in (2, 3):
        told = {"subject_ids": (PERSON, "c"), "inhibits": (one("customer_id", PERSON),)}
        await put_rule(house, replace(of_customers, rule_id="theirs", version=version, is_disabled=True, **told))
    async with house.stub() as stub:
        first = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(now=True)))
        token = (await first.next()).resume_token
        await stub.PutSilence(silence_of(PERSON, house, comment=SAID))
        await talk(stub, alert_id)
        tables = {"alert", "alert_log", "act", "silence", "rule", "rule_version", "rule_state"}
        assert {f"alerting.{name}" for name in tables} <= find(house.url, PERSON).keys()
        await first.events(4)
        await erase(house)
        assert find(house.url, PERSON) == {}
        answer = await stub.GetAlert(act_pb2.GetAlertRequest(alert_id=alert_id))
        assert answer.alert.customer_id.startswith("erased-")
        assert [(a.author, a.comment) for a in answer.acts] == [("ada", "")] * 3
        silences = (await stub.ListSilences(act_pb2.ListSilencesRequest())).silences
        assert [list(s.matchers[0].values) for s in silences] == [[answer.alert.customer_id]]
        # The stream goes on where it was, and tells nothing that was said.
        late = await Reader(stub.WatchAlerts(pb.WatchAlertsRequest(resume_token=token))).events(4)
        assert [m.revision for m in late] == [2, 3, 4, 5]
        assert {m.events.events[0].comment for m in late} == {""}
        assert not any(PERSON in str(m) for m in late)


async def test_what_is_sent_again_brings_nothing_back(house: House):
    alert_id = await raise_alert(house)
    async with house.stub() as stub:
        await talk(stub, alert_id)
        await erase(house)
        again = act_pb2.AddAlertNoteRequest(alert_id=alert_id, author="ada", comment=SAID, request_id=f"about {PERSON}")
        await stub.AddAlertNote(again)
    assert find(house.url, PERSON) == {}


async def test_a_hold_of_a_customer_without_a_comment_is_forgotten(house: House):
    alert_id = await raise_alert(house)
    async with house.stub() as stub:
        await stub.ResolveAlert(act_pb2.ResolveAlertRequest(alert_id=alert_id))
    await erase(house)
    assert await house.facts.rows("SELECT FROM alerting.rule_state") == []


async def test_what_was_told_about_a_customer_is_about_nobody(database_url: str):
    house = TellingHouse(database_url)
    async with receiving() as receiver:
        await house.put_webhook("hook", receiver)
        picked = {"name": "customer_id", "values": [PERSON]}
        await house.put_routes({"matchers": [picked], "channelIds": ["hook"], "groupBy": ["customer_id"], "groupWait": "0s"})
        await raise_alert(house)
        await house.tell()
        assert {"alerting.route", "alerting.alert_group", "alerting.notification"} <= find(house.url, PERSON).keys()
        await erase(house)
    assert find(house.url, PERSON) == {}
    await house.database.close()


async def say_while_erasing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let somebody be in the middle of a note about the person's last alert when the person is erased."""
    alert_id = await raise_alert(house)
    await house.facts.conversation("talk", house.clock(), customer=PERSON, score=5)
    await house.evaluate()
    house.clock.move(timedelta(hours=1))
    locked, go_on = asyncio.Event(), asyncio.Event()
    get_done = act_store.get_done

    async def wait_and_get_done(*args: Any) -> Any:
        locked.set()
        await go_on.wait()
        return await get_done(*args)

    monkeypatch.setattr(act_store, "get_done", wait_and_get_done)
    async with house.stub() as stub:
        saying = stub.AddAlertNote(act_pb2.AddAlertNoteRequest(alert_id=alert_id, comment=SAID, request_id="r"))
        await locked.wait()
        try:
            async with asyncio.timeout(2):
                await tell(house)
        finally:
            go_on.set()
            await saying
    house.clock.move(GRACE)
    await house.evaluate()


async def test_what_is_said_while_a_customer_is_erased_goes_too(house: House, monkeypatch: pytest.MonkeyPatch):
    await say_while_erasing(house, monkeypatch)
    assert find(house.url, PERSON) == {}


async def test_control_an_erasure_that_waits_for_busy_alerts_stands_still(house: House, monkeypatch: pytest.MonkeyPatch):
    """Were the alert not left to later, the erasure would wait for who speaks, who may wait for the log's counter."""

    async def list_none(*_: Any) -> set[str]:
        return set()

    monkeypatch.setattr(erase_store, "list_others", list_none)
    with pytest.raises(TimeoutError):
        await say_while_erasing(house, monkeypatch)
