"""What happened with a customer, told in a few plain words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

#: contribution.kind, by what a fact is.
_CONVERSATION, _TRANSACTION, _BOOKING, _APPOINTMENT, _CART, _FOLLOW_UP_OPENED, _FOLLOW_UP, _EVENT, _CONSENT = range(1, 10)
_SUCCESS, _FAILED_CHARGE = 1, 5

#: What each is called, by the contract's numbers.
_PLATFORMS = {
    1: "WhatsApp", 2: "Instagram", 3: "Messenger", 4: "the web", 5: "SMS", 6: "the telephone", 7: "e-mail", 8: "Telegram",
    9: "another channel",
}  # fmt: skip
_SEGMENTS: dict[int | None, str] = {
    1: "a new customer", 2: "at risk", 3: "a high-value customer", 4: "a regular customer", 5: "an occasional customer",
}  # fmt: skip
_CONVERSATION_ENDS = {2: "abandoned", 3: "unanswered", 4: "escalated and unresolved"}
_APPOINTMENT_ENDS: dict[int | None, str] = {_SUCCESS: "kept", 6: "missed", 7: "cancelled"}
_CART_ENDS: dict[int | None, str] = {_SUCCESS: ", checked out", 8: ", abandoned"}
_MEASURES = {
    20: "Widget deployed", 21: "Widget changed", 22: "Widget shown", 23: "Widget opened",
    40: "Risk assessment approved", 41: "Risk assessment declined", 42: "Risk assessment to be reviewed",
    50: "Compliance check passed", 51: "Compliance check failed", 52: "Compliance check waived",
    60: "Consultation", 70: "Service up", 71: "Service degraded", 72: "Service down",
    90: "Agent configured", 91: "Agent active", 92: "Agent paused", 93: "Agent in error", 94: "Agent retired",
    95: "Profile told",
}  # fmt: skip
_INTERACTION = 30

#: ISO 4217's currencies that are not divided.
_UNDIVIDED = frozenset(
    {
        "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF",
    }
)  # fmt: skip
_DECIMALS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """A fact of a customer, or, of kind 0 and without an identity, the customer's going to a segment.

    `amount` is the money that counts; `told_amount` what a payment or cost says of itself, counted or not. `about` is the
    service of an appointment, what a follow-up asks for, what a check or consultation was about, or why the segment.
    """

    at: datetime
    kind: int
    fact_id: str
    agent_id: str
    platform: int
    outcome: int | None
    quantity: int | None
    measure: int | None
    csat_x100: int | None
    amount: Decimal | None
    currency: str | None
    is_refund: bool
    told_amount: Decimal | None
    told_currency: str | None
    about: str | None
    segment: int | None

    @property
    def key(self) -> tuple[datetime, int, str]:
        """Its place in a list, the newest first."""
        return self.at, self.kind, self.fact_id


def title(happening: Happening) -> str:
    """Return what happened in a few words."""
    if happening.kind == _CONVERSATION:
        return _conversation(happening)
    if happening.kind == _TRANSACTION:
        return _payment(happening)
    if happening.kind == _EVENT:
        return _event(happening)
    return _with(_step(happening), happening.about)


def told_money(amount: Decimal, currency: str) -> str:
    """Return an amount as it is, with thousands set apart and at least the usual two decimals of a divided currency."""
    exponent = amount.normalize().as_tuple().exponent
    needed = -exponent if isinstance(exponent, int) else 0
    return f"{amount:,.{max(needed, 0 if currency in _UNDIVIDED else _DECIMALS)}f} {currency}"


def _conversation(happening: Happening) -> str:
    told = "Conversation" + _on(happening.platform)
    if happening.csat_x100 is not None:
        told += f", rated {happening.csat_x100 / 100:g}"
    if happening.outcome in _CONVERSATION_ENDS:
        told += f", {_CONVERSATION_ENDS[happening.outcome]}"
    if happening.amount is not None and happening.currency:
        told += f", led to a purchase of {told_money(happening.amount, happening.currency)}"
    return told


def _payment(happening: Happening) -> str:
    what = "Refund" if happening.is_refund else "Charge"
    if happening.told_amount is not None and happening.told_currency:
        what += f" of {told_money(happening.told_amount, happening.told_currency)}"
    return f"{what} {'failed' if happening.outcome == _FAILED_CHARGE else 'settled'}"


def _event(happening: Happening) -> str:
    if happening.measure is None:
        money = (happening.told_amount, happening.told_currency)
        return f"Cost of {told_money(*money)}" if money[0] is not None and money[1] else "Cost"  # type: ignore[arg-type]  # seen
    if happening.measure == _INTERACTION:
        return _with("Interaction" + _on(happening.platform), happening.about)
    told = _MEASURES.get(happening.measure, "Event")
    if happening.quantity is not None and happening.quantity > 1:
        told += f" {happening.quantity:,} times"
    return _with(told, happening.about)


def _step(happening: Happening) -> str:
    """Return what became of an appointment, a cart, a follow-up, a consent or the customer's segment."""
    told = {
        _BOOKING: "Appointment booked",
        _APPOINTMENT: f"Appointment {_APPOINTMENT_ENDS.get(happening.outcome, 'over')}",
        _CART: f"Cart started{_CART_ENDS.get(happening.outcome, '')}",
        _FOLLOW_UP_OPENED: "Follow-up opened",
        _FOLLOW_UP: "Follow-up done" if happening.outcome == _SUCCESS else "Follow-up overdue",
        _CONSENT: "Consent given",
    }
    return told.get(happening.kind) or f"Became {_SEGMENTS.get(happening.segment, 'a customer')}"


def _on(platform: int) -> str:
    return f" on {_PLATFORMS[platform]}" if platform in _PLATFORMS else ""


def _with(told: str, about: str | None) -> str:
    return f"{told}: {about}" if about else told
