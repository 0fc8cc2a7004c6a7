"""PagerDuty as tests run it: what it is told of incidents, and of which service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from rapport.alerting.v1 import notification_pb2 as npb

from services.alerting.telling.delivery import Receivers
from tests.alerting.notifying import MINUTE, Receiver, TellingHouse, an_alert, receiving

INTERVAL = 5 * MINUTE
REPEAT = timedelta(hours=4)
CRITICAL = {"matchers": [{"name": "severity", "values": ["critical"]}]}
PAGER = {"channelIds": ["pager"], "groupWait": "0s"}


@asynccontextmanager
async def paging(house: TellingHouse) -> AsyncIterator[Receiver]:
    """PagerDuty for the block, as the channel `pager` of the service `old`."""
    async with receiving() as made:
        house.delivery.receivers = Receivers(allow_local=True, pagerduty_url=made.url)
        await house.put_channel("pager", pagerduty={"routingKey": "old"})
        yield made


def told(receiver: Receiver) -> list[tuple[str, str]]:
    """What PagerDuty was told, and of which service."""
    return [(s.json["event_action"], s.json["routing_key"]) for s in receiver.seen]


def actions(receiver: Receiver) -> list[str]:
    return [action for action, _ in told(receiver)]


async def open_one(house: TellingHouse, *routes: dict[str, Any], **different: Any) -> Any:
    """Put routes, by default one of everything to PagerDuty, and let an alert be told there."""
    await house.put_routes(*(routes or (PAGER,)))
    (alert,) = await house.fire(an_alert(**different))
    await house.tell()
    return alert


async def delete(house: TellingHouse) -> None:
    await house._call("default", "DeleteChannel", npb.DeleteChannelRequest(channel_id="pager"))
