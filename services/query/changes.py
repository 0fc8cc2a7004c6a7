"""What changed between a period and the one before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.query.performance import Figures

#: Every measure compared, by its JSON name: 1 when more of it is better, -1 when less is, 0 when neither.
DIRECTION = {
    "score": 1,
    "totalConversations": 0,
    "distinctCustomers": 0,
    "averageConversationDuration": 0,
    "averageResponseTime": -1,
    "conversationCompletionRate": 1,
    "customerSatisfactionAvg": 1,
    "escalationRate": -1,
    "totalRevenue": 1,
    "conversionsGenerated": 1,
    "conversionRate": 1,
    "averageOrderValue": 1,
    "revenuePerConversation": 1,
    "orders": 1,
    "appointmentsBooked": 1,
    "appointmentCompletionRate": 1,
    "noShowRate": -1,
}


@dataclass(frozen=True, slots=True)
class Change:
    """A measure now and before; what is undefined is None. `relative` is in percent of the value before."""

    measure: str
    previous: float | None
    current: float | None
    difference: float | None
    relative: float | None
    better: bool | None


def measures(figures: Figures, distinct_customers: int, score: float | None) -> dict[str, float | None]:
    """Return an agent's measures by JSON name."""
    return {
        "score": score,
        "totalConversations": figures.total_conversations,
        "distinctCustomers": distinct_customers,
        "averageConversationDuration": figures.average_conversation_duration_s,
        "averageResponseTime": figures.average_response_time_ms,
        "conversationCompletionRate": figures.conversation_completion_rate,
        "customerSatisfactionAvg": figures.customer_satisfaction_avg,
        "escalationRate": figures.escalation_rate,
        "totalRevenue": float(figures.total_revenue),
        "conversionsGenerated": figures.conversions_generated,
        "conversionRate": figures.conversion_rate,
        "averageOrderValue": None if figures.average_order_value is None else float(figures.average_order_value),
        "revenuePerConversation": None if figures.revenue_per_conversation is None else float(figures.revenue_per_conversation),
        "orders": figures.orders,
        "appointmentsBooked": figures.appointments_booked,
        "appointmentCompletionRate": figures.appointment_completion_rate,
        "noShowRate": figures.no_show_rate,
    }


def changes(current: Mapping[str, float | None], previous: Mapping[str, float | None]) -> list[Change]:
    """Return one change per measure of DIRECTION: the largest relative change first, those without one last."""
    found = [_change(measure, previous.get(measure), current.get(measure)) for measure in DIRECTION]
    return sorted(found, key=lambda change: -1.0 if change.relative is None else abs(change.relative), reverse=True)


def _change(measure: str, previous: float | None, current: float | None) -> Change:
    if previous is None or current is None:
        return Change(measure, previous, current, None, None, None)
    difference = current - previous
    relative = 100 * difference / abs(previous) if previous else None
    direction = DIRECTION[measure] * difference
    return Change(measure, previous, current, difference, relative, direction > 0 if direction else None)
