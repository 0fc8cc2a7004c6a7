"""How single facts come out, and what events count in: the rules of docs/numbers.md one by one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rapport.insight.v1 import event_pb2

from services.scoring.measures import Kind, Measure, Outcome
from tests.scoring.oracle import expiring, occurrences
from tests.scoring.oracle.contributions import (
    Belonging,
    ConversationFact,
    TransactionFact,
    of_conversation,
    of_transaction,
)
from tests.scoring.oracle.expiring import CartFact, FollowUpFact
from tests.scoring.oracle.occurrences import EventFact, of_event

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ABANDONED, RESOLVED, TRANSFERRED = 2, 1, 3


def day_of(moment: datetime) -> date:
    return moment.astimezone(ZoneInfo("Asia/Kathmandu")).date()


def conversation(**more: Any) -> ConversationFact:
    told = dict.fromkeys(ConversationFact.__slots__) | {
        "conversation_id": "c", "agent_id": "a", "customer_id": "k", "platform": 1, "start_time": NOON, "end_time": NOON + HOUR,
        "customer_messages": 2, "agent_responses": 2, "is_paid_for": False,
    }  # fmt: skip
    return ConversationFact(**(told | more))  # type: ignore[arg-type]  # columns by name


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        ({}, Outcome.SUCCESS),
        ({"end_time": None}, None),
        ({"end_time": None, "escalated": True, "agent_responses": 0}, None),
        ({"resolution": ABANDONED}, Outcome.ABANDONED_CONVERSATION),
        ({"resolution": ABANDONED, "end_time": None}, Outcome.ABANDONED_CONVERSATION),
        ({"resolution": ABANDONED, "agent_responses": 0, "escalated": True}, Outcome.ABANDONED_CONVERSATION),
        ({"agent_responses": 0}, Outcome.UNANSWERED_CONVERSATION),
        ({"agent_responses": 0, "escalated": True}, Outcome.UNANSWERED_CONVERSATION),
        ({"agent_responses": 0, "customer_messages": 0}, Outcome.SUCCESS),
        ({"escalated": True}, Outcome.UNRESOLVED_ESCALATION),
        ({"escalated": True, "resolution": TRANSFERRED}, Outcome.UNRESOLVED_ESCALATION),
        ({"escalated": True, "resolution": RESOLVED}, Outcome.SUCCESS),
        ({"escalated": True, "escalation_resolved_by": "lead"}, Outcome.SUCCESS),
        ({"escalated": False}, Outcome.SUCCESS),
    ],
)
def test_a_conversation_comes_out_as_the_first_that_fits(told: dict[str, Any], outcome: Outcome | None) -> None:
    assert of_conversation(conversation(**told), day_of).outcome == outcome


def transaction(kind: int, status: int) -> TransactionFact:
    return TransactionFact(
        transaction_id="t",
        kind=kind,
        status=status,
        amount=Decimal(5),
        currency="EUR",
        settled_at=NOON if status == 2 else None,
        failed_at=NOON + HOUR if status == 3 else None,
        agent_id=None,
        customer_id="k",
        link=None,
        touch=Belonging("a", 4, "k"),
    )


def test_a_failed_charge_is_a_miss_without_money_where_a_settled_one_would_stand() -> None:
    settled, failed = of_transaction(transaction(1, 2), day_of), of_transaction(transaction(1, 3), day_of)
    assert settled is not None
    assert failed is not None
    assert (settled.outcome, settled.orders, settled.amount) == (Outcome.SUCCESS, 1, Decimal(5))
    assert (failed.outcome, failed.orders, failed.amount, failed.currency) == (Outcome.FAILED_CHARGE, 0, None, None)
    assert (failed.agent_id, failed.platform, failed.customer_id, failed.at) == ("a", 4, "k", NOON + HOUR)
    assert of_transaction(transaction(1, 1), day_of) is None


def test_a_refund_has_no_outcome() -> None:
    refund = of_transaction(transaction(2, 2), day_of)
    assert refund is not None
    assert (refund.outcome, refund.amount) == (None, Decimal(-5))
    assert of_transaction(transaction(2, 3), day_of) is None


def cart(status: int) -> CartFact:
    return CartFact(
        cart_id="k", status=status, created_at=NOON, changed_at=NOON + HOUR, agent_id="a", customer_id=None, link=None
    )


@pytest.mark.parametrize(
    ("status", "after", "outcome", "due_after"),
    [
        (1, 24.9, None, 25),
        (2, 24.9, None, 25),
        (2, 25, Outcome.ABANDONED_CART, None),
        (3, 2, Outcome.SUCCESS, None),
        (3, 100, Outcome.SUCCESS, None),
        (4, 2, Outcome.ABANDONED_CART, None),
    ],
)
def test_a_cart_times_out_a_day_after_its_last_change(
    status: int, after: float, outcome: Outcome | None, due_after: float | None
) -> None:
    now = NOON + after * HOUR
    counted = expiring.of_cart(cart(status), day_of, now)
    assert (counted.measure, counted.quantity, counted.outcome, counted.at) == (Measure.CART_STARTED, 1, outcome, NOON)
    assert expiring.due_of(cart(status), now) == (None if due_after is None else NOON + due_after * HOUR)


@pytest.mark.parametrize(
    ("status", "due", "after", "outcome", "at"),
    [
        (1, 3, 2.9, None, None),
        (1, 3, 3, Outcome.OVERDUE_FOLLOW_UP, 3),
        (1, None, 1000, None, None),
        (2, 3, 1, Outcome.SUCCESS, 3),
        (2, None, 1, Outcome.SUCCESS, 0),
        (3, 3, 100, None, None),
    ],
)
def test_a_follow_up_comes_out_where_it_was_due(
    status: int, due: float | None, after: float, outcome: Outcome | None, at: float | None
) -> None:
    moment = None if due is None else NOON + due * HOUR
    fact = FollowUpFact(follow_up_id="f", status=status, due=moment, opened_at=NOON, agent_id=None, customer_id="k", link=None)
    opened, *rest = expiring.of_follow_up(fact, day_of, NOON + after * HOUR)
    assert (opened.kind, opened.measure, opened.quantity, opened.at) == (Kind.FOLLOW_UP_OPENED, Measure.FOLLOW_UP_OPENED, 1, NOON)
    assert [(c.kind, c.outcome, c.at) for c in rest] == ([] if at is None else [(Kind.FOLLOW_UP, outcome, NOON + at * HOUR)])
    open_still = status == 1 and moment is not None and outcome is None
    assert expiring.due_of(fact, NOON + after * HOUR) == (moment if open_still else None)


def occurrence(kind: int, **more: Any) -> EventFact:
    told = dict.fromkeys(EventFact.__slots__) | {"source": 7, "event_id": "e/1", "kind": kind, "occurred_at": NOON}
    return EventFact(**(told | more))  # type: ignore[arg-type]  # columns by name


#: The kinds of events that stand for themselves, with the enumeration that tells them apart.
TOLD = {
    10: None, 14: event_pb2.WidgetAction, 15: event_pb2.AgentState, 16: None, 19: event_pb2.AssessmentOutcome,
    20: event_pb2.ComplianceResult, 21: None, 22: event_pb2.HealthState, 23: None,
}  # fmt: skip


def test_every_kind_of_event_counts_in_a_measure_of_its_own() -> None:
    bodies = {f.number for f in event_pb2.SyncEvent.DESCRIPTOR.oneofs_by_name["body"].fields}
    assert bodies == {*TOLD, 11, 12, 13, 17, 18}  # appointments, transactions, costs, carts, follow-ups
    measures = [
        counted.measure
        for kind, told in TOLD.items()
        for number in ([None] if told is None else [v for v in told.values() if v])
        for counted in of_event(occurrence(kind, told=number), day_of)
    ]
    assert len(set(measures)) == len(measures)
    others = {Measure.CONSENT, Measure.CART_STARTED, Measure.FOLLOW_UP_OPENED}
    assert set(measures) == set(Measure) - others
    assert not set(Measure) & set(map(int, Outcome))


def test_a_widget_counts_as_often_as_it_says() -> None:
    once, often = (next(of_event(occurrence(14, told=3, times=times), day_of)) for times in (None, 1_000_000))
    assert (once.measure, once.quantity, often.quantity) == (Measure.WIDGET_IMPRESSION, 1, 1_000_000)
    assert once.fact_id == "7/e/1"
    assert occurrences.identity_of(once.fact_id) == (7, "e/1")


def test_an_interaction_stands_on_its_own_platform_and_counts_consent_apart() -> None:
    link = Belonging("a", 4, "k")
    met, agreed = of_event(occurrence(16, platform=2, consent=True, campaign="spring", link=link), day_of)
    assert (met.measure, met.agent_id, met.platform, met.customer_id, met.campaign) == (
        Measure.INTERACTION,
        "a",
        2,
        "k",
        "spring",
    )
    assert (agreed.measure, agreed.quantity, agreed.platform, agreed.kind) == (Measure.CONSENT, 1, 2, Kind.CONSENT)
    assert len(list(of_event(occurrence(16, platform=2, consent=False), day_of))) == 1


def test_an_event_belongs_to_what_it_names_before_its_conversation() -> None:
    link = Belonging("a", 4, "k")
    assert next(of_event(occurrence(21, link=link), day_of)).platform == 4
    own = next(of_event(occurrence(21, agent_id="b", customer_id="m", link=link), day_of))
    assert (own.agent_id, own.platform, own.customer_id) == ("b", 4, "m")
    assert next(of_event(occurrence(21), day_of)).agent_id == ""


def cost(start: str | None, end: str | None) -> tuple[str, str]:
    told = {"category": 4, "amount": Decimal("1.50"), "currency": "EUR"}
    period = {"period_start": start and datetime.fromisoformat(start), "period_end": end and datetime.fromisoformat(end)}
    (counted,) = of_event(occurrence(13, **told, **period), day_of)
    assert (counted.cost, counted.amount, counted.measure, counted.outcome) == (Decimal("1.50"), None, None, None)
    return counted.day.isoformat(), str(counted.end_day)


def test_a_cost_is_for_the_days_of_the_tenant_that_its_period_touches() -> None:
    """Kathmandu is 5:45 ahead of UTC."""
    assert cost("2026-05-01T18:15:00Z", "2026-05-31T18:15:00Z") == ("2026-05-02", "2026-06-01")
    assert cost("2026-05-01T18:15:00Z", "2026-05-31T18:15:00.000001Z") == ("2026-05-02", "2026-06-02")
    assert cost("2026-05-01T18:14:59Z", "2026-05-01T18:15:00Z") == ("2026-05-01", "2026-05-02")
    assert cost("2026-05-01T18:15:00Z", "2026-05-01T18:15:00Z") == ("2026-05-02", "2026-05-03")  # less than a microsecond
    assert cost(None, None) == ("2026-05-01", "2026-05-02")
