"""The calls about channels, routes and notifications, over a real channel."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from rapport.alerting.v1 import notification_pb2 as pb

from services.alerting.telling.attempts import State
from services.alerting.telling.delivery import Delivery, Receivers
from services.alerting.telling.notices import CHANNEL_DELETED
from tests.alerting.asking import WEBHOOK, put, refused, routes
from tests.alerting.house import Clock
from tests.alerting.notifying import SECRET, TellingHouse, an_alert, receiving
from tests.alerting.telling.giving_up import given_up

SLACK = {"webhookUrl": "https://hooks.slack.com/services/T0/B0/S3CRET"}


async def stored(house: TellingHouse) -> list[tuple[Any, ...]]:
    return await house.facts.rows("SELECT channel_id, config FROM alerting.channel ORDER BY channel_id")


async def test_secrets_are_kept_and_never_told(house: TellingHouse):
    async with house.stub() as stub:
        for kind in (
            {"webhook": WEBHOOK},
            {"slack": SLACK},
            {"pagerduty": {"routingKey": "S3CRET"}},
            {"email": {"to": ["a@b.de"]}},
        ):
            answer = await stub.PutChannel(put(next(iter(kind)), **kind))
            assert SECRET not in str(answer)
            assert "S3CRET" not in str(answer)
        before = await stored(house)
        listed = (await stub.ListChannels(pb.ListChannelsRequest())).channels
        assert [MessageToDict(c) for c in listed] == [
            {"channelId": "email", "tellsResolved": True, "email": {"to": ["a@b.de"]}},
            {"channelId": "pagerduty", "tellsResolved": True, "pagerduty": {}},
            {"channelId": "slack", "tellsResolved": True, "slack": {"webhookUrl": "https://hooks.slack.com"}},
            {"channelId": "webhook", "tellsResolved": True, "webhook": {"url": WEBHOOK["url"]}},
        ]
        # What was listed can be put again: nothing changes.
        for channel in listed:
            await stub.PutChannel(pb.PutChannelRequest(channel=channel))
        assert await stored(house) == before
        await stub.PutChannel(put("slack", slack={"webhookUrl": ""}, tellsResolved=False))
        await stub.PutChannel(put("webhook", webhook={"url": "https://example.org", "secret": ""}))
        assert dict(await stored(house))["webhook"] == {"url": "https://example.org", "secret": SECRET}
        # A secret of another kind is not kept.
        assert (await refused(stub.PutChannel(put("webhook", slack={}))))[0] == "INVALID_ARGUMENT"
        assert dict(await stored(house))["slack"] == {"webhook_url": SLACK["webhookUrl"]}


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ({"webhook": {"url": "https://example.com"}}, "channel.webhook.secret"),
        ({"webhook": {"url": "https://example.com", "secret": "short S3CRET"}}, "channel.webhook.secret"),
        ({"webhook": {"url": "http://example.com", "secret": SECRET}}, "channel.webhook.url"),
        ({"webhook": {"url": "https://169.254.169.254/", "secret": SECRET}}, "channel.webhook.url"),
        ({"webhook": {"url": "https://a:S3CRET@example.com", "secret": SECRET}}, "channel.webhook.url"),
        ({"webhook": {"url": "https://127.1/", "secret": SECRET}}, "channel.webhook.url"),
        ({"webhook": {"url": "https://0x7f000001/", "secret": SECRET}}, "channel.webhook.url"),
        ({"webhook": {"url": "https://2130706433/", "secret": SECRET}}, "channel.webhook.url"),
        ({"slack": {"webhookUrl": "https://2130706433/S3CRET"}}, "channel.slack.webhook_url"),
        ({"slack": {}}, "channel.slack.webhook_url"),
        ({"slack": {"webhookUrl": "https://10.0.0.1/S3CRET"}}, "channel.slack.webhook_url"),
        ({"pagerduty": {}}, "channel.pagerduty.routing_key"),
        ({"pagerduty": {"routingKey": "S3CRET with blanks"}}, "channel.pagerduty.routing_key"),
        ({"email": {"to": ["nobody"]}}, "channel.email.to[0]"),
        ({"email": {"to": ["a@b.de\r\nBcc: c@d.de"]}}, "channel.email.to[0]"),
        ({"email": {}}, "channel.email.to"),
        ({}, "channel.kind"),
    ],
)
async def test_what_a_channel_is_refused_for(house: TellingHouse, kind: dict[str, Any], field: str):
    house.servicer._delivery = Delivery(Receivers(), Clock())
    async with house.stub() as stub:
        status, _, fields = await refused(stub.PutChannel(put(**kind)))
    assert (status, [f for f, _ in fields]) == ("INVALID_ARGUMENT", [field])
    assert await stored(house) == []


async def test_there_are_at_most_a_hundred_channels(house: TellingHouse, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("services.alerting.telling.channels.MOST_CHANNELS", 2)
    async with house.stub() as stub:
        for name in ("a", "b"):
            await stub.PutChannel(put(name, webhook=WEBHOOK))
        assert (await refused(stub.PutChannel(put("c", webhook=WEBHOOK))))[:2] == ("RESOURCE_EXHAUSTED", "TOO_MANY")
        await stub.PutChannel(put("b", slack=SLACK))


async def test_a_channel_in_use_is_not_deleted(house: TellingHouse):
    async with house.stub() as stub:
        gone = pb.DeleteChannelRequest(channel_id="c")
        assert (await refused(stub.DeleteChannel(gone)))[:2] == ("NOT_FOUND", "CHANNEL_NOT_FOUND")
        await stub.PutChannel(put(webhook=WEBHOOK))
        await stub.PutRoutes(routes({"routeId": "r", "channelIds": ["c"]}))
        assert (await refused(stub.DeleteChannel(gone)))[:2] == ("FAILED_PRECONDITION", "CHANNEL_IN_USE")
        assert len(await stored(house)) == 1
        await stub.PutRoutes(routes())
        await stub.DeleteChannel(gone)
        assert await stored(house) == []


async def test_what_waits_for_a_channel_that_is_deleted_is_dropped(house: TellingHouse):
    async with receiving(statuses=[500]) as receiver:
        await house.put_webhook("c", receiver)
        await house.put_routes({"channelIds": ["c"], "groupWait": "0s"})
        await house.fire(an_alert())
        await house.tell()
        await house.put_routes()
        async with house.stub() as stub:
            await stub.DeleteChannel(pb.DeleteChannelRequest(channel_id="c"))
            await house.tell(timedelta(hours=1))
            dropped, failed = [
                (await stub.ListNotifications(pb.ListNotificationsRequest(state=state))).notifications
                for state in (pb.NOTIFICATION_STATE_DROPPED, pb.NOTIFICATION_STATE_FAILED)
            ]
        assert len(receiver.seen) == 1
        assert await given_up(house) == [(CHANNEL_DELETED, State.DROPPED)]
        assert [(each.state, each.attempts[-1].error) for each in dropped] == [(pb.NOTIFICATION_STATE_DROPPED, CHANNEL_DELETED)]
        assert list(failed) == []


async def test_a_slack_address_is_told_as_far_as_its_host_as_it_was_put(house: TellingHouse):
    async with house.stub() as stub:
        for address, told in (
            ("http://127.0.0.1:9911/services/S3CRET?x=S3CRET#S3CRET", "http://127.0.0.1:9911"),
            ("http://[::1]:9911/S3CRET", "http://[::1]:9911"),
            ("https://Hooks.Slack.com/S3CRET", "https://Hooks.Slack.com"),
        ):
            answer = await stub.PutChannel(put("s", slack={"webhookUrl": address}))
            assert answer.channel.slack.webhook_url == told
            (listed,) = (await stub.ListChannels(pb.ListChannelsRequest())).channels
            await stub.PutChannel(pb.PutChannelRequest(channel=listed))
            assert await stored(house) == [("s", {"webhook_url": address})]


async def test_a_channel_is_tested_once_and_the_attempt_is_told_and_kept(house: TellingHouse):
    async with receiving(statuses=[204, 500]) as receiver, house.stub() as stub:
        ask = pb.TestChannelRequest(channel_id="c")
        assert (await refused(stub.TestChannel(ask)))[:2] == ("NOT_FOUND", "CHANNEL_NOT_FOUND")
        await house.put_webhook("c", receiver)
        good = await stub.TestChannel(ask)
        house.clock.move(timedelta(seconds=1))
        bad = await stub.TestChannel(ask)
        await house.tell(timedelta(hours=1))
        assert [(s.json["status"], s.json["route"], s.json["alerts"]) for s in receiver.seen] == [("test", "", [])] * 2
        listed = (await stub.ListNotifications(pb.ListNotificationsRequest())).notifications
    assert (good.delivered, good.attempt.status, good.attempt.error) == (True, 204, "")
    assert (bad.delivered, bad.attempt.status, bad.attempt.error) == (False, 500, "the receiver answered with status 500")
    assert [(n.notification_id, n.state, n.route_id, list(n.attempts)) for n in listed] == [
        (receiver.seen[1].id, pb.NOTIFICATION_STATE_FAILED, "", [bad.attempt]),
        (receiver.seen[0].id, pb.NOTIFICATION_STATE_DELIVERED, "", [good.attempt]),
    ]


async def test_notifications_are_listed_in_pages_with_their_attempts(house: TellingHouse):
    async with receiving(statuses=[500]) as receiver, house.stub() as stub:
        await house.put_webhook("one", receiver)
        await house.put_webhook("two", receiver)
        await house.put_routes({"channelIds": ["one", "two"], "groupBy": ["subject_id"], "groupWait": "0s"})
        alerts = await house.fire(*(an_alert(f"c{n}") for n in range(4)))
        await house.tell()
        seen, token = [], ""
        while True:
            page = await stub.ListNotifications(pb.ListNotificationsRequest(page_size=3, page_token=token))
            seen += page.notifications
            token = page.next_page_token
            if not token:
                break
        assert len({n.notification_id for n in seen}) == len(seen) == 8
        assert sum(len(n.attempts) for n in seen) == 8
        (pending,) = [n for n in seen if n.state == pb.NOTIFICATION_STATE_PENDING]
        assert pending.HasField("next_attempt_time")
        assert (pending.attempts[0].status, pending.attempts[0].error) == (500, "the receiver answered with status 500")

        async def count(**wanted: Any) -> int:
            return len((await stub.ListNotifications(pb.ListNotificationsRequest(**wanted))).notifications)

        assert await count(channel_id="one") == 4
        assert await count(alert_id=str(alerts[0].alert_id)) == 2
        assert await count(state=pb.NOTIFICATION_STATE_PENDING) == 1
        assert await count(channel_id="one", alert_id=str(alerts[0].alert_id)) == 1
        token = (await stub.ListNotifications(pb.ListNotificationsRequest(page_size=3))).next_page_token
        other = pb.ListNotificationsRequest(channel_id="one", page_token=token)
        assert (await refused(stub.ListNotifications(other)))[:2] == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")


async def test_another_tenants_channels_are_not_there(house: TellingHouse):
    async with receiving() as receiver, house.stub() as stub:
        await house.put_webhook("theirs", receiver, tenant="other")
        await house.put_routes({"channelIds": ["theirs"]}, tenant="other")
        assert not (await stub.ListChannels(pb.ListChannelsRequest())).channels
        assert not (await stub.ListRoutes(pb.ListRoutesRequest())).routes
        assert (await refused(stub.PutRoutes(routes({"routeId": "r", "channelIds": ["theirs"]}))))[0] == "NOT_FOUND"
        assert (await refused(stub.TestChannel(pb.TestChannelRequest(channel_id="theirs"))))[0] == "NOT_FOUND"
        assert (await refused(stub.DeleteChannel(pb.DeleteChannelRequest(channel_id="theirs"))))[0] == "NOT_FOUND"
