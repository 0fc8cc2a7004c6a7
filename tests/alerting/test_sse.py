"""The stream of alerts as Server-Sent Events."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from rapport.alerting.v1 import alert_pb2
from rapport.alerting.v1 import alerting_service_pb2 as pb

from services.alerting import sse
from tests.alerting.house import House, Reader


@dataclass
class Event:
    """One event as a browser understands it: its name, its data and the id that a reconnect would send."""

    name: str
    data: dict[str, Any]
    last_id: str


class Browser:
    """Reads chunks by the rules of the standard."""

    def __init__(self, call: Any, last_id: str = "") -> None:
        self._call = call
        self._text = ""
        self.last_id = last_id
        self.comments: list[str] = []

    async def next(self) -> Event:
        while True:
            while "\n\n" not in self._text:
                async with asyncio.timeout(5):
                    chunk = await self._call.read()
                if chunk is grpc.aio.EOF:
                    raise EOFError
                assert chunk.content_type == "text/event-stream"
                self._text += chunk.data.decode()
            block, _, self._text = self._text.partition("\n\n")
            fields = self._fields(block)
            if "data" in fields:
                return Event(fields["event"], json.loads(fields["data"]), self.last_id)

    def _fields(self, block: str) -> dict[str, str]:
        fields: dict[str, str] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            if name == "":
                self.comments.append(value.strip())
            fields[name] = value.removeprefix(" ")
        self.last_id = fields.get("id", self.last_id)
        return fields

    async def until(self, name: str) -> list[Event]:
        events = [await self.next()]
        while events[-1].name != name:
            events.append(await self.next())
        return events


async def test_the_stream_is_told_in_events_with_ids_after_the_snapshot(house: House):
    await house.score("c", 1)
    async with house.stub() as stub:
        browser = Browser(stub.StreamAlerts(pb.StreamAlertsRequest()))
        created, snapshot, end = await browser.until("snapshot_end")
        assert (created.name, created.last_id) == ("created", "")
        assert created.data == {"firstAvailableRevision": "1", "headRevision": "1"}
        assert (snapshot.name, snapshot.last_id) == ("snapshot", "")
        assert end.last_id != ""
        for score in (2, 5):
            await house.score("c", score)
        updated, resolved = await browser.until("resolved")
        assert (updated.name, updated.data["alert"]["value"], updated.data["alert"]["severity"]) == ("updated", 2, "high")
        assert resolved.data["alert"]["customerId"] == "c"
        assert len({end.last_id, updated.last_id, resolved.last_id}) == 3


async def test_a_browser_that_reconnects_goes_on_after_its_last_id(house: House):
    async with house.stub() as stub:
        browser = Browser(stub.StreamAlerts(pb.StreamAlertsRequest()))
        await browser.until("snapshot_end")
        for score in (1, 2):
            await house.score("c", score)
        for request, metadata in (
            (pb.StreamAlertsRequest(), (("last-event-id", browser.last_id),)),
            (pb.StreamAlertsRequest(resume_token=browser.last_id), ()),
            # What the request itself says comes first.
            (pb.StreamAlertsRequest(resume_token=browser.last_id), (("last-event-id", "nonsense"),)),
        ):
            again = Browser(stub.StreamAlerts(request, metadata=metadata))
            assert [(await again.next()).name for _ in range(3)] == ["created", "fired", "updated"]


async def test_ids_and_resume_tokens_are_the_same(house: House):
    async with house.stub() as stub:
        browser = Browser(stub.StreamAlerts(pb.StreamAlertsRequest()))
        await browser.until("snapshot_end")
        await house.score("c", 1)
        reader = Reader(stub.WatchAlerts(pb.WatchAlertsRequest(resume_token=browser.last_id)))
        assert [m.revision for m in await reader.events(1)] == [1]


async def test_a_heartbeat_is_a_comment_that_moves_the_id(house: House):
    house.heartbeat_s = 0.2
    async with house.stub() as stub:
        wanted = alert_pb2.AlertFilter(types=[1])
        browser = Browser(stub.StreamAlerts(pb.StreamAlertsRequest(filter=wanted)))
        end = (await browser.until("snapshot_end"))[-1]
        await house.score("c", 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await browser.next()
        assert "heartbeat" in browser.comments
        assert browser.last_id != end.last_id


@pytest.mark.parametrize("is_header", [True, False])
async def test_a_refused_id_is_told_and_taken_back_so_that_a_reconnect_gets_a_snapshot(house: House, is_header: bool):
    async with house.stub() as stub:
        call = (
            stub.StreamAlerts(pb.StreamAlertsRequest(), metadata=(("last-event-id", "nonsense"),))
            if is_header
            else stub.StreamAlerts(pb.StreamAlertsRequest(resume_token="nonsense"))
        )
        browser = Browser(call, last_id="nonsense")
        error = await browser.next()
        assert (error.name, error.data["code"], error.data["reason"]) == ("error", 3, "INVALID_RESUME_TOKEN")
        assert browser.last_id == ""
        with pytest.raises(EOFError):
            await browser.next()
        assert await call.code() is grpc.StatusCode.OK


async def test_an_id_that_the_log_cannot_continue_is_told_before_anything_else(house: House):
    async with house.stub() as stub:
        browser = Browser(stub.StreamAlerts(pb.StreamAlertsRequest()))
        await browser.until("snapshot_end")
        await house.score("c", 1)
        await browser.until("fired")
        # As in a log that was restored, and has grown again.
        await house.facts.rows("UPDATE alerting.alert_log SET at = at + interval '1 second'")
        again = Browser(stub.StreamAlerts(pb.StreamAlertsRequest(resume_token=browser.last_id)), last_id=browser.last_id)
        error = await again.next()
        assert (error.name, error.data["reason"], again.last_id) == ("error", "RESUME_TOKEN_EXPIRED", "")


async def test_an_error_in_the_middle_is_the_last_event(house: House):
    async with house.stub() as stub:
        call = stub.StreamAlerts(pb.StreamAlertsRequest())
        browser = Browser(call)
        await browser.until("snapshot_end")
        await house.facts.rows("UPDATE alerting.log_head SET epoch = 'restored'")
        error = await browser.next()
        assert error.data == {
            "code": 11,
            "reason": "RESUME_TOKEN_EXPIRED",
            "message": "what follows the resume token is not kept any more; start again from a snapshot",
        }
        with pytest.raises(EOFError):
            await browser.next()


def test_a_defect_is_told_without_its_words():
    frame = sse.error_frame(KeyError("a customer's name")).decode()
    assert json.loads(frame.split("data: ")[1])["reason"] == "INTERNAL"
    assert "name" not in frame
    assert not frame.startswith("id:")


async def test_the_stream_says_goodbye(house: House):
    async with house.serving() as running, grpc.aio.insecure_channel(running.address) as channel:
        browser = Browser(house.stub_of(channel).StreamAlerts(pb.StreamAlertsRequest()))
        end = (await browser.until("snapshot_end"))[-1]
        stopping = asyncio.ensure_future(running.stop())
        goodbye = await browser.next()
        assert (goodbye.name, goodbye.data) == ("before_close", {"reason": "BOOKMARK_REASON_BEFORE_CLOSE"})
        assert goodbye.last_id == end.last_id
        with pytest.raises(EOFError):
            await browser.next()
        await stopping
