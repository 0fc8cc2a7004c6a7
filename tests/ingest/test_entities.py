"""Entities folded from their events, in whatever order these came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

from services.ingest import entities
from services.ingest.facts import Event

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def event(hours: float, event_id: str = "e", *, agent: str | None = None, conversation: str | None = None, **body: Any) -> Event:
    return Event(
        source=1,
        event_id=event_id,
        kind=12,
        occurred_at=NOON + timedelta(hours=hours),
        agent_id=agent,
        customer_id=None,
        conversation_id=conversation,
        entity_kind=2,
        entity_id="x",
        body=body,
    )


def payment(hours: float, status: int, event_id: str = "e") -> Event:
    return event(hours, event_id, kind=1, status=status, amount="12.50", currency="EUR")


def test_a_transaction_is_the_same_whatever_the_order() -> None:
    states = [payment(0, 1), payment(1, 2), payment(2, 3), payment(3, 2), payment(4, 2)]
    folded = [entities.transaction(entities.in_order(order)) for order in permutations(states)]
    assert all(f == folded[0] for f in folded)
    assert folded[0]["status"] == 2
    assert folded[0]["settled_at"] == NOON + timedelta(hours=3)  # since then it has stayed settled
    assert folded[0]["amount"] == Decimal("12.50")


def test_a_transaction_that_went_back_is_not_settled() -> None:
    assert entities.transaction([payment(0, 2), payment(1, 3)])["settled_at"] is None


def test_the_kind_that_was_told_first_stays() -> None:
    refund = event(1, kind=2, status=2, amount="12.50", currency="EUR")
    assert entities.transaction([payment(0, 2), refund])["kind"] == 1


def test_equal_times_go_by_event_id() -> None:
    states = entities.in_order([payment(0, 3, "b"), payment(0, 2, "a")])
    assert entities.transaction(states)["status"] == 3


def test_an_appointment_keeps_its_first_booking_and_what_was_told_last() -> None:
    folded = entities.appointment(
        [
            event(0, status=1, service="check-up", scheduled_for="2026-05-02T10:00:00Z"),
            event(1, status=2, scheduled_for="2026-05-03T10:00:00Z", agent="a-1"),
            event(2, status=1),
            event(3, status=5, conversation="c-1"),
        ]
    )
    assert folded == {
        "agent_id": "a-1",
        "customer_id": None,
        "conversation_id": "c-1",
        "status": 5,
        "booked_at": NOON,
        "scheduled_for": "2026-05-03T10:00:00Z",
        "status_at": NOON + timedelta(hours=3),
        "service": "check-up",
        "reschedules": 1,
    }


def test_completed_after_a_no_show_is_completed_and_the_other_way_round() -> None:
    came, missed = event(1, "came", status=3), event(2, "missed", status=5)
    assert entities.appointment([came, missed])["status"] == 5
    later = event(3, "came after all", status=3)
    assert [entities.appointment(entities.in_order(o))["status"] for o in permutations([came, missed, later])] == [3] * 6


def test_a_charge_is_failed_since_it_failed_and_stayed_so() -> None:
    states = [payment(0, 3), payment(1, 2), payment(2, 3), payment(3, 3)]
    folded = entities.transaction(states)
    assert (folded["status"], folded["failed_at"], folded["settled_at"]) == (3, NOON + timedelta(hours=2), None)
    settled = entities.transaction([*states, payment(4, 2)])
    assert (settled["failed_at"], settled["settled_at"]) == (None, NOON + timedelta(hours=4))


def test_a_cart_is_what_was_done_with_it_last_and_keeps_what_was_told() -> None:
    states = [
        event(0, action=1, conversation="c-1"),
        event(1, action=2, value="30", currency="EUR", agent="a-1"),
        event(2, action=2, value="0", currency="USD"),
        event(3, action=3),
    ]
    for order in permutations(states):
        assert entities.cart(entities.in_order(order)) == {
            "agent_id": "a-1",
            "customer_id": None,
            "conversation_id": "c-1",
            "status": 3,
            "value": "0",
            "currency": "USD",
            "created_at": NOON,
            "changed_at": NOON + timedelta(hours=3),
        }
    assert entities.cart([*states, event(4, action=2)])["status"] == 2  # it went back: open again
    assert entities.cart(states[:1])["value"] is None


def test_a_follow_up_keeps_what_was_told_and_since_when_it_has_its_state() -> None:
    states = [
        event(0, status=1, action="call back", due="2026-05-03T10:00:00Z", assignee="Ada"),
        event(1, status=2),
        event(2, status=1, due="2026-05-04T10:00:00Z"),
        event(3, status=1, assignee="Bo", conversation="c-1"),
    ]
    for order in permutations(states):
        assert entities.follow_up(entities.in_order(order)) == {
            "agent_id": None,
            "customer_id": None,
            "conversation_id": "c-1",
            "action": "call back",
            "due": "2026-05-04T10:00:00Z",
            "assignee": "Bo",
            "status": 1,
            "opened_at": NOON,
            "status_at": NOON + timedelta(hours=2),
        }


def test_a_profile_is_replaced_field_by_field() -> None:
    folded = entities.customer([event(0, name="Ada", phone="1"), event(1, name="Ada L.", timezone="UTC")])
    assert folded == {"name": "Ada L.", "phone": "1", "email": None, "preferred_platform": None, "time_zone": "UTC"}


def test_an_agent_has_its_last_configuration_whole_and_its_last_state() -> None:
    folded = entities.agent(
        [event(0, name="Bot", industry="retail"), event(1, status=2), event(2, name="Bot 2"), event(3, status=2)]
    )
    assert (folded["name"], folded["industry"], folded["state"]) == ("Bot 2", None, 2)
    assert folded["state_since"] == NOON + timedelta(hours=1)
