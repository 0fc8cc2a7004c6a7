"""The calls about routes, over a real channel: their versions, and what they are refused for."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from rapport.alerting.v1 import notification_pb2 as pb

from services.alerting.alerts import EventKind
from tests.alerting.asking import WEBHOOK, put, refused, routes
from tests.alerting.house import failure_of
from tests.alerting.notifying import SECOND, Receiver, TellingHouse, an_alert, told
from tests.alerting.paging import INTERVAL, actions

QUIET = {"routeId": "quiet", "tellsNobody": True}
HOOK = {"routeId": "hook", "channelIds": ["hook"], "groupWait": "30s"}
WAIT = timedelta(seconds=30)
DEFAULTS = {"groupWait": "30s", "groupInterval": "300s", "repeatInterval": "14400s"}
STANDS = "SELECT * FROM alerting.notified"


async def test_routes_are_put_and_listed(house: TellingHouse):
    async with house.stub() as stub:
        await stub.PutChannel(put(webhook=WEBHOOK))
        wanted = routes(
            {"routeId": "z", "matchers": [{"name": "severity", "values": ["high", "low"], "negated": True}], "tellsNobody": True},
            {"routeId": "m", "channelIds": ["c"], "continues": True},
            {"routeId": "a", "channelIds": ["c"], "groupBy": ["team"], "groupWait": "0.500s", "repeatInterval": "60s"},
        )
        answer = await stub.PutRoutes(wanted)
        assert (await stub.ListRoutes(pb.ListRoutesRequest())).routes == answer.routes
    assert [MessageToDict(r) for r in answer.routes] == [
        {
            "routeId": "z",
            "matchers": [{"name": "severity", "values": ["high", "low"], "negated": True}],
            **DEFAULTS,
            "tellsNobody": True,
        },
        {"routeId": "m", "channelIds": ["c"], **DEFAULTS, "continues": True},
        {
            "routeId": "a",
            "channelIds": ["c"],
            "groupBy": ["team"],
            "groupWait": "0.500s",
            "groupInterval": "300s",
            "repeatInterval": "60s",
        },
    ]


async def test_it_is_told_how_often_routes_were_put_by_whom_why_and_when(house: TellingHouse):
    async with house.stub() as stub:
        never = await stub.ListRoutes(pb.ListRoutesRequest())
        assert (never.version, never.author, never.comment, never.HasField("put_time")) == (0, "", "", False)
        first = routes(QUIET)
        first.MergeFrom(pb.PutRoutesRequest(expected_version=0, author="kim", comment="the first"))
        assert (await stub.PutRoutes(first)).version == 1
        house.clock.move(timedelta(minutes=1))
        then = house.clock()
        cleared = pb.PutRoutesRequest(clear=True, expected_version=1, author="lee", comment="nobody\nis told")
        assert (await stub.PutRoutes(cleared)).version == 2
        house.clock.move(timedelta(minutes=1))
        listed = await stub.ListRoutes(pb.ListRoutesRequest())
        assert (listed.version, listed.author, listed.comment, list(listed.routes)) == (2, "lee", "nobody\nis told", [])
        assert listed.put_time.ToDatetime(then.tzinfo) == then
        # Without a version, whatever is there is replaced.
        assert (await stub.PutRoutes(routes(QUIET))).version == 3
        assert (await stub.ListRoutes(pb.ListRoutesRequest())).author == ""
        assert (await refused(stub.PutRoutes(pb.PutRoutesRequest())))[0] == "INVALID_ARGUMENT"


async def test_routes_of_another_version_are_not_replaced(house: TellingHouse):
    async with house.stub() as stub:
        await stub.PutRoutes(routes(QUIET | {"routeId": "kept"}))
        for stale in (0, 2):
            late = routes(QUIET | {"routeId": "late"})
            late.expected_version = stale
            assert (await refused(stub.PutRoutes(late)))[:2] == ("ABORTED", "VERSION_CONFLICT")
        listed = await stub.ListRoutes(pb.ListRoutesRequest())
        assert (listed.version, [r.route_id for r in listed.routes]) == (1, ["kept"])


async def test_of_two_who_put_routes_at_once_one_wins(house: TellingHouse):
    async with house.stub() as stub:
        await stub.PutRoutes(routes(QUIET | {"routeId": "before"}))
        calls = []
        for n in range(4):
            put_at_once = routes(QUIET | {"routeId": f"r-{n}"})
            put_at_once.expected_version = 1
            calls.append(stub.PutRoutes(put_at_once))
        answers = await asyncio.gather(*calls, return_exceptions=True)
        (won,) = [a for a in answers if isinstance(a, pb.PutRoutesResponse)]
        assert {failure_of(a)[1] for a in answers if isinstance(a, grpc.aio.AioRpcError)} == {"VERSION_CONFLICT"}
        listed = await stub.ListRoutes(pb.ListRoutesRequest())
        assert (listed.version, list(listed.routes)) == (2, list(won.routes))


async def test_what_routes_are_refused_for(house: TellingHouse):
    async with house.stub() as stub:
        await stub.PutChannel(put(webhook=WEBHOOK))
        await stub.PutRoutes(routes({"routeId": "kept", "channelIds": ["c"]}))
        bad = routes({"routeId": "r", "channelIds": ["c", "gone"], "continues": True}, {"routeId": "s", "channelIds": ["lost"]})
        status, reason, fields = await refused(stub.PutRoutes(bad))
        assert (status, reason) == ("NOT_FOUND", "CHANNEL_NOT_FOUND")
        assert [f for f, _ in fields] == ["routes[0].channel_ids[1]", "routes[1].channel_ids[0]"]
        twice = routes({"routeId": "r", "channelIds": ["c"], "continues": True}, {"routeId": "r", "channelIds": ["c"]})
        status, _, fields = await refused(stub.PutRoutes(twice))
        assert (status, [f for f, _ in fields]) == ("INVALID_ARGUMENT", ["routes[1].route_id"])
        unreached = routes({"routeId": "r", "channelIds": ["c"]}, QUIET | {"matchers": [{"name": "a", "values": ["b"]}]})
        status, reason, fields = await refused(stub.PutRoutes(unreached))
        assert (status, reason, [f for f, _ in fields]) == ("INVALID_ARGUMENT", "INVALID_FIELDS", ["routes[1]"])
        wrong = routes(QUIET | {"matchers": [{"name": "severity", "values": ["critcal"]}]})
        status, _, fields = await refused(stub.PutRoutes(wrong))
        assert (status, [f for f, _ in fields]) == ("INVALID_ARGUMENT", ["routes[0].matchers[0].values"])
        listed = await stub.ListRoutes(pb.ListRoutesRequest())
        assert ([r.route_id for r in listed.routes], listed.version) == (["kept"], 1)


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        # As a misspelt key looks once the gateway has left it out.
        ({"routeId": "r"}, "routes[1]"),
        ({"routeId": "r", "continues": True}, "routes[1]"),
        ({"routeId": "r", "channelIds": ["c"], "tellsNobody": True}, "routes[1]"),
        (QUIET | {"continues": True}, "routes[1].continues"),
    ],
)
async def test_a_route_names_channels_or_says_that_it_tells_nobody(house: TellingHouse, bad: dict[str, Any], field: str):
    async with house.stub() as stub:
        await stub.PutChannel(put(webhook=WEBHOOK))
        await stub.PutRoutes(routes({"routeId": "kept", "channelIds": ["c"]}))
        before = await stub.ListRoutes(pb.ListRoutesRequest())
        status, reason, fields = await refused(
            stub.PutRoutes(routes({"routeId": "a", "channelIds": ["c"], "continues": True}, bad))
        )
        assert (status, reason, [f for f, _ in fields]) == ("INVALID_ARGUMENT", "INVALID_FIELDS", [field])
        assert await stub.ListRoutes(pb.ListRoutesRequest()) == before


async def test_routes_that_say_the_same_change_nothing(house: TellingHouse):
    async with house.stub() as stub:
        await stub.PutChannel(put(webhook=WEBHOOK))
        one, two = (
            {"routeId": "r", "channelIds": ["c"], "continues": True},
            QUIET | {"matchers": [{"name": "a", "values": ["b"]}]},
        )
        wanted = routes(one, two)
        wanted.MergeFrom(pb.PutRoutesRequest(author="kim", comment="the first"))
        first = await stub.PutRoutes(wanted)
        before = await stub.ListRoutes(pb.ListRoutesRequest())
        house.clock.move(timedelta(minutes=1))
        # The defaults are said, or not.
        for again in (wanted, pb.PutRoutesRequest(routes=first.routes, expected_version=1)):
            again.author, again.comment = "lee", "the same"
            assert await stub.PutRoutes(again) == first
        again.expected_version = 2
        assert (await refused(stub.PutRoutes(again)))[:2] == ("ABORTED", "VERSION_CONFLICT")
        assert await stub.ListRoutes(pb.ListRoutesRequest()) == before
        assert (before.version, before.author, before.comment) == (1, "kim", "the first")
        # In another order they are others.
        assert (await stub.PutRoutes(routes(two, one))).version == 2


async def test_where_there_are_none_clearing_changes_nothing(house: TellingHouse):
    async with house.stub() as stub:
        assert (await stub.PutRoutes(routes())).version == 0
        await stub.PutRoutes(routes(QUIET))
        assert [(await stub.PutRoutes(routes())).version for _ in range(2)] == [2, 2]


async def test_nothing_is_told_again_when_the_same_routes_are_put(house: TellingHouse, hook: Receiver):
    await house.put_routes(HOOK)
    await house.fire(an_alert("a"), an_alert("b"))
    await house.tell()
    await house.tell(WAIT)
    # One that waits, too, waits no longer than it would.
    await house.fire(an_alert("c"))
    await house.tell(SECOND)
    stands = await house.facts.rows(STANDS)
    await house.put_routes(HOOK)
    assert await house.facts.rows(STANDS) == stands
    await house.tell(SECOND)
    assert told(hook) == [("firing", ["a", "b"])]
    await house.tell(INTERVAL)
    assert told(hook)[1:] == [("firing", ["a", "b", "c"])]


async def test_what_fires_is_told_again_when_it_is_gathered_otherwise(house: TellingHouse, hook: Receiver, pager: Receiver):
    route = HOOK | {"channelIds": ["hook", "pager"]}
    await house.put_routes(route)
    _, taken = await house.fire(an_alert("a"), an_alert("b"))
    await house.tell()
    await house.tell(WAIT)
    await house.become(taken, EventKind.ACKNOWLEDGED, acknowledged_at=house.clock())
    await house.tell(INTERVAL)
    before = len(hook.seen), len(pager.seen)
    await house.put_routes(route | {"groupBy": ["customer_id"]})
    await house.tell()
    assert (len(hook.seen), len(pager.seen)) == before
    await house.tell(WAIT)
    assert told(hook)[before[0] :] == [("firing", ["a"])]
    # Of the incident that is open already; and not of what somebody takes care of.
    assert actions(pager) == ["trigger", "trigger", "acknowledge", "trigger"]
    assert len({seen.json["dedup_key"] for seen in pager.seen}) == 2
    await house.tell(INTERVAL)
    assert (len(hook.seen), len(pager.seen)) == (before[0] + 1, before[1] + 1)
