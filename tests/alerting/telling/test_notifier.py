"""What is told of alerts, when, and to whom: a real database, a real receiver, a clock that is moved."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from services.alerting.alerts import EventKind
from services.alerting.rules import Severity
from tests.alerting.notifying import MINUTE, SECOND, SECRET, Receiver, TellingHouse, an_alert, receiving, told

WAIT = timedelta(seconds=30)
INTERVAL = 5 * MINUTE
REPEAT = timedelta(hours=4)


def is_signed(secret: str, body: bytes, told: str, now: datetime, tolerance_s: float = 300) -> bool:
    """Tell whether a body was signed by the secret at most `tolerance_s` seconds ago: what a receiver does."""
    parts = dict(part.partition("=")[::2] for part in told.split(","))
    seconds = parts.get("t", "")
    if not (seconds.isascii() and seconds.isdigit()) or abs(now.timestamp() - int(seconds)) > tolerance_s:
        return False
    expected = hmac.new(secret.encode(), f"{seconds}.".encode() + body, "sha256").hexdigest()
    return hmac.compare_digest(expected, parts.get("v1", ""))


async def test_an_alert_is_told_after_the_wait_with_a_signature(house: TellingHouse, receiver: Receiver):
    (alert,) = await house.fire(an_alert(labels={"team": "north"}))
    await house.tell()
    await house.tell(WAIT - SECOND)
    assert receiver.seen == []
    await house.tell(SECOND)
    (seen,) = receiver.seen
    assert is_signed(SECRET, seen.body, seen.headers["Rapport-Signature"], house.clock())
    assert not is_signed(SECRET + "!", seen.body, seen.headers["Rapport-Signature"], house.clock())
    assert not is_signed(SECRET, seen.body + b" ", seen.headers["Rapport-Signature"], house.clock())
    said = seen.json
    assert (said["version"], said["notificationId"], said["route"], said["status"]) == ("1", seen.id, "route-0", "firing")
    assert said["commonNames"]["team"] == "north"
    (shown,) = said["alerts"]
    assert (shown["alertId"], shown["customerId"], shown["value"], shown["revision"]) == (str(alert.alert_id), "c", 2.0, "1")
    ((notification, channel, state, next_at),) = await house.notifications()
    assert (notification, channel, state, next_at) == (seen.id, "hook", 2, None)
    assert await house.attempts() == [(seen.id, 1, 200, "")]
    assert await house.facts.rows("SELECT payload FROM alerting.notification") == [({},)]


async def test_a_group_is_told_together_again_when_it_changed_and_repeated_while_it_fires(
    house: TellingHouse, receiver: Receiver
):
    a, b = await house.fire(an_alert("a"), an_alert("b"))
    await house.tell(SECOND)
    await house.tell(WAIT)
    await house.fire(an_alert("c"))
    await house.tell(SECOND)
    await house.tell(INTERVAL - 2 * SECOND)
    assert told(receiver) == [("firing", ["a", "b"])]
    await house.tell(SECOND)
    assert told(receiver)[1:] == [("firing", ["a", "b", "c"])]
    await house.resolve(a)
    await house.tell(INTERVAL)
    assert told(receiver)[2:] == [("firing", ["a", "b", "c"])]
    assert {x["subjectId"]: x["state"] for x in receiver.seen[2].json["alerts"]}["a"] == "ALERT_STATE_RESOLVED"
    await house.become(b, value=1.0)
    await house.tell(REPEAT - SECOND)
    assert len(receiver.seen) == 3
    await house.tell(SECOND)
    assert told(receiver)[3:] == [("firing", ["b", "c"])]
    assert len({s.id for s in receiver.seen}) == 4


async def test_the_end_is_told_once_and_the_group_is_gone(house: TellingHouse, receiver: Receiver):
    (alert,) = await house.fire(an_alert())
    await house.tell(SECOND)
    await house.tell(WAIT)
    await house.resolve(alert)
    await house.tell(SECOND)
    await house.tell(INTERVAL)
    await house.tell(REPEAT)
    assert told(receiver) == [("firing", ["c"]), ("resolved", ["c"])]
    assert await house.facts.rows("SELECT * FROM alerting.alert_group") == []


async def test_what_ends_before_it_was_told_is_not_told(house: TellingHouse, receiver: Receiver):
    (alert,) = await house.fire(an_alert())
    await house.tell()
    await house.resolve(alert)
    await house.tell(WAIT)
    await house.tell(REPEAT)
    assert receiver.seen == []


async def test_a_channel_that_does_not_tell_ends_tells_none(house: TellingHouse):
    async with receiving() as receiver:
        await house.put_webhook("hook", receiver, tellsResolved=False)
        await house.put_routes({"channelIds": ["hook"], "groupWait": "0s"})
        a, _ = await house.fire(an_alert("a"), an_alert("b"))
        await house.tell()
        await house.resolve(a)
        await house.tell(INTERVAL)
        assert told(receiver) == [("firing", ["a", "b"])]
        # What nobody was told does not put off what comes next.
        await house.fire(an_alert("n"))
        await house.tell()
        assert told(receiver)[1:] == [("firing", ["b", "n"])]


@pytest.mark.parametrize("held", [{"silence_ids": ("s",)}, {"inhibited_by": uuid4()}])
async def test_what_is_suppressed_is_told_once_it_is_not(house: TellingHouse, receiver: Receiver, held):
    free = {"silence_ids": (), "inhibited_by": None}
    alert, ends = await house.fire(an_alert(**held), an_alert("ends", **held))
    await house.tell()
    await house.tell(REPEAT)
    ends = await house.resolve(ends)
    await house.tell(INTERVAL)
    assert receiver.seen == []
    await house.become(alert, EventKind.UNSUPPRESSED, **free)
    await house.tell()
    await house.tell(WAIT)
    assert told(receiver) == [("firing", ["c"])]


async def test_what_is_suppressed_after_it_was_told_is_not_repeated_but_its_end_is_told(house: TellingHouse, receiver: Receiver):
    (alert,) = await house.fire(an_alert())
    await house.tell()
    await house.tell(WAIT)
    alert = await house.become(alert, EventKind.SUPPRESSED, silence_ids=("s",))
    await house.tell(REPEAT)
    await house.tell(REPEAT)
    assert told(receiver) == [("firing", ["c"])]
    await house.resolve(alert)
    await house.tell(INTERVAL)
    assert told(receiver)[1:] == [("resolved", ["c"])]


async def test_what_is_acknowledged_is_not_repeated(house: TellingHouse, receiver: Receiver):
    (alert,) = await house.fire(an_alert())
    await house.tell()
    await house.tell(WAIT)
    alert = await house.become(alert, EventKind.ACKNOWLEDGED, acknowledged_at=house.clock())
    await house.tell(REPEAT)
    await house.tell(REPEAT)
    assert len(receiver.seen) == 1
    # It is long due by then.
    await house.become(alert, EventKind.UNACKNOWLEDGED, acknowledged_at=None)
    await house.tell()
    assert told(receiver)[1:] == [("firing", ["c"])]


async def test_what_gets_worse_is_told_again(house: TellingHouse, receiver: Receiver):
    (alert,) = await house.fire(an_alert())
    await house.tell()
    await house.tell(WAIT)
    await house.become(alert, severity=Severity.CRITICAL)
    await house.tell(INTERVAL)
    assert [s.json["alerts"][0]["severity"] for s in receiver.seen] == ["high", "critical"]


async def test_routes_and_groups(house: TellingHouse):
    async with receiving() as one, receiving() as two:
        await house.put_webhook("one", one)
        await house.put_webhook("two", two)
        high = {"matchers": [{"name": "severity", "values": ["high"]}], "channelIds": ["one"], "groupBy": ["customer_id"]}
        await house.put_routes(
            {**high, "continues": True, "groupWait": "0s"},
            {"matchers": [{"name": "team", "values": [""]}], "channelIds": ["two"], "groupWait": "0s"},
            {"channelIds": ["one", "two"], "groupWait": "0s"},
        )
        north = {"team": "north"}
        await house.fire(an_alert("a"), an_alert("b"), an_alert("low", severity=Severity.LOW), an_alert("n", labels=north))
        await house.tell()
        assert sorted(told(one)) == [("firing", [each]) for each in ("a", "b", "n", "n")]
        assert sorted(told(two)) == [("firing", ["a", "b", "low"]), ("firing", ["n"])]
        assert {"customer_id": "a"} in [s.json["group"] for s in one.seen]


async def test_routes_that_are_put_later_take_what_is_open(house: TellingHouse):
    (alert,) = await house.fire(an_alert())
    async with receiving() as receiver:
        await house.put_webhook("hook", receiver)
        await house.put_routes({"channelIds": ["hook"], "groupWait": "0s"})
        await house.tell()
        assert told(receiver) == [("firing", ["c"])]
        # Put again, they know what was told; without any, nobody is told.
        await house.put_routes({"channelIds": ["hook"], "groupWait": "0s"})
        await house.tell(INTERVAL)
        assert len(receiver.seen) == 1
        await house.put_routes()
        await house.resolve(alert)
        await house.tell(REPEAT)
        assert len(receiver.seen) == 1
        assert await house.facts.rows("SELECT * FROM alerting.alert_group") == []


@pytest.mark.parametrize(
    "how", ["UPDATE alerting.log_head SET epoch = 'other'", "UPDATE alerting.log_head SET first_revision = 5"]
)
async def test_a_log_that_does_not_go_on_is_begun_anew_from_what_is_open(house: TellingHouse, receiver: Receiver, how: str):
    a, _ = await house.fire(an_alert("a"), an_alert("b"))
    await house.tell()
    await house.tell(WAIT)
    await house.resolve(a)
    await house.fire(an_alert("c"))
    await house.facts.rows("DELETE FROM alerting.alert_log")
    await house.facts.rows(how)
    await house.tell(INTERVAL)
    assert told(receiver) == [("firing", ["a", "b"]), ("firing", ["a", "b", "c"])]
    assert [x["subjectId"] for x in receiver.seen[1].json["alerts"] if x["state"] == "ALERT_STATE_RESOLVED"] == ["a"]


async def test_another_tenants_alerts_are_not_told(house: TellingHouse, receiver: Receiver):
    await house.fire(an_alert("theirs"), tenant="other")
    async with receiving() as other:
        await house.put_webhook("hook", other, tenant="third")
        await house.put_routes({"channelIds": ["hook"], "groupWait": "0s"}, tenant="third")
        await house.fire(an_alert("third's"), tenant="third")
        await house.tell()
        await house.tell(WAIT)
        assert receiver.seen == []
        assert told(other) == [("firing", ["third's"])]
