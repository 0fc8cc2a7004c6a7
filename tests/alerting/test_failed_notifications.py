"""Alerts about notifications that could not be delivered: what they count, and that they do not keep themselves going."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from rapport.alerting.v1 import notification_pb2 as npb

from services.alerting.defaults import DEFAULT_RULES
from services.alerting.rounds import DUE_EVERY, Round
from services.alerting.rules import Subject, SubjectKind
from services.alerting.telling.attempts import State
from tests.alerting.house import TENANT
from tests.alerting.measured import Measured, rule
from tests.alerting.notifying import MINUTE, SECOND, Receiver, TellingHouse, an_alert, receiving
from tests.storage.sending import recording
from tests.storage.test_every_statement import what_is_unbound

FIRING, RESOLVED = 1, 2
HOUR = timedelta(hours=1)
RULE = DEFAULT_RULES[2][0]
WATCHDOG = next(each for each in DEFAULT_RULES[1] if each.rule_id == "watchdog")
ALERTS = "SELECT state, value FROM alerting.alert WHERE rule_id = 'notifications-failing' ORDER BY fired_at"
EVENTS = "SELECT count(*) FROM alerting.alert_log WHERE after ->> 'rule_id' = 'notifications-failing'"
AT_ONCE = {"channelIds": ["hook"], "groupWait": "0s"}


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[TellingHouse]:
    built = TellingHouse(database_url)
    await Measured(built.url).rules(RULE)
    await built.evaluate()
    yield built
    await built.database.close()


@asynccontextmanager
async def refusing(house: TellingHouse, status: int = 403) -> AsyncIterator[Receiver]:
    """A receiver, for the block, that refuses everything; what fires goes there at once."""
    async with receiving(statuses=[status] * 1000) as made:
        await house.put_webhook("hook", made)
        await house.put_routes(AT_ONCE)
        yield made


async def pass_time(house: TellingHouse, by: timedelta, step: timedelta = MINUTE) -> None:
    """Let time pass: what is told is told, what is looked at is looked at."""
    until = house.clock() + by
    while house.clock() < until:
        await house.tell(step)
        await house.evaluate()


async def own(house: TellingHouse) -> list[tuple[Any, ...]]:
    """Return state and value of the alerts about notifications."""
    return await house.facts.rows(ALERTS)


async def fail(
    house: TellingHouse, made_at: datetime, given_up_at: datetime, *, tenant: str = TENANT, state: State = State.FAILED
) -> None:
    """Let a notification of no alert have been given up after two attempts."""
    measured = Measured(house.url, tenant)
    keys = f"'{tenant}', md5('{made_at}')::uuid"
    made = "notification_id, channel_id, route_id, names, alert_ids, payload, state, created_at"
    await measured.execute(
        f"INSERT INTO alerting.notification (tenant_id, {made}) VALUES ({keys}, 'hook', 'r', '{{}}', '{{}}', '{{}}', %s, %s)",
        [(int(state), made_at)],
    )
    tried = "tenant_id, notification_id, number, at, took_ms, error"
    put = f"INSERT INTO alerting.attempt ({tried}) VALUES ({keys}, %s, %s, 1, 'no')"
    await measured.execute(put, [(1, made_at), (2, given_up_at)])


async def test_a_page_that_is_refused_is_seen_within_30_seconds(house: TellingHouse):
    async with refusing(house):
        await house.fire(an_alert())
        await house.tell()
        assert await own(house) == []
        house.clock.move(DUE_EVERY + SECOND)
        await house.evaluate()
        assert await own(house) == [(FIRING, 1.0)]


async def test_one_that_is_delivered_is_not_counted(house: TellingHouse):
    async with receiving() as receiver:
        await house.put_webhook("hook", receiver)
        await house.put_routes(AT_ONCE)
        await house.fire(an_alert())
        await pass_time(house, 5 * MINUTE)
        assert len(receiver.seen) == 1
    assert await own(house) == []


@pytest.mark.parametrize("group_by", [[], ["rule_id"]])
async def test_a_receiver_that_always_refuses_makes_one_alert_that_ends(house: TellingHouse, group_by: list[str]):
    async with refusing(house) as receiver:
        await house.put_routes(AT_ONCE | {"groupBy": group_by, "repeatInterval": "86400s"})
        await Measured(house.url).rules(RULE, WATCHDOG)
        await house.evaluate()
        await pass_time(house, 6 * HOUR, 5 * MINUTE)
        assert len(receiver.seen) >= 3, "its beginning and its end were refused, too"
    assert await own(house) == [(RESOLVED, 0.0)]
    assert await house.facts.rows(EVENTS) == [(2,)]


async def test_it_comes_back_with_the_next_page_that_is_refused(house: TellingHouse):
    async with refusing(house):
        await house.fire(an_alert("a"))
        await pass_time(house, 2 * HOUR, 5 * MINUTE)
        await house.fire(an_alert("b"))
        await pass_time(house, 10 * MINUTE)
    assert await own(house) == [(RESOLVED, 0.0), (FIRING, 1.0)]


async def test_what_was_tried_for_a_day_counts_when_it_was_given_up(house: TellingHouse):
    now = house.clock()
    await fail(house, now - timedelta(hours=24, minutes=10), now - 10 * MINUTE)
    await fail(house, now - 3 * HOUR, now - 2 * HOUR)
    await pass_time(house, MINUTE)
    assert await own(house) == [(FIRING, 1.0)]
    await pass_time(house, HOUR, 10 * MINUTE)
    assert await own(house) == [(RESOLVED, 0.0)]


async def test_what_was_dropped_is_not_missed(house: TellingHouse):
    await fail(house, house.clock(), house.clock(), state=State.DROPPED)
    await pass_time(house, MINUTE)
    assert await own(house) == []


async def test_what_was_over_is_missed_where_it_was_tried_before(house: TellingHouse):
    async with refusing(house, 500):
        (alert,) = await house.fire(an_alert())
        await house.tell()
        await house.resolve(alert)
        await house.tell(5 * SECOND)
        await pass_time(house, MINUTE)
    assert await own(house) == [(FIRING, 1.0)]


async def test_what_waits_for_a_channel_that_is_deleted_is_not_missed(house: TellingHouse):
    async with refusing(house, 500):
        await house.fire(an_alert())
        await house.tell()
        await house.put_routes()
        await house._call(TENANT, "DeleteChannel", npb.DeleteChannelRequest(channel_id="hook"))
    await pass_time(house, MINUTE)
    assert [row[2] for row in await house.notifications()] == [State.DROPPED]
    assert await own(house) == []


async def test_tests_and_other_tenants_do_not_count(house: TellingHouse):
    async with refusing(house):
        await house._call(TENANT, "TestChannel", npb.TestChannelRequest(channel_id="hook"))
    await fail(house, house.clock(), house.clock(), tenant="other")
    with recording() as sent:
        await pass_time(house, MINUTE)
    assert {one.tenant for one in sent if "alerting.attempt.at" in one.statement} >= {TENANT}
    assert what_is_unbound(sent) == {}
    assert [row[2] for row in await house.notifications()] == [3, 3]
    assert await own(house) == []


def test_facts_do_not_move_it():
    touched = {Subject(SubjectKind.AGENT, "a"): None}
    for each in (RULE, WATCHDOG):
        assert Round(touched).asks(each, [""]) == set()
        assert Round(touched, is_due=True).asks(each, ()) == {""}
    counted = rule("r", "totalConversations", subject_kind=SubjectKind.TENANT)
    assert Round(touched).asks(counted, ()) == {""}
