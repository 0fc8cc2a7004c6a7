"""Deliveries that fail are made again: under the same id, in their order, and without holding anybody else up."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from services.alerting.alerts import AlertState
from services.alerting.telling import attempts, posting
from services.alerting.telling.channels import Channel, Slack
from tests.alerting.house import Clock
from tests.alerting.notifying import SECOND, Receiver, TellingHouse, a_notice, an_alert, local, receiving
from tests.leaping import leaping
from tests.until import until

BEGAN = Clock().now


async def hooked(house: TellingHouse, receiver: Receiver) -> None:
    await house.put_webhook("hook", receiver)
    await house.put_routes({"channelIds": ["hook"], "groupWait": "0s"})


async def test_what_fails_is_tried_again_under_the_same_id(house: TellingHouse):
    async with receiving(statuses=[500, 429, 408, 503]) as receiver:
        await hooked(house, receiver)
        await house.fire(an_alert())
        await house.tell()
        for seconds in (5, 10, 20):
            await house.tell(timedelta(seconds=seconds) - SECOND)
            before = len(receiver.seen)
            await house.tell(SECOND)
            assert len(receiver.seen) == before + 1
        assert [row[2] for row in await house.notifications()] == [1]
        await house.tell(timedelta(seconds=40))
        assert len({s.id for s in receiver.seen}) == 1
        assert len({s.body for s in receiver.seen}) == 1
        assert [row[1:3] for row in await house.attempts()] == [(1, 500), (2, 429), (3, 408), (4, 503), (5, 200)]
        assert [row[2:] for row in await house.notifications()] == [(2, None)]


async def test_a_wish_for_time_is_honoured(house: TellingHouse):
    async with receiving(statuses=[429], headers={"Retry-After": "120"}) as receiver:
        await hooked(house, receiver)
        await house.fire(an_alert())
        await house.tell()
        await house.tell(timedelta(seconds=119))
        assert len(receiver.seen) == 1
        await house.tell(SECOND)
        assert len(receiver.seen) == 2


async def test_what_is_refused_is_not_tried_again(house: TellingHouse):
    async with receiving(statuses=[404]) as receiver:
        await hooked(house, receiver)
        await house.fire(an_alert())
        await house.tell()
        await house.tell(timedelta(minutes=1))
        assert len(receiver.seen) == 1
        assert [row[2:] for row in await house.notifications()] == [(3, None)]


async def test_it_is_given_up_after_a_day(house: TellingHouse):
    async with receiving(statuses=[500] * 1000) as receiver:
        await house.put_webhook("hook", receiver)
        await house.put_routes({"channelIds": ["hook"], "groupWait": "0s", "repeatInterval": "604800s"})
        await house.fire(an_alert())
        while not (await house.notifications()) or (await house.notifications())[0][2] == 1:
            await house.tell(timedelta(minutes=20))
        (first, *_) = await house.notifications()
        assert first[2:] == (3, None)
        assert house.clock() - BEGAN >= attempts.TRIED_FOR
        assert 60 < len(receiver.seen) < 100


async def test_the_end_of_an_alert_never_overtakes_its_beginning(house: TellingHouse):
    async with receiving(fails=lambda seen: seen.json["status"] == "firing") as receiver:
        await hooked(house, receiver)
        (alert,) = await house.fire(an_alert())
        await house.tell()
        await house.resolve(alert)
        for _ in range(12):
            await house.tell(timedelta(minutes=2))
        # It may have arrived, whatever was answered: its end is told, and what is over is not told as firing any more.
        assert [s.json["status"] for s in receiver.seen] == ["firing", "resolved"]
        assert [row[2] for row in await house.notifications()] == [3, 2]


async def test_killed_between_the_sending_and_its_record_it_is_sent_again_and_never_lost(house: TellingHouse):
    async with receiving(gate=asyncio.Event()) as receiver:
        assert receiver.gate is not None
        await hooked(house, receiver)
        await house.fire(an_alert())
        killed = house.new_notifier()
        while not receiver.seen:
            await asyncio.create_task(killed.go_round())
            await asyncio.sleep(0.01)
        for task in killed._under_way:
            task.cancel()
        receiver.gate.set()
        await until(lambda: not killed._under_way)
        # Somebody else leaves it alone while the lease lasts.
        await house.tell(attempts.LEASE - SECOND)
        assert len(receiver.seen) == 1
        await house.tell(SECOND)
        assert len({s.id for s in receiver.seen}) == 1
        assert len(receiver.seen) == 2
        assert [row[2:] for row in await house.notifications()] == [(2, None)]


async def test_who_does_not_answer_holds_nobody_else_up(house: TellingHouse, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(posting, "TIMEOUT_S", 60)
    async with receiving(gate=asyncio.Event()) as dead, receiving() as well, receiving() as other:
        await house.put_webhook("dead", dead)
        await house.put_webhook("well", well)
        await house.put_webhook("hook", other, tenant="other")
        await house.put_routes({"channelIds": ["dead", "well"], "groupBy": ["customer_id"], "groupWait": "0s"})
        await house.put_routes({"channelIds": ["hook"], "groupWait": "0s"}, tenant="other")
        await house.fire(*(an_alert(f"c{n}") for n in range(40)))
        await house.fire(an_alert("theirs"), tenant="other")

        async def told() -> bool:
            await asyncio.create_task(house.notifier.go_round())
            return len(well.seen) == 40 and len(other.seen) == 1

        await until(told)
        assert len(dead.seen) <= 2
        assert dead.gate is not None
        dead.gate.set()
        await house.tell()
        assert len(dead.seen) == 40


async def test_an_alert_is_told_as_its_customer_is_known_and_nothing_else(house: TellingHouse):
    async with receiving() as receiver:
        await hooked(house, receiver)
        await house.fire(an_alert("customer-7", state=AlertState.FIRING))
        await house.tell()
        (shown,) = receiver.seen[0].json["alerts"]
        assert {k: v for k, v in shown.items() if "customer" in json.dumps(v).lower()} == {
            "ruleId": "customer-satisfaction",
            "message": "Customer satisfaction below 3.0",
            "subjectKind": "SUBJECT_KIND_CUSTOMER",
            "customerId": "customer-7",
            "subjectId": "customer-7",
        }


async def test_what_cannot_be_reached_is_said_without_words_of_others():
    url = "http://127.0.0.1:1/T0P-S3CRET"
    outcome, _ = await local().attempt(Channel("c", Slack(url)), a_notice(an_alert()))
    assert outcome.error == "the receiver could not be reached"


async def test_a_defect_is_logged_without_secrets(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    async def fails(self: Any, post: Any) -> None:
        raise RuntimeError(post.url)

    monkeypatch.setattr(posting.Poster, "post", fails)
    outcome, _ = await local().attempt(Channel("c", Slack("https://hooks.slack.com/T0P-S3CRET")), a_notice(an_alert()))
    assert (outcome.is_delivered, outcome.is_final) == (False, False)
    ours = [record.__dict__ for record in caplog.records if record.name.startswith("services.")]
    assert ours
    assert "S3CRET" not in caplog.text + outcome.error + repr(ours)


async def test_only_what_never_had_a_connection_surely_did_not_arrive(monkeypatch: pytest.MonkeyPatch):
    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def may_have_arrived(url: str) -> bool:
        outcome, _ = await local().attempt(Channel("c", Slack(url)), a_notice(an_alert()))
        assert not outcome.is_delivered
        return outcome.may_have_arrived

    leap = leaping(monkeypatch)
    async with receiving(gate=asyncio.Event()) as silent:
        waiting = asyncio.create_task(may_have_arrived(silent.url))
        await until(lambda: bool(silent.seen))
        leap(posting.TIMEOUT_S + 1)
        assert await waiting
    async with receiving(statuses=[500]) as failing:
        assert await may_have_arrived(failing.url)
        await failing.unplug()
        assert not await may_have_arrived(failing.url)
        # It does not speak TLS.
        await failing.plug()
        assert not await may_have_arrived(failing.url.replace("http:", "https:"))
    assert not await may_have_arrived("https://10.0.0.1/")
    async with await asyncio.start_server(hangs_up, "127.0.0.1", 0) as server:
        assert await may_have_arrived(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
