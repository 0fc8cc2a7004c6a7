"""What people do about alerts, over a real channel and a real database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from rapport.alerting.v1 import alert_pb2
from rapport.alerting.v1 import alerting_service_pb2 as pb

from tests.alerting.house import House, Reader
from tests.alerting.people import ack, asked, blamed, note, objections_to, open_alert, refused, resolve, unack

ACKNOWLEDGED, UNACKNOWLEDGED = alert_pb2.ALERT_EVENT_KIND_ACKNOWLEDGED, alert_pb2.ALERT_EVENT_KIND_UNACKNOWLEDGED
RESOLVED, NOTED = alert_pb2.ALERT_EVENT_KIND_RESOLVED, alert_pb2.ALERT_EVENT_KIND_NOTED
LOG = "SELECT revision, kind, author, comment FROM alerting.alert_log WHERE author <> '' ORDER BY revision"
HOLDS = "SELECT subject_id, is_held FROM alerting.rule_state"


async def test_an_alert_is_told_with_what_people_did_in_their_order(house: House):
    alert_id = await open_alert(house)
    async with house.stub() as stub:
        acknowledged = (await stub.AcknowledgeAlert(ack(alert_id, comment="mine"))).alert
        assert (acknowledged.acknowledgement.author, acknowledged.acknowledgement.comment) == ("ada", "mine")
        assert acknowledged.acknowledgement.acknowledged_at.ToDatetime(house.clock.now.tzinfo) == house.clock.now
        assert (acknowledged.revision, acknowledged.state) == (2, alert_pb2.ALERT_STATE_FIRING)
        house.clock.move(timedelta(minutes=1))
        assert (await stub.AcknowledgeAlert(ack(alert_id, "bob"))).alert.acknowledgement.author == "bob"
        assert not (await stub.UnacknowledgeAlert(unack(alert_id))).alert.HasField("acknowledgement")
        assert (await stub.AddAlertNote(note(alert_id))).alert.revision == 5
        over = (await stub.ResolveAlert(resolve(alert_id, comment="called them"))).alert
        assert (over.state, over.resolved_by, over.value) == (alert_pb2.ALERT_STATE_RESOLVED, "ada", 1)
        assert over.resolved_at.ToDatetime(house.clock.now.tzinfo) == house.clock.now
        await stub.AddAlertNote(note(alert_id, "all is well"))
        answer = await stub.GetAlert(asked(alert_id))
    told = [(a.revision, a.kind, a.author, a.comment) for a in answer.acts]
    assert told == [
        (2, ACKNOWLEDGED, "ada", "mine"),
        (3, ACKNOWLEDGED, "bob", ""),
        (4, UNACKNOWLEDGED, "ada", ""),
        (5, NOTED, "ada", "seen"),
        (6, RESOLVED, "ada", "called them"),
        (7, NOTED, "ada", "all is well"),
    ]
    assert told == await house.facts.rows(LOG)
    assert answer.acts[0].act_time.ToDatetime(house.clock.now.tzinfo) == house.clock.now - timedelta(minutes=1)
    assert (answer.alert.revision, answer.alert.resolved_by) == (7, "ada")


async def test_a_stream_tells_what_people_do_in_order_and_a_snapshot_who_takes_care(house: House):
    alert_id = await open_alert(house)
    async with house.stub() as stub:
        mine = pb.WatchAlertsRequest(filter=alert_pb2.AlertFilter(acknowledged=True))
        reader, takers = Reader(stub.WatchAlerts(pb.WatchAlertsRequest())), Reader(stub.WatchAlerts(mine))
        seen, taken = await reader.begin(), await takers.begin()
        await stub.AcknowledgeAlert(ack(alert_id, comment="mine"))
        await stub.AddAlertNote(note(alert_id))
        late = await Reader(stub.WatchAlerts(pb.WatchAlertsRequest())).begin()
        assert await objections_to(house, late) == {}
        ((event,),) = [m.events.events for m in late if m.WhichOneof("body") == "events"]
        assert (event.alert.acknowledgement.author, event.alert.revision) == ("ada", 3)
        await stub.UnacknowledgeAlert(unack(alert_id, "bob"))
        await stub.ResolveAlert(resolve(alert_id))
        told = await reader.events(4)
        assert await objections_to(house, [*seen, *told]) == {}
        events = [m.events.events[0] for m in told]
        assert [(e.kind, e.author, e.comment) for e in events] == [
            (ACKNOWLEDGED, "ada", "mine"),
            (NOTED, "ada", "seen"),
            (UNACKNOWLEDGED, "bob", ""),
            (RESOLVED, "ada", ""),
        ]
        told = await takers.events(3)
        assert await objections_to(house, [*taken, *told], lambda state: state["acknowledged_at"] is not None) == {}
        assert [m.events.events[0].kind for m in told] == [ACKNOWLEDGED, NOTED, alert_pb2.ALERT_EVENT_KIND_LEFT_FILTER]


@pytest.mark.parametrize(
    ("method", "request_of"),
    [("AcknowledgeAlert", ack), ("UnacknowledgeAlert", unack), ("ResolveAlert", resolve), ("AddAlertNote", note)],
)
async def test_a_repeat_changes_nothing_and_answers_the_alert_as_it_is(house: House, method: str, request_of: Any):
    alert_id, other = await open_alert(house), await open_alert(house, "other")
    async with house.stub() as stub:
        await stub.AcknowledgeAlert(ack(alert_id, "eve"))
        first = (await getattr(stub, method)(request_of(alert_id, request_id="r"))).alert
        # Meanwhile somebody else did something, and the repeat must not undo it.
        await stub.AddAlertNote(note(alert_id))
        if method != "ResolveAlert":
            await stub.AcknowledgeAlert(ack(alert_id, "bob"))
        before = (await stub.GetAlert(asked(alert_id))).alert
        repeated = (await getattr(stub, method)(request_of(alert_id, request_id="r"))).alert
        assert repeated == before
        assert repeated.revision > first.revision
        for name, wrong in (("AddAlertNote", note), ("AcknowledgeAlert", ack)):
            target = alert_id if name != method else other
            refusal = await refused(getattr(stub, name)(wrong(target, request_id="r")))
            assert refusal == ("INVALID_ARGUMENT", "INVALID_FIELDS")
        assert (await stub.GetAlert(asked(alert_id))).alert == before


@pytest.mark.parametrize(
    ("method", "request_of", "undo", "undone_by"),
    [("AcknowledgeAlert", ack, "UnacknowledgeAlert", unack), ("UnacknowledgeAlert", unack, "AcknowledgeAlert", ack)],
)
async def test_a_request_that_found_it_so_already_is_remembered_too(
    house: House, method: str, request_of: Any, undo: str, undone_by: Any
):
    """Somebody else takes it back, and the repeat of what did nothing does nothing still."""
    alert_id = await open_alert(house)
    async with house.stub() as stub:
        if request_of is ack:
            await stub.AcknowledgeAlert(ack(alert_id))
        first = (await getattr(stub, method)(request_of(alert_id, request_id="r"))).alert
        undone = (await getattr(stub, undo)(undone_by(alert_id, "bob"))).alert
        assert undone.revision == first.revision + 1
        assert (await getattr(stub, method)(request_of(alert_id, request_id="r"))).alert == undone
        refusal = await refused(getattr(stub, undo)(undone_by(alert_id, request_id="r")))
        assert refusal == ("INVALID_ARGUMENT", "INVALID_FIELDS")
        assert (await stub.GetAlert(asked(alert_id))).alert == undone


@pytest.mark.parametrize("differs", [{"comment": "the till is down"}, {"author": "bob"}])
@pytest.mark.parametrize(("method", "request_of"), [("AddAlertNote", note), ("AcknowledgeAlert", ack)])
async def test_a_requests_id_that_was_used_to_say_something_else_is_refused_and_nothing_is_lost_unseen(
    house: House, method: str, request_of: Any, differs: dict[str, str]
):
    """Also when what was said of the first is erased: what was asked is compared by a digest."""
    alert_id = await open_alert(house)
    async with house.stub() as stub:
        first = request_of(alert_id, comment="seen", request_id="r")
        before = (await getattr(stub, method)(first)).alert
        other = request_of(alert_id, request_id="r", **{"comment": "seen", **differs})
        taken = {"request_id": "belongs to another act: of another kind, alert, author or comment"}
        assert await blamed(getattr(stub, method)(other)) == taken
        await house.facts.rows("UPDATE alerting.act SET author = '', comment = ''")
        assert (await getattr(stub, method)(first)).alert == before
        assert await blamed(getattr(stub, method)(other)) == taken
        assert len((await stub.GetAlert(asked(alert_id))).acts) == 1


async def test_a_request_that_was_refused_is_not_remembered(house: House):
    alert_id = await open_alert(house)
    async with house.stub() as stub:
        stale = ack(alert_id, request_id="r", expected_revision=0)
        assert await refused(stub.AcknowledgeAlert(stale)) == ("ABORTED", "VERSION_CONFLICT")
        assert (await stub.AcknowledgeAlert(ack(alert_id, request_id="r", expected_revision=1))).alert.revision == 2


async def test_a_repeat_is_known_before_it_is_asked_what_was_seen_or_whether_the_alert_is_over(house: House):
    alert_id = await open_alert(house)
    async with house.stub() as stub:
        request = resolve(alert_id, request_id="r", expected_revision=1)
        first = (await stub.ResolveAlert(request)).alert
        assert (await stub.ResolveAlert(request)).alert == first


async def test_what_is_so_already_makes_no_event(house: House):
    alert_id = await open_alert(house)
    async with house.stub() as stub:
        assert (await stub.UnacknowledgeAlert(unack(alert_id))).alert.revision == 1
        await stub.AcknowledgeAlert(ack(alert_id))
        assert (await stub.AcknowledgeAlert(ack(alert_id))).alert.revision == 2
        assert len((await stub.GetAlert(asked(alert_id))).acts) == 1


async def test_what_cannot_be_done_is_refused_and_changes_nothing(house: House):
    alert_id = await open_alert(house)
    async with house.stub() as stub:
        for call, request in ((stub.GetAlert, asked), (stub.AcknowledgeAlert, ack), (stub.ResolveAlert, resolve)):
            assert await refused(call(request(str(uuid4())))) == ("NOT_FOUND", "ALERT_NOT_FOUND")
        stale = await refused(stub.AcknowledgeAlert(ack(alert_id, expected_revision=0)))
        assert stale == ("ABORTED", "VERSION_CONFLICT")
        await stub.ResolveAlert(resolve(alert_id, expected_revision=1))
        for call, request in (
            (stub.AcknowledgeAlert, ack),
            (stub.UnacknowledgeAlert, unack),
            (stub.ResolveAlert, resolve),
        ):
            assert await refused(call(request(alert_id))) == ("FAILED_PRECONDITION", "ALERT_RESOLVED")
        assert [a.kind for a in (await stub.GetAlert(asked(alert_id))).acts] == [RESOLVED]


async def test_another_tenants_alert_is_not_there(house: House):
    await house.score("c", 1, tenant="other")
    ((alert_id,),) = await house.facts.rows("SELECT alert_id::text FROM alerting.alert")
    async with house.stub() as stub:
        assert await refused(stub.GetAlert(asked(alert_id))) == ("NOT_FOUND", "ALERT_NOT_FOUND")
        assert await refused(stub.AddAlertNote(note(alert_id))) == ("NOT_FOUND", "ALERT_NOT_FOUND")


async def test_what_somebody_resolved_fires_again_only_once_it_was_right_in_between(house: House):
    alert_id = await open_alert(house)
    async with house.stub() as stub:
        await stub.ResolveAlert(resolve(alert_id))
    assert await house.facts.rows(HOLDS) == [("c", True)]
    await house.score("c", 2)
    house.clock.move(timedelta(minutes=10))
    await house.evaluate()
    assert len(await house.facts.rows("SELECT FROM alerting.alert")) == 1
    await house.score("c", 5)
    assert await house.facts.rows(HOLDS) == []
    await house.score("c", 2)
    assert await house.facts.rows("SELECT episode FROM alerting.alert WHERE resolved_at IS NULL") == [(2,)]
