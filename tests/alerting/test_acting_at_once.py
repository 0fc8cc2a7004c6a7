"""What people do about alerts at the same time, and while rules are evaluated."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from rapport.alerting.v1 import act_pb2, alert_pb2
from rapport.alerting.v1 import alerting_service_pb2 as pb

from services.alerting import act_store, alert_store
from tests.alerting.house import House, Reader
from tests.alerting.people import ack, asked, hold_acts, note, objections_to, open_alert, refused, resolve, unack
from tests.until import until

ACKNOWLEDGED, UNACKNOWLEDGED = alert_pb2.ALERT_EVENT_KIND_ACKNOWLEDGED, alert_pb2.ALERT_EVENT_KIND_UNACKNOWLEDGED
RESOLVED, NOTED = alert_pb2.ALERT_EVENT_KIND_RESOLVED, alert_pb2.ALERT_EVENT_KIND_NOTED
LOG = "SELECT revision, kind, author, comment FROM alerting.alert_log WHERE author <> '' ORDER BY revision"
HOLDS = "SELECT subject_id, is_held FROM alerting.rule_state"


async def test_of_two_who_acknowledge_at_once_the_second_is_told_what_it_did_not_see(house: House):
    alert_id = await open_alert(house)
    names = ("ada", "bob", "eve", "kim")
    async with house.stub() as stub:
        calls = [stub.AcknowledgeAlert(ack(alert_id, name, expected_revision=1)) for name in names]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        done = [answer for answer in answers if isinstance(answer, act_pb2.AcknowledgeAlertResponse)]
        assert len(done) == 1
        for call, answer in zip(calls, answers, strict=True):
            if answer not in done:
                assert await refused(call) == ("ABORTED", "VERSION_CONFLICT")
        # Who does not say what they saw takes it over, one after the other.
        await asyncio.gather(*(stub.AcknowledgeAlert(ack(alert_id, name)) for name in names))
        answer = await stub.GetAlert(asked(alert_id))
        assert [a.revision for a in answer.acts] == sorted({a.revision for a in answer.acts})
        assert answer.acts[-1].author == answer.alert.acknowledgement.author
        assert answer.acts[-1].revision == answer.alert.revision


async def test_the_same_request_sent_many_times_at_once_is_one_act(house: House):
    alert_id = await open_alert(house)
    async with house.stub() as stub:
        answers = await asyncio.gather(*(stub.AddAlertNote(note(alert_id, request_id="r")) for _ in range(6)))
        assert {a.alert.revision for a in answers} == {2}
        assert len((await stub.GetAlert(asked(alert_id))).acts) == 1


@pytest.mark.parametrize(("method", "request_of", "changes"), [("AddAlertNote", note, 1), ("UnacknowledgeAlert", unack, 0)])
async def test_one_requests_id_for_two_alerts_at_once_is_one_act(
    house: House, monkeypatch: pytest.MonkeyPatch, method: str, request_of: Any, changes: int
):
    """Each looks before the other has written: what is written last finds out, also where neither changes anything."""
    alert_ids = [await open_alert(house, name) for name in ("a", "b")]
    both = asyncio.Barrier(2)
    get_answered = act_store.get_answered

    async def get_answered_together(*args: Any) -> Any:
        found = await get_answered(*args)
        await both.wait()
        return found

    monkeypatch.setattr(act_store, "get_answered", get_answered_together)
    async with house.stub() as stub:
        calls = [getattr(stub, method)(request_of(alert_id, request_id="r")) for alert_id in alert_ids]
        answers = await asyncio.gather(*calls, return_exceptions=True)
        failed = [call for call, answer in zip(calls, answers, strict=True) if isinstance(answer, Exception)]
        assert [await refused(call) for call in failed] == [("INVALID_ARGUMENT", "INVALID_FIELDS")]
    assert len(failed) == 1
    assert len(await house.facts.rows("SELECT FROM alerting.act_request")) == 1
    assert len(await house.facts.rows("SELECT FROM alerting.act")) == changes
    assert await house.facts.rows("SELECT revision FROM alerting.log_head") == [(2 + changes,)]


@pytest.mark.parametrize(("method", "request_of"), [("AcknowledgeAlert", ack), ("ResolveAlert", resolve)])
async def test_who_acts_while_the_rule_ends_the_alert_is_told_that_it_is_over(
    house: House, monkeypatch: pytest.MonkeyPatch, method: str, request_of: Any
):
    """The evaluation has the lease and the alert when the act comes: the act waits, and then sees the alert as it is."""
    alert_id = await open_alert(house)
    await house.facts.conversation("of c", house.clock(), customer="c", score=5)
    locked, go_on = asyncio.Event(), asyncio.Event()
    lock_open_alerts = alert_store.lock_open_alerts

    async def lock_and_wait(*args: Any) -> Any:
        found = await lock_open_alerts(*args)
        locked.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(alert_store, "lock_open_alerts", lock_and_wait)
    async with house.stub() as stub:
        evaluating = asyncio.create_task(house.worker.go_round())
        await locked.wait()
        call = getattr(stub, method)(request_of(alert_id))
        await until(lambda: somebody_waits(house))
        go_on.set()
        assert await refused(call) == ("FAILED_PRECONDITION", "ALERT_RESOLVED")
        await evaluating
    assert await house.facts.rows("SELECT state, acknowledged_at FROM alerting.alert") == [(2, None)]


async def test_the_rule_leaves_what_somebody_resolves_at_this_moment_and_makes_no_second_alert(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    """The act has the lease when the evaluation comes, with news: it comes again, and then sees that the alert is over."""
    alert_id = await open_alert(house)
    await house.facts.conversation("of c", house.clock(), customer="c", score=2)
    locked, go_on = hold_acts(monkeypatch)
    async with house.stub() as stub:
        call = stub.ResolveAlert(resolve(alert_id, request_id="r"))
        await locked.wait()
        assert not await asyncio.create_task(house.worker.go_round())
        go_on.set()
        assert (await call).alert.resolved_by == "ada"
        await house.evaluate()
    assert await house.facts.rows("SELECT state, resolved_by FROM alerting.alert") == [(2, "ada")]
    assert await house.facts.rows(HOLDS) == [("c", True)]


async def somebody_waits(house: House) -> bool:
    return bool(await house.facts.rows("SELECT FROM pg_locks WHERE NOT granted"))


async def test_acts_and_evaluations_at_once_leave_one_story(house: House):
    """Whatever comes first, each change follows from the one before, and the stored alert is the last of them."""
    alert_id = await open_alert(house)
    async with house.stub() as stub:
        reader = Reader(stub.WatchAlerts(pb.WatchAlertsRequest()))
        seen = await reader.begin()

        async def evaluate() -> None:
            for score in (1.5, 2, 1, 2.5, 2, 1):
                await house.score("c", score)

        async def talk(name: str) -> None:
            for i in range(6):
                await stub.AcknowledgeAlert(ack(alert_id, name))
                await stub.AddAlertNote(note(alert_id, f"{name} {i}"))

        await asyncio.gather(evaluate(), talk("ada"), talk("bob"))
        await stub.ResolveAlert(resolve(alert_id))
        ((last,),) = await house.facts.rows("SELECT revision FROM alerting.log_head")
        seen += await reader.events(last - 1)
    assert await objections_to(house, seen) == {}
    rows = await house.facts.rows("SELECT before, after FROM alerting.alert_log ORDER BY revision")
    assert all(before == after for (_, after), (before, _) in pairwise(rows))
    await until(lambda: is_stored(house, rows[-1][1]))


async def is_stored(house: House, last: dict[str, Any]) -> bool:
    ((revision, by),) = await house.facts.rows("SELECT revision, resolved_by FROM alerting.alert")
    return (revision, by) == (last["revision"], last["resolved_by"])
