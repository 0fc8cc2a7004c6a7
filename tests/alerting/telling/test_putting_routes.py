"""The calls about routes, over a real channel: their versions, and what they are refused for."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import grpc
from google.protobuf.json_format import MessageToDict
from rapport.alerting.v1 import notification_pb2 as pb

from tests.alerting.asking import WEBHOOK, put, refused, routes
from tests.alerting.house import failure_of
from tests.alerting.notifying import TellingHouse


async def test_routes_are_put_and_listed(house: TellingHouse):
    async with house.stub() as stub:
        await stub.PutChannel(put(webhook=WEBHOOK))
        told = routes(
            {"routeId": "z", "matchers": [{"name": "severity", "values": ["high", "low"], "negated": True}], "continues": True},
            {"routeId": "a", "channelIds": ["c"], "groupBy": ["team"], "groupWait": "0.500s", "repeatInterval": "60s"},
        )
        answer = await stub.PutRoutes(told)
        assert (await stub.ListRoutes(pb.ListRoutesRequest())).routes == answer.routes
    assert [MessageToDict(r) for r in answer.routes] == [
        {
            "routeId": "z",
            "matchers": [{"name": "severity", "values": ["high", "low"], "negated": True}],
            "groupWait": "30s",
            "groupInterval": "300s",
            "repeatInterval": "14400s",
            "continues": True,
        },
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
        first = routes({"routeId": "r"})
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
        assert (await stub.PutRoutes(routes({"routeId": "s"}))).version == 3
        assert (await stub.ListRoutes(pb.ListRoutesRequest())).author == ""
        assert (await refused(stub.PutRoutes(pb.PutRoutesRequest())))[0] == "INVALID_ARGUMENT"


async def test_routes_of_another_version_are_not_replaced(house: TellingHouse):
    async with house.stub() as stub:
        await stub.PutRoutes(routes({"routeId": "kept"}))
        for stale in (0, 2):
            late = routes({"routeId": "late"})
            late.expected_version = stale
            assert (await refused(stub.PutRoutes(late)))[:2] == ("ABORTED", "VERSION_CONFLICT")
        listed = await stub.ListRoutes(pb.ListRoutesRequest())
        assert (listed.version, [r.route_id for r in listed.routes]) == (1, ["kept"])


async def test_of_two_who_put_routes_at_once_one_wins(house: TellingHouse):
    async with house.stub() as stub:
        await stub.PutRoutes(routes({"routeId": "before"}))
        calls = []
        for n in range(4):
            put_at_once = routes({"routeId": f"r-{n}"})
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
        twice = routes({"routeId": "r", "continues": True}, {"routeId": "r"})
        status, _, fields = await refused(stub.PutRoutes(twice))
        assert (status, [f for f, _ in fields]) == ("INVALID_ARGUMENT", ["routes[1].route_id"])
        unreached = routes({"routeId": "r", "channelIds": ["c"]}, {"routeId": "s", "matchers": [{"name": "a", "values": ["b"]}]})
        status, reason, fields = await refused(stub.PutRoutes(unreached))
        assert (status, reason, [f for f, _ in fields]) == ("INVALID_ARGUMENT", "INVALID_FIELDS", ["routes[1]"])
        wrong = routes({"routeId": "r", "matchers": [{"name": "severity", "values": ["critcal"]}]})
        status, _, fields = await refused(stub.PutRoutes(wrong))
        assert (status, [f for f, _ in fields]) == ("INVALID_ARGUMENT", ["routes[0].matchers[0].values"])
        listed = await stub.ListRoutes(pb.ListRoutesRequest())
        assert ([r.route_id for r in listed.routes], listed.version) == (["kept"], 1)
