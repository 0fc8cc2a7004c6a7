"""What the events of one agent, customer, appointment, transaction, cart or follow-up amount to, in whatever order they came.

Every function takes all stored events of one entity, puts them in order of `occurred_at`, then `event_id`, and returns the
entity's columns: the same set of events always gives the same entity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from services.ingest.facts import Entity, Event

_BOOKED, _RESCHEDULED = 1, 2
_SETTLED, _FAILED = 2, 3


def in_order(events: Iterable[Event]) -> list[Event]:
    """Return events as they happened."""
    return sorted(events, key=lambda e: (e.occurred_at, e.event_id, e.source))


def last_told(events: Sequence[Event], name: str) -> Any:
    """Return the last value that is not empty of an event's own column or, failing that, of its body; None without one."""
    values = (getattr(e, name, None) or e.body.get(name) for e in reversed(events))
    return next((v for v in values if v), None)


def since(events: Sequence[Event], states: Sequence[int], state: int) -> Any:
    """Return when the run of `state` that ends the sequence began; None when it does not end in `state`."""
    began = None
    for event, current in zip(events, states, strict=True):
        began = (began or event.occurred_at) if current == state else None
    return began


def agent(events: Sequence[Event]) -> dict[str, Any]:
    """Return an agent: its last configuration whole, and its last state."""
    configured = [e.body for e in events if "status" not in e.body]
    states = [e for e in events if "status" in e.body]
    last = configured[-1] if configured else {}
    return {
        "name": last.get("name"),
        "industry": last.get("industry"),
        "platforms": last.get("platforms"),
        "languages": last.get("languages"),
        "template": last.get("template"),
        "state": states[-1].body["status"] if states else None,
        "state_since": since(states, [e.body["status"] for e in states], states[-1].body["status"]) if states else None,
    }


def customer(events: Sequence[Event]) -> dict[str, Any]:
    """Return a customer's profile: of each field the last value told."""
    return {column: last_told(events, field) for column, field in _PROFILE.items()}


_PROFILE = {
    "name": "name",
    "phone": "phone",
    "email": "email",
    "preferred_platform": "preferred_platform",
    "time_zone": "timezone",
}


def appointment(events: Sequence[Event]) -> dict[str, Any]:
    """Return an appointment: its last state, whom it concerns, when it was booked first, and how often it was moved."""
    states = [e.body["status"] for e in events]
    booked = [e.occurred_at for e in events if e.body["status"] == _BOOKED]
    return _concerns(events) | {
        "status": states[-1],
        "booked_at": booked[0] if booked else None,
        "scheduled_for": last_told(events, "scheduled_for"),
        "status_at": since(events, states, states[-1]),
        "service": last_told(events, "service"),
        "reschedules": states.count(_RESCHEDULED),
    }


def transaction(events: Sequence[Event]) -> dict[str, Any]:
    """Return a transaction: its last state, its first kind, whom it concerns, and since when it has been settled or failed."""
    states = [e.body["status"] for e in events]
    last = events[-1].body
    return _concerns(events) | {
        "kind": events[0].body["kind"],
        "status": states[-1],
        "amount": Decimal(last["amount"]),
        "currency": last["currency"],
        "original_transaction_id": last_told(events, "original_transaction_id"),
        "settled_at": since(events, states, _SETTLED),
        "failed_at": since(events, states, _FAILED),
    }


def cart(events: Sequence[Event]) -> dict[str, Any]:
    """Return a cart: what was done with it last, its value as last told, whom it concerns, and its first and last change."""
    valued = [e.body for e in events if "value" in e.body]
    last = valued[-1] if valued else {}
    return _concerns(events) | {
        "status": events[-1].body["action"],
        "value": last.get("value"),
        "currency": last.get("currency"),
        "created_at": events[0].occurred_at,
        "changed_at": events[-1].occurred_at,
    }


def follow_up(events: Sequence[Event]) -> dict[str, Any]:
    """Return a follow-up: its last state, what was told last of what is to be done, and when it was heard of first."""
    states = [e.body["status"] for e in events]
    told = {name: last_told(events, name) for name in ("action", "due", "assignee")}
    began = {"opened_at": events[0].occurred_at, "status_at": since(events, states, states[-1])}
    return _concerns(events) | told | began | {"status": states[-1]}


def _concerns(events: Sequence[Event]) -> dict[str, Any]:
    return {name: last_told(events, name) for name in ("agent_id", "customer_id", "conversation_id")}


#: How the events of each kind of entity are folded.
FOLD: dict[Entity, Callable[[Sequence[Event]], dict[str, Any]]] = {
    Entity.AGENT: agent,
    Entity.CUSTOMER: customer,
    Entity.APPOINTMENT: appointment,
    Entity.TRANSACTION: transaction,
    Entity.CART: cart,
    Entity.FOLLOW_UP: follow_up,
}
