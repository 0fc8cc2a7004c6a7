"""Silences, over a real channel and a real database."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest
from rapport.alerting.v1 import act_pb2, alert_pb2
from rapport.alerting.v1 import alerting_service_pb2 as pb

from services.alerting import silencing
from services.alerting.silence_checks import LONGEST
from services.alerting.silences import MOST, id_of
from tests.alerting.house import House, Reader
from tests.alerting.people import SWEPT, blamed, objections_to, open_alert, refused, silence_of, timestamp

SUPPRESSED, UNSUPPRESSED = alert_pb2.ALERT_EVENT_KIND_SUPPRESSED, alert_pb2.ALERT_EVENT_KIND_UNSUPPRESSED
UPDATED, FIRED = alert_pb2.ALERT_EVENT_KIND_UPDATED, alert_pb2.ALERT_EVENT_KIND_FIRED
SILENT = "SELECT subject_id, cardinality(silence_ids) FROM alerting.alert ORDER BY subject_id"
HOUR = timedelta(hours=1)
KINDS = "SELECT kind FROM alerting.alert_log ORDER BY revision"


async def test_a_silence_holds_back_what_is_open_at_once_and_lets_go_when_it_is_ended(house: House):
    await open_alert(house, "a")
    await open_alert(house, "b")
    async with house.stub() as stub:
        reader = Reader(stub.WatchAlerts(pb.WatchAlertsRequest()))
        seen = await reader.begin()
        made = (await stub.PutSilence(silence_of("a", house, author="ada", comment="we know"))).silence
        assert (made.author, made.comment, made.matchers[0].values) == ("ada", "we know", ["a"])
        other = (await stub.PutSilence(silence_of("a", house))).silence
        await stub.EndSilence(act_pb2.EndSilenceRequest(silence_id=made.silence_id))
        ended = (await stub.EndSilence(act_pb2.EndSilenceRequest(silence_id=other.silence_id))).silence
        assert ended.end_time.ToDatetime(house.clock.now.tzinfo) == house.clock.now
        told = await reader.events(4)
    assert await objections_to(house, [*seen, *told]) == {}
    events = [m.events.events[0] for m in told]
    assert [e.kind for e in events] == [SUPPRESSED, UPDATED, UPDATED, UNSUPPRESSED]
    assert {e.alert.customer_id for e in events} == {"a"}
    both = sorted((made.silence_id, other.silence_id))
    assert [list(e.alert.silence_ids) for e in events] == [[made.silence_id], both, [other.silence_id], []]


async def test_an_alert_that_fires_within_a_silence_is_held_back_in_the_same_moment(house: House):
    async with house.stub() as stub:
        await stub.PutSilence(silence_of("a", house))
        await house.score("a", 1)
        alerts = (await stub.ListAlerts(pb.ListAlertsRequest(filter=alert_pb2.AlertFilter(suppressed=True)))).alerts
    assert [a.customer_id for a in alerts] == ["a"]
    assert await house.facts.rows(KINDS) == [(FIRED,), (SUPPRESSED,)]
    assert await house.facts.rows("SELECT count(DISTINCT xmin::text) FROM alerting.alert_log") == [(1,)]


async def test_silences_begin_and_end_by_time_at_the_next_sweep(house: House):
    await open_alert(house, "a")
    async with house.stub() as stub:
        await stub.PutSilence(silence_of("a", house, after=1))
    assert await house.facts.rows(SILENT) == [("a", 0)]
    for hours, silent in ((1, 1), (0.5, 1), (0.5, 0)):
        house.clock.move(timedelta(hours=hours) - SWEPT)
        await house.evaluate()
        house.clock.move(SWEPT)
        await house.evaluate()
        assert await house.facts.rows(SILENT) == [("a", silent)]
    before = await house.facts.rows(KINDS)
    house.clock.move(SWEPT)
    await house.evaluate()
    assert await house.facts.rows(KINDS) == before


async def test_what_was_put_just_now_is_not_taken_back_by_whose_clock_is_a_little_behind(house: House):
    await open_alert(house, "a")

    async def look_from_behind() -> None:
        house.clock.move(timedelta(milliseconds=-300))
        await house.facts.rows("UPDATE alerting.evaluation SET evaluated_at = 'epoch'")
        await house.evaluate()
        house.clock.move(timedelta(milliseconds=300))

    async with house.stub() as stub:
        made = (await stub.PutSilence(silence_of("a", house))).silence
        await look_from_behind()
        assert await house.facts.rows(KINDS) == [(FIRED,), (SUPPRESSED,)]
        house.clock.move(timedelta(minutes=1))
        await stub.EndSilence(act_pb2.EndSilenceRequest(silence_id=made.silence_id))
        await look_from_behind()
    assert await house.facts.rows(KINDS) == [(FIRED,), (SUPPRESSED,), (UNSUPPRESSED,)]


async def test_a_silence_that_has_not_ended_can_be_changed_and_is_told_until_it_has(house: House):
    await open_alert(house, "b")
    async with house.stub() as stub:
        made = (await stub.PutSilence(silence_of("a", house, hours=2))).silence
        longer = (await stub.PutSilence(silence_of("c", house, hours=5))).silence
        house.clock.move(timedelta(hours=1))
        changed = (await stub.PutSilence(silence_of("b", house, silence_id=made.silence_id))).silence
        assert (changed.silence_id, changed.put_time) == (made.silence_id, made.put_time)
        assert await house.facts.rows(SILENT) == [("b", 1)]
        found = (await stub.ListSilences(act_pb2.ListSilencesRequest())).silences
        assert list(found) == [longer, changed]
        house.clock.move(timedelta(hours=1))
        found = (await stub.ListSilences(act_pb2.ListSilencesRequest())).silences
        assert list(found) == [longer]
        found = (await stub.ListSilences(act_pb2.ListSilencesRequest(with_ended=True))).silences
        assert list(found) == [longer, changed]
        over = silence_of("b", house, silence_id=made.silence_id)
        assert await refused(stub.PutSilence(over)) == ("FAILED_PRECONDITION", "SILENCE_ENDED")
        ended = (await stub.EndSilence(act_pb2.EndSilenceRequest(silence_id=made.silence_id))).silence
        assert ended == changed, "what is over ends once"


async def test_without_a_beginning_it_begins_now(house: House):
    request = silence_of("a", house)
    request.silence.ClearField("start_time")
    async with house.stub() as stub:
        made = (await stub.PutSilence(request)).silence
    assert made.start_time.ToDatetime(house.clock.now.tzinfo) == house.clock.now


async def test_a_request_that_is_sent_again_makes_one_silence(house: House):
    await open_alert(house, "a")
    request = silence_of("a", house, author="ada")
    request.request_id = "r"
    async with house.stub() as stub:
        made = [answer.silence for answer in await asyncio.gather(*(stub.PutSilence(request) for _ in range(4)))]
        assert len(await house.facts.rows("SELECT silence_id FROM alerting.silence")) == 1
        assert all(each == made[0] for each in made)
        ended = (await stub.EndSilence(act_pb2.EndSilenceRequest(silence_id=made[0].silence_id))).silence
        house.clock.move(timedelta(hours=9))
        assert (await stub.PutSilence(request)).silence == ended, "it does not begin again"
        other = silence_of("b", house, author="ada")
        other.request_id = "r"
        assert (await blamed(stub.PutSilence(other))).keys() == {"request_id"}
        other.silence.silence_id = made[0].silence_id
        assert (await blamed(stub.PutSilence(other))).keys() == {"request_id"}
        other.silence.silence_id, other.request_id = "", "another"
        assert (await stub.PutSilence(other)).silence.silence_id != made[0].silence_id
    assert id_of("default", "r") == UUID(made[0].silence_id) != id_of("other", "r")


async def test_what_cannot_be_put_is_refused_and_changes_nothing(house: House, monkeypatch: pytest.MonkeyPatch):
    past, backwards, nothing = (silence_of("a", house, after=-2), silence_of("a", house), silence_of("a", house))
    backwards.silence.start_time.CopyFrom(timestamp(house.clock() + timedelta(hours=9)))
    nothing.silence.ClearField("matchers")
    unknown = silence_of("a", house, silence_id=str(uuid4()))
    async with house.stub() as stub:
        for request in (past, backwards, nothing):
            assert await refused(stub.PutSilence(request)) == ("INVALID_ARGUMENT", "INVALID_FIELDS")
        assert await refused(stub.PutSilence(unknown)) == ("NOT_FOUND", "SILENCE_NOT_FOUND")
        end = act_pb2.EndSilenceRequest(silence_id=unknown.silence.silence_id)
        assert await refused(stub.EndSilence(end)) == ("NOT_FOUND", "SILENCE_NOT_FOUND")
        monkeypatch.setattr(silencing, "MOST", 1)
        made = (await stub.PutSilence(silence_of("a", house))).silence
        assert await refused(stub.PutSilence(silence_of("b", house))) == ("RESOURCE_EXHAUSTED", "TOO_MANY")
        await stub.PutSilence(silence_of("b", house, silence_id=made.silence_id))
        await stub.EndSilence(act_pb2.EndSilenceRequest(silence_id=made.silence_id))
        await stub.PutSilence(silence_of("b", house))
    assert MOST == 1000
    assert len(await house.facts.rows("SELECT FROM alerting.silence")) == 2


@pytest.mark.parametrize("value", ["", "urgent"])
async def test_a_silence_of_nothing_in_particular_is_refused_and_silences_nothing(house: House, value: str):
    """Such as of an unset variable: `agent_id=` satisfies every alert that is not about an agent."""
    await open_alert(house, "a")
    request = silence_of("a", house)
    request.silence.matchers[0].name = "severity" if value else "agent_id"
    request.silence.matchers[0].values[:] = [value]
    request.silence.end_time.FromDatetime(house.clock() + LONGEST)
    async with house.stub() as stub:
        field = "silence.matchers[0].values" if value else "silence.matchers"
        assert (await blamed(stub.PutSilence(request))).keys() == {field}
        request.silence.end_time.FromDatetime(house.clock() + LONGEST + timedelta(seconds=1))
        assert (await blamed(stub.PutSilence(request))).keys() == {field, "silence.end_time"}
    assert await house.facts.rows(SILENT) == [("a", 0)]
    assert await house.facts.rows("SELECT FROM alerting.silence") == []


async def test_a_silence_lasts_a_year_at_most_also_when_it_is_changed(house: House):
    """From now once it has begun: one that was put for a year can be put for another year in its last week."""
    async with house.stub() as stub:
        made = (await stub.PutSilence(silence_of("a", house, after=24, hours=LONGEST / HOUR))).silence
        longer = silence_of("a", house, after=24, hours=LONGEST / HOUR + 1, silence_id=made.silence_id)
        assert (await blamed(stub.PutSilence(longer))).keys() == {"silence.end_time"}
        house.clock.move(timedelta(days=300))
        longer.silence.end_time.FromDatetime(house.clock() + LONGEST)
        assert (await stub.PutSilence(longer)).silence.end_time == longer.silence.end_time


async def test_a_silence_begins_within_a_year_also_when_it_is_changed(house: House):
    async with house.stub() as stub:
        far = silence_of("a", house, after=LONGEST / HOUR + 1)
        assert await blamed(stub.PutSilence(far)) == {"silence.start_time": "must be at most 366 days from now"}
        made = (await stub.PutSilence(silence_of("a", house))).silence
        far.silence.silence_id = made.silence_id
        assert (await blamed(stub.PutSilence(far))).keys() == {"silence.start_time"}
        assert list((await stub.ListSilences(act_pb2.ListSilencesRequest())).silences) == [made]
        assert (await stub.PutSilence(silence_of("a", house, after=LONGEST / HOUR))).silence.silence_id


async def test_another_tenants_silences_are_not_seen_and_do_nothing_here(house: House):
    await house.score("a", 1, tenant="other")
    async with house.stub() as stub:
        made = (await stub.PutSilence(silence_of("a", house))).silence
        house.clock.move(SWEPT)
        await house.evaluate()
        assert await house.facts.rows(SILENT) == [("a", 0)]
        await house.facts.rows("UPDATE alerting.silence SET tenant_id = 'other'")
        assert not (await stub.ListSilences(act_pb2.ListSilencesRequest())).silences
        end = act_pb2.EndSilenceRequest(silence_id=made.silence_id)
        assert await refused(stub.EndSilence(end)) == ("NOT_FOUND", "SILENCE_NOT_FOUND")


async def test_silences_acts_and_evaluations_at_once_leave_one_story(house: House):
    """None of them waits for another in a circle, and each change follows from the one before."""
    names = ("a", "b", "c")
    ids = [await open_alert(house, name) for name in names]
    async with house.stub() as stub:

        async def hush(name: str) -> None:
            for _ in range(5):
                made = (await stub.PutSilence(silence_of(name, house))).silence
                await stub.EndSilence(act_pb2.EndSilenceRequest(silence_id=made.silence_id))

        async def talk(alert_id: str) -> None:
            for i in range(10):
                await stub.AddAlertNote(act_pb2.AddAlertNoteRequest(alert_id=alert_id, comment=f"{i}"))

        async def evaluate() -> None:
            for i in range(12):
                await house.score(names[i % 3], 1 + i / 10)

        work: list[Any] = [*map(hush, names), *map(talk, ids), evaluate()]
        async with asyncio.timeout(60):
            await asyncio.gather(*work)
    house.clock.move(SWEPT)
    await house.evaluate()
    assert await house.facts.rows(SILENT) == [(name, 0) for name in names]
    for alert_id in ids:
        states = await house.facts.rows(
            "SELECT before, after FROM alerting.alert_log WHERE alert_id = %s ORDER BY revision", alert_id
        )
        assert all(before == after for (_, after), (before, _) in pairwise(states))
