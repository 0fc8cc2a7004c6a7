"""Every kind of event from its record to what is counted: late ones, corrected ones, and those that others move."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from rapport.ingest.v1 import ingest_service_pb2 as pb
from sqlalchemy import event as sqlalchemy_event

from services.scoring.measures import Measure, Outcome
from tests.fix_services import House
from tests.scoring.telling import happened, places, rows, settled, talked, tallies

TODAY = "2026-11-20"


async def appointment(house: House, status: str, hours: float) -> None:
    body = {"appointment_id": "p-1", "status": f"APPOINTMENT_STATUS_{status}"}
    await happened(house, "appointment", body, house.clock.now + timedelta(hours=hours), agent="a-1")


async def charge(house: House, status: str, hours: float, transaction_id: str = "t-1", **more: Any) -> None:
    body = {
        "transaction_id": transaction_id,
        "kind": "TRANSACTION_KIND_CHARGE",
        "status": f"TRANSACTION_STATUS_{status}",
        "amount": {"currency_code": "EUR", "units": "12"},
    }
    await happened(house, "transaction", body | more, house.clock.now + timedelta(hours=hours), customer="ben")


async def test_completed_after_a_no_show_takes_the_miss_back(house: House) -> None:
    await appointment(house, "NO_SHOW", 1)
    await settled(house)
    assert tallies(house) == {Outcome.NO_SHOW: 1}
    await appointment(house, "COMPLETED", 2)
    await settled(house)
    assert tallies(house) == {Outcome.SUCCESS: 1}
    await appointment(house, "CANCELLED", 0)  # older: it changes nothing
    await settled(house)
    assert tallies(house) == {Outcome.SUCCESS: 1}


async def test_a_charge_fails_settles_and_fails_again(house: House) -> None:
    for hours, status, outcome in ((1, "FAILED", 5), (2, "SETTLED", 1), (3, "FAILED", 5), (4, "PENDING", None)):
        await charge(house, status, hours)
        await settled(house)
        assert tallies(house) == ({} if outcome is None else {outcome: 1})
        orders = rows(house, "SELECT coalesce(sum(orders), 0) FROM scoring.revenue_day")
        assert orders == [(int(status == "SETTLED"),)]


async def test_a_refund_before_its_charge_moves_to_where_the_charge_is(house: House) -> None:
    await talked(house, "c-1", house.clock.now - timedelta(hours=3), "a-1", "ben")
    refund = {"kind": "TRANSACTION_KIND_REFUND", "original_transaction_id": "t-1"}
    await charge(house, "SETTLED", 5, "r-1", **refund)
    await settled(house)
    await charge(house, "SETTLED", -2)
    await settled(house)
    found = rows(house, "SELECT fact_id, agent_id, amount, outcome FROM scoring.contribution WHERE kind = 2 ORDER BY 1")
    assert found == [("r-1", "a-1", Decimal(-12), None), ("t-1", "a-1", Decimal(12), 1)]


async def test_a_late_conversation_takes_over_a_failed_charge_by_last_touch(house: House) -> None:
    await charge(house, "FAILED", -1)
    await settled(house)
    assert places(house, Outcome.FAILED_CHARGE) == {("", TODAY, 0): 1}
    await talked(house, "c-1", house.clock.now - timedelta(hours=3), "a-1", "ben")
    await settled(house)
    assert places(house, Outcome.FAILED_CHARGE) == {("a-1", TODAY, 4): 1}


async def test_what_names_a_conversation_follows_it_when_it_comes_and_when_it_is_corrected(house: House) -> None:
    now = house.clock.now
    told: dict[str, tuple[dict[str, Any], int]] = {
        "cart_activity": ({"cart_id": "k", "action": "CART_ACTION_CREATED"}, Measure.CART_STARTED),
        "follow_up": ({"follow_up_id": "f", "status": "FOLLOW_UP_STATUS_OPEN"}, Measure.FOLLOW_UP_OPENED),
        "consultation": ({"kind": "investment"}, Measure.CONSULTATION),
        "widget_activity": ({"widget_id": "w", "action": "WIDGET_ACTION_OPENED", "count": 7}, Measure.WIDGET_OPENED),
        "appointment": ({"appointment_id": "p", "status": "APPOINTMENT_STATUS_NO_SHOW"}, Outcome.NO_SHOW),
        "interaction": ({"platform": "sms", "campaign": "spring", "consent": True}, Measure.CONSENT),
    }
    for kind, (body, _) in told.items():
        await happened(house, kind, body, now, conversation="c-1")
    cost = {"category": "COST_CATEGORY_ACQUISITION", "amount": {"currency_code": "EUR", "units": "3"}}
    await happened(house, "cost", cost, now, conversation="c-1")
    await settled(house)
    for agent, customer in (("", ""), ("a-1", "ben"), ("a-2", "cleo")):
        if agent:
            await talked(house, "c-1", now, agent, customer)
            await settled(house)
        for kind, (_, measure) in told.items():
            platform = 5 if kind == "interaction" else 4 if agent else 0
            assert places(house, measure) == {(agent, TODAY, platform): 7 if kind == "widget_activity" else 1}, kind
        spent = "SELECT agent_id, customer_id, category, amount FROM scoring.cost_period WHERE n <> 0"
        assert rows(house, spent) == [(agent, customer, 4, Decimal(3))]
        brought = rows(house, "SELECT customer_id FROM scoring.customer_state WHERE campaign = 'spring'")
        assert brought == ([(customer,)] if customer else [])


async def test_costs_of_the_same_days_add_up_and_currencies_stay_apart(house: House) -> None:
    settings = pb.TenantSettings(time_zone="America/St_Johns", reporting_currency="EUR", attribution_window_days=7)
    await house.ingest.UpdateTenantSettings(pb.UpdateTenantSettingsRequest(settings=settings), house.caller)
    for currency, units in (("EUR", "3"), ("EUR", "4"), ("USD", "5")):
        body = {
            "category": "COST_CATEGORY_SEAT",
            "amount": {"currency_code": currency, "units": units, "nanos": 10_000_000},
            # In Newfoundland midnight is at 02:30 UTC in summer and at 03:30 in winter: clocks go back on November 1.
            "period_start": "2026-10-01T02:30:00Z",
            "period_end": "2026-11-02T03:30:00Z",
        }
        await happened(house, "cost", body, house.clock.now, agent="a-1")
    await settled(house)
    found = rows(
        house, "SELECT agent_id, currency, first_day::text, end_day::text, n, amount FROM scoring.cost_period ORDER BY 2"
    )
    assert found == [
        ("a-1", "EUR", "2026-10-01", "2026-11-02", 2, Decimal("7.02")),
        ("a-1", "USD", "2026-10-01", "2026-11-02", 1, Decimal("5.01")),
    ]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
async def test_a_customer_s_campaign_is_that_of_the_first_interaction_that_names_one(
    house: House, order: tuple[int, ...]
) -> None:
    told = [({"platform": "web"}, "e-0"), ({"platform": "web", "campaign": "spring"}, "e-1"),
            ({"platform": "web", "campaign": "autumn"}, "e-2")]  # fmt: skip
    for place in order:
        body, event_id = told[place]
        # The two that name one are of the same moment: the lower event_id is the first.
        await happened(
            house, "interaction", body, house.clock.now - timedelta(hours=place == 0), customer="ben", event_id=event_id
        )
        await settled(house)
    assert rows(house, "SELECT customer_id, campaign FROM scoring.customer_state") == [("ben", "spring")]


async def test_only_conversations_and_orders_engage_a_customer(house: House) -> None:
    now = house.clock.now
    await charge(house, "FAILED", -1)
    await happened(house, "cart_activity", {"cart_id": "k", "action": "CART_ACTION_CHECKED_OUT"}, now, customer="ben")
    await happened(house, "interaction", {"platform": "web"}, now, customer="ben")
    await happened(house, "follow_up", {"follow_up_id": "f", "status": "FOLLOW_UP_STATUS_DONE"}, now, customer="ben")
    await settled(house)
    assert rows(house, "SELECT customer_id, engagement_days, orders FROM scoring.customer_state") == [("ben", 0, 0)]
    assert (
        rows(house, "SELECT count(*) FROM scoring.customer_day") == rows(house, "SELECT count(*) FROM scoring.presence") == [(0,)]
    )


async def test_a_batch_of_conversations_is_a_bounded_number_of_statements(house: House) -> None:
    """Whatever there is nothing of needs no statement; nothing is asked for one fact at a time."""
    statements: list[str] = []
    engine = house.scoring_database._engine.sync_engine
    sqlalchemy_event.listen(engine, "before_cursor_execute", lambda _c, _k, statement, *_: statements.append(statement))
    counted = []
    for size in (5, 50):
        for number in range(size):
            await talked(house, f"c-{size}-{number}", house.clock.now, f"a-{number}", f"k-{number}")
        statements.clear()
        assert await house.worker.drain("default") == size
        counted.append(len(statements))
    assert counted == [12, 12]
    assert not [s for s in statements if "INTO scoring.due" in s or "SET campaign" in s]
