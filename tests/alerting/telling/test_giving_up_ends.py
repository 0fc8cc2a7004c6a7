"""Ends of incidents that could not be told for a day: what was never ended is still to be ended."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.alerting.telling.attempts import TRIED_FOR, State
from tests.alerting.notifying import Receiver, TellingHouse, an_alert
from tests.alerting.paging import INTERVAL, PAGER, REPEAT, actions
from tests.alerting.telling.giving_up import a_day, given_up

HOUR = timedelta(hours=1)


async def test_an_end_that_could_not_be_told_for_a_day_is_told_later(house: TellingHouse, pager: Receiver):
    await house.put_routes(PAGER)
    (alert,) = await house.fire(an_alert())
    await house.tell()
    await pager.unplug()
    await house.resolve(alert)
    await house.tell(INTERVAL)
    await a_day(house)
    assert [state for _, state in await given_up(house)] == [State.FAILED]
    await pager.plug()
    await house.tell(HOUR)
    assert actions(pager) == ["trigger", "resolve"]
    assert await house.facts.rows("SELECT * FROM alerting.alert_group") == []


async def test_what_is_told_later_does_not_bring_an_erased_customer_back(
    house: TellingHouse, pager: Receiver, monkeypatch: pytest.MonkeyPatch
):
    real, erase = house.delivery.attempt, 'UPDATE alerting.notification SET names = \'{"customer_id": "a pseudonym"}\''

    async def attempt(*told_of: Any) -> Any:
        await house.facts.rows(erase)
        return await real(*told_of)

    await house.put_routes(PAGER | {"groupBy": ["customer_id"]})
    (alert,) = await house.fire(an_alert())
    await house.tell()
    await pager.unplug()
    await house.resolve(alert)
    await house.tell(INTERVAL)
    for _ in range(3):
        await house.tell(TRIED_FOR / 4)
    monkeypatch.setattr(house.delivery, "attempt", attempt)
    house.clock.move(TRIED_FOR / 4)
    await asyncio.create_task(house.notifier.go_round())
    await house.notifier.deliver_all()
    assert [state for _, state in await given_up(house)] == [State.FAILED]
    assert await house.facts.rows("SELECT names FROM alerting.alert_group") == [({"customer_id": "a pseudonym"},)]


@pytest.mark.parametrize("begins_after", [HOUR, 23 * HOUR, 25 * HOUR])
async def test_an_incident_that_could_not_be_ended_ends_with_the_next_of_its_key(
    house: TellingHouse, pager: Receiver, begins_after: timedelta
):
    await house.put_routes(PAGER)
    (first,) = await house.fire(an_alert())
    await house.tell()
    await pager.unplug()
    await house.resolve(first)
    await house.tell(INTERVAL)
    for _ in range(4):
        await house.tell(begins_after / 4)
    (second,) = await house.fire(an_alert(episode=2))
    await house.tell(INTERVAL)
    await a_day(house)
    await house.resolve(second)
    await house.tell(INTERVAL)
    await pager.plug()
    await house.tell(HOUR)
    await house.tell(HOUR)
    assert actions(pager)[0] == "trigger"
    assert actions(pager)[-1] == "resolve"
    assert await house.facts.rows("SELECT * FROM alerting.alert_group") == []


async def test_an_end_that_is_refused_is_not_told_again(house: TellingHouse, pager: Receiver):
    await house.put_routes(PAGER)
    (alert,) = await house.fire(an_alert())
    await house.tell()
    pager.statuses = [400]
    await house.resolve(alert)
    await house.tell(INTERVAL)
    await house.tell(REPEAT)
    assert actions(pager) == ["trigger", "resolve"]
