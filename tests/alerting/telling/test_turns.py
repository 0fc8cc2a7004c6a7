"""Who was quiet is looked at less and less often, and what is due is not late for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.alerting.telling.notifier import Notifier
from services.alerting.telling.turns import FIRST, LONGEST, Turns
from tests.alerting.notifying import SECOND, TellingHouse, an_alert, receiving
from tests.storage.sending import recording

NOW = datetime(2026, 5, 4, tzinfo=UTC)


def test_pauses_double_up_to_the_longest_and_end_with_work():
    turns, now, pauses = Turns(), NOW, []
    for _ in range(6):
        turns.was_quiet("t", now, None)
        began = now
        while not turns.are_due(["t"], now):
            now += timedelta(seconds=0.1)
        pauses.append((now - began).total_seconds())
    assert pauses == [0.5, 1, 2, 4, 5, 5]
    assert (FIRST.total_seconds(), LONGEST.total_seconds()) == (0.5, 5)
    turns.was_quiet("t", now, None)
    turns.was_busy("t")
    assert turns.are_due(["t", "new"], now) == ["t", "new"]
    turns.was_quiet("t", now, None)
    assert turns.are_due(["t"], now + FIRST) == ["t"]


def test_what_is_known_to_be_due_is_not_late():
    turns = Turns(timedelta(hours=1))
    for _ in range(10):
        turns.was_quiet("t", NOW, NOW + SECOND)
    assert turns.are_due(["t"], NOW + SECOND / 2) == []
    assert turns.are_due(["t"], NOW + SECOND) == ["t"]


def test_who_is_gone_is_forgotten():
    turns = Turns()
    turns.was_quiet("t", NOW, None)
    turns.are_due([], NOW)
    assert turns.are_due(["t"], NOW) == ["t"]


def patient(house: TellingHouse) -> Notifier:
    """A notifier as it runs."""
    return Notifier(house.database, house.delivery, house.clock, uuid4, chance=lambda: 0.0)


async def test_quiet_tenants_cost_little(house: TellingHouse, monkeypatch: pytest.MonkeyPatch):
    async with receiving() as receiver:
        for tenant in ("a", "b", "c"):
            await house.put_webhook("hook", receiver, tenant=tenant)
            await house.put_routes({"channelIds": ["hook"]}, tenant=tenant)
    notifier = patient(house)
    for _ in range(20):
        await house.go_on(notifier)
        house.clock.move(SECOND)
    begun: list[str] = []
    real = house.database.transaction

    def counted(tenant_id: str) -> Any:
        begun.append(tenant_id)
        return real(tenant_id)

    monkeypatch.setattr(house.database, "transaction", counted)
    with recording() as sent:
        for _ in range(20):
            await house.go_on(notifier)
            house.clock.move(SECOND / 2)
    # In ten seconds two visits to each, of one statement.
    assert sorted(begun) == ["a", "a", "b", "b", "c", "c"]
    assert len([one for one in sent if one.tenant == "a" and "alerting." in one.statement]) == 1


async def test_a_group_is_told_and_a_delivery_made_again_when_they_are_due(house: TellingHouse):
    async with receiving(statuses=[500]) as receiver:
        await house.put_webhook("hook", receiver)
        await house.put_routes({"channelIds": ["hook"], "groupWait": "31s"})
        notifier = patient(house)
        await house.go_on(notifier)
        await house.fire(an_alert())
        house.clock.move(LONGEST)
        await house.go_on(notifier)
        for _ in range(30):
            house.clock.move(SECOND)
            await house.go_on(notifier)
        assert receiver.seen == []
        house.clock.move(SECOND)
        await house.go_on(notifier)
        assert len(receiver.seen) == 1
        house.clock.move(5 * SECOND)
        await house.go_on(notifier)
        assert len(receiver.seen) == 2
