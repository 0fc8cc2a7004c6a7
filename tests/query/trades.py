"""A clinic, a shop and a bank, whose reports tests ask for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.fix_services import House
from tests.query.asking import day_start
from tests.scoring.telling import happened, talked

#: In the default window of 30 days, in the 30 days before, and in those before these.
DAY, BEFORE, LONG_BEFORE = day_start(3), day_start(40), day_start(70)


async def booked(house: House, appointment: str, at: datetime, status: str = "", agent: str = "clinic") -> None:
    """Book an appointment for the next day; with a status, say how it came out."""
    told = {"appointment_id": appointment, "scheduled_for": (at + timedelta(days=1)).isoformat()}
    await happened(house, "appointment", told | {"status": "APPOINTMENT_STATUS_BOOKED"}, at, agent=agent)
    if status:
        body = told | {"status": f"APPOINTMENT_STATUS_{status}"}
        await happened(house, "appointment", body, at + timedelta(days=1), agent=agent)


async def consulted(house: House, kind: str, at: datetime, **names: str) -> None:
    await happened(house, "consultation", {"kind": kind}, at, **names)


async def paid(house: House, charge: str, at: datetime, units: int, status: str = "SETTLED", **names: str) -> None:
    body = {"transaction_id": charge, "kind": "TRANSACTION_KIND_CHARGE", "status": f"TRANSACTION_STATUS_{status}"}
    amount = {"currency_code": "INR", "units": units}
    await happened(house, "transaction", body | {"amount": amount}, at, **names)


async def clinic(house: House) -> None:
    """An agent of the trade and one of another: appointments, ratings and consultations of both."""
    await happened(house, "agent_configured", {"industry": "Healthcare"}, LONG_BEFORE, agent="clinic")
    await happened(house, "agent_configured", {"industry": "retail"}, LONG_BEFORE, agent="shop")
    for number, status in enumerate(("COMPLETED", "COMPLETED", "COMPLETED", "NO_SHOW", "CANCELLED", "")):
        await booked(house, f"a{number}", DAY, status)
    await booked(house, "b1", BEFORE, "COMPLETED")
    await booked(house, "b2", BEFORE, "NO_SHOW")
    await booked(house, "s1", DAY, "NO_SHOW", agent="shop")
    for number, rating in enumerate((5, 4)):
        await talked(house, f"t{number}", DAY, "clinic", f"c{number}", customer_satisfaction_score=rating)
    # What a conversation tells of its trade comes before what its agent does.
    await talked(house, "other", DAY, "clinic", "c9", customer_satisfaction_score=1, industry="retail")
    await talked(house, "elsewhere", DAY, "shop", "c8", customer_satisfaction_score=3, industry="HEALTHCARE")
    for kind in ("allergy", "allergy", "Back pain"):
        await consulted(house, kind, DAY, agent="clinic")
    await consulted(house, "asthma", BEFORE, agent="clinic")
    await consulted(house, "shoes", DAY, agent="shop")
    await house.drain()


async def shop(house: House) -> None:
    """Ten conversations of the window; those before, and those before these, of customers who partly come back."""
    names: Any = {"industry": "retail"}
    bought = {"conversion_event": {"type": "purchase", "value": 100, "currency": "INR"}}
    lead = {"conversion_event": {"type": "lead"}}
    more: dict[int, Any] = {0: bought, 1: bought, 2: lead}
    for number in range(10):
        await talked(house, f"n{number}", DAY, "shop", f"c{number}", **names, **more.get(number, {}))
    # A charge speaks for the conversation that it names, a failed one and one of nobody for none.
    await paid(house, "p1", DAY, 300, conversation="n1")
    await paid(house, "p3", DAY, 500, conversation="n3")
    await paid(house, "p4", DAY, 999, "FAILED", conversation="n4")
    await talked(house, "b0", BEFORE, "shop", "c0", **names)
    await talked(house, "b1", BEFORE, "shop", "c1", **names, **bought)
    await talked(house, "b2", BEFORE, "shop", "gone", **names)
    await talked(house, "l1", LONG_BEFORE, "shop", "c1", **names)
    for number in range(4):
        body = {"cart_id": f"k{number}", "action": "CART_ACTION_CREATED"}
        await happened(house, "cart_activity", body, DAY, conversation="n5")
        done = "CART_ACTION_CHECKED_OUT" if number else "CART_ACTION_ABANDONED"
        await happened(house, "cart_activity", body | {"action": done}, DAY + timedelta(hours=1), conversation="n5")
    await house.drain()


async def bank(house: House, at: datetime, approvals: int) -> None:
    names = {"agent": "bank"}
    for outcome in ["APPROVED"] * approvals + ["DECLINED", "REVIEW"]:
        await happened(house, "risk_assessment", {"outcome": f"ASSESSMENT_OUTCOME_{outcome}"}, at, **names)
    for rule, result in (("kyc", "FAILED"), ("kyc", "FAILED"), ("aml", "FAILED"), ("aml", "PASSED"), ("aml", "WAIVED")):
        body = {"rule": rule, "result": f"COMPLIANCE_RESULT_{result}"}
        await happened(house, "compliance_check", body, at, **names)
    for kind in ("Investment plan", "investment", "mortgage"):
        await consulted(house, kind, at, **names)
