"""What people said about an erased customer goes, wherever it is kept, and what was said at that moment, too."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from rapport.alerting.v1 import act_pb2, rule_pb2
from rapport.alerting.v1 import alerting_service_pb2 as pb

from services.alerting import erase_store, naming_store
from services.alerting.defaults import DEFAULT_RULES
from services.alerting.erase_store import ERASED
from services.alerting.erasing import GRACE
from services.alerting.renaming import GONE
from services.alerting.rules import NoData, SubjectKind
from tests.alerting.house import TENANT, House, Reader
from tests.alerting.notifying import TellingHouse, receiving
from tests.alerting.people import SWEPT, hold_acts, one, put_rule, silence_of
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


async def put_rules_about(house: House) -> None:
    """Put rules that name the person in each way, each in two versions, of which one was to be looked at, too."""
    rule, near = DEFAULT_RULES[0][1], {"message": f"{PERSON} is back", "labels": {"vip": PERSON}}
    todo = {"description": f"Call {PERSON}.", "runbook_url": f"https://wiki.example.com/{PERSON}#call"}
    told = {
        "alone": {"subject_ids": (PERSON,), "no_data": NoData.WRONG, "message": "Ada is unhappy", "description": "Write to Ada"},
        "among": {"subject_ids": (PERSON, "c"), "no_data": NoData.WRONG, **near},
        "agents": {"subject_kind": SubjectKind.AGENT, "subject_ids": ("ben",), "no_data": NoData.WRONG, **near},
        "quiet": {"is_disabled": True, "inhibits": (one("customer_id", PERSON), one("vip", PERSON))},
        "said": {"is_disabled": True},
        "todo": {"subject_ids": ("c",), "no_data": NoData.WRONG, **todo},
    }
    for version in (2, 3):
        for rule_id, parts in told.items():
            await put_rule(house, replace(rule, rule_id=rule_id, version=version, **parts), PERSON, SAID)


async def test_rules_say_nothing_of_a_customer_in_any_version_and_do_not_look_at_the_pseudonym(house: House):
    await raise_alert(house)
    await put_rules_about(house)
    house.clock.move(SWEPT)
    await house.evaluate()
    opened = "SELECT rule_id, subject_id, message FROM alerting.alert WHERE resolved_at IS NULL ORDER BY 1, 2"
    assert ("among", "c", f"{PERSON} is back") in await house.facts.rows(opened)
    await erase(house)
    assert find(house.url, PERSON, "Ada") == {}
    async with house.stub() as stub:
        versions = (await stub.ListRuleVersions(rule_pb2.ListRuleVersionsRequest(rule_id="alone"))).versions
        assert [(v.rule.disabled, v.rule.message, v.author, v.comment) for v in versions] == [(True, GONE, "", "")] * 2
        versions = (await stub.ListRuleVersions(rule_pb2.ListRuleVersionsRequest(rule_id="among"))).versions
        assert [(v.rule.disabled, list(v.rule.subject_ids)) for v in versions] == [(False, ["c"])] * 2
    about = "SELECT message, details ->> 'description', details ->> 'runbook_url' FROM alerting.alert"
    assert await house.facts.rows(f"{about} WHERE rule_id = 'alone'") == [(GONE, None, None)]
    ((_, todo, url),) = await house.facts.rows(f"{about} WHERE rule_id = 'todo'")
    assert (todo[:12], url[:32]) == ("Call erased-", "https://wiki.example.com/erased-")
    for _ in range(2):
        house.clock.move(SWEPT)
        await house.evaluate()
        still = [(rule_id, subject) for rule_id, subject, _ in await house.facts.rows(opened)]
        assert ("among", "c") in still
        assert not [subject for _, subject in still if subject.startswith("erased-")]


async def test_an_alert_of_somebody_else_that_mentions_the_customer_is_waited_for_without_standing_still(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    await house.evaluate()
    await put_rule(house, replace(DEFAULT_RULES[0][1], version=2, message=f"{PERSON} is back"))
    await house.score("c", 1)
    ((alert_id,),) = await house.facts.rows("SELECT alert_id::text FROM alerting.alert")
    locked, go_on = hold_acts(monkeypatch)
    async with house.stub() as stub:
        saying = stub.AddAlertNote(act_pb2.AddAlertNoteRequest(alert_id=alert_id, comment="mine", request_id="r"))
        await locked.wait()
        async with asyncio.timeout(30):
            await erase(house)
        assert {"alerting.alert", "alerting.rule", "scoring.touched"} <= find(house.url, PERSON).keys()
        go_on.set()
        assert (await saying).alert.revision == 2
        await house.evaluate()
        assert find(house.url, PERSON) == {}
        acts = (await stub.GetAlert(act_pb2.GetAlertRequest(alert_id=alert_id))).acts
        assert [a.comment for a in acts] == ["mine"], "what was said about somebody else stays"


@pytest.mark.parametrize(("name", "tables"), [("rename_in_rules", {"rule", "rule_version"}), ("rename_in_silences", {"silence"})])
async def test_control_what_rules_and_silences_say_would_be_found(
    house: House, monkeypatch: pytest.MonkeyPatch, name: str, tables: set[str]
):
    async def leave(*_: Any) -> None:
        pass

    monkeypatch.setattr(naming_store, name, leave)
    await house.evaluate()
    await put_rule(house, replace(DEFAULT_RULES[0][1], version=2), comment=SAID)
    async with house.stub() as stub:
        await stub.PutSilence(silence_of("somebody", house, comment=SAID))
    await raise_alert(house)
    await erase(house)
    assert set(find(house.url, PERSON)) == {f"alerting.{table}" for table in tables}


async def test_a_rule_that_has_no_data_of_an_erased_customer_makes_no_alert_that_stays_open(house: House):
    """The rule is looked at once more before the customer is taken out of it."""
    await house.evaluate()
    await put_rule(house, replace(DEFAULT_RULES[0][1], rule_id="alone", subject_ids=(PERSON,), no_data=NoData.WRONG))
    await house.facts.conversation("talk", house.clock(), customer=PERSON, score=5)
    await house.evaluate()
    house.clock.move(SWEPT)
    await erase(house)
    house.clock.move(SWEPT)
    await house.evaluate()
    assert find(house.url, PERSON) == {}
    assert await house.facts.rows("SELECT FROM alerting.alert WHERE resolved_at IS NULL") == []


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


async def say_while_erasing(house: House, monkeypatch: pytest.MonkeyPatch, within_s: float = 30) -> None:
    """Let somebody be in the middle of a note about the person's last alert when the person is erased."""
    alert_id = await raise_alert(house)
    await house.facts.conversation("talk", house.clock(), customer=PERSON, score=5)
    await house.evaluate()
    house.clock.move(timedelta(hours=1))
    locked, go_on = hold_acts(monkeypatch)
    async with house.stub() as stub:
        saying = stub.AddAlertNote(act_pb2.AddAlertNoteRequest(alert_id=alert_id, comment=SAID, request_id="r"))
        await locked.wait()
        try:
            async with asyncio.timeout(within_s):
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
        await say_while_erasing(house, monkeypatch, within_s=2)
