"""What measures are made of: sums of facts, each defined once, that rollups keep or that facts add up to one by one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Keeping(Enum):
    """Where a term is kept: counts by column, money by currency, tallies by the number of an outcome or an event's measure."""

    COUNTS = "counts"
    MONEY = "money"
    TALLY = "tally"


@dataclass(frozen=True, slots=True)
class Term:
    """A sum of facts. `counts_facts`: each fact adds a whole number of 0 or more, so that there are rows behind it."""

    name: str
    keeping: Keeping
    meaning: str
    tally: int = 0
    counts_facts: bool = True


_COUNTED = {
    "conversations": "conversations",
    "ended": "conversations that ended",
    "completed": "conversations that ended, were not abandoned and, if escalated, were resolved",
    "escalated": "conversations that were escalated",
    "conversions": "conversations that led to a success",
    "csat_n": "ratings",
    "response_n": "conversations with a measured response time",
    "positive": "conversations of positive sentiment",
    "neutral": "conversations of neutral sentiment",
    "negative": "conversations of negative sentiment",
    "booked": "appointments made",
    "kept": "appointments kept",
    "no_show": "appointments missed",
    "cancelled": "appointments cancelled",
}
_SUMMED = {
    "duration_ms": "milliseconds that conversations lasted",
    "csat_x100": "hundredths of ratings",
    "csat_x100_sq": "squares of those",
    "response_ms": "milliseconds of mean response times",
    "response_ms_sq": "squares of those",
}
_TALLIED = {
    "successes": (1, "facts that came out well"),
    "abandoned_conversations": (2, "conversations that were abandoned"),
    "unanswered_conversations": (3, "conversations that ended unanswered"),
    "unresolved_escalations": (4, "conversations that ended escalated and unresolved"),
    "failed_charges": (5, "charges that failed"),
    "missed_appointments": (6, "appointments missed"),
    "cancelled_appointments": (7, "appointments cancelled"),
    "abandoned_carts": (8, "carts given up, or not checked out within a day"),
    "overdue_follow_ups": (9, "follow-ups that were not done when they were due"),
    "widget_deployments": (20, "deployments of widgets"),
    "widget_customizations": (21, "changes to widgets"),
    "widget_impressions": (22, "impressions of widgets"),
    "widget_opens": (23, "openings of widgets"),
    "interactions": (30, "interactions across platforms"),
    "consents": (31, "interactions in which consent was given"),
    "risk_approvals": (40, "risk assessments that approved"),
    "risk_refusals": (41, "risk assessments that declined"),
    "risk_reviews": (42, "risk assessments that asked for a review"),
    "compliance_passes": (50, "compliance checks passed"),
    "compliance_failures": (51, "compliance checks failed"),
    "compliance_waivers": (52, "compliance checks waived"),
    "consultations": (60, "consultations"),
    "service_ups": (70, "reports that a service is up"),
    "service_degradations": (71, "reports that a service is degraded"),
    "service_downs": (72, "reports that a service is down"),
    "carts": (80, "carts started"),
    "follow_ups": (81, "follow-ups opened"),
    "agent_configurations": (90, "configurations of agents"),
    "agent_activations": (91, "reports that an agent is active"),
    "agent_pauses": (92, "reports that an agent is paused"),
    "agent_errors": (93, "reports that an agent is in error"),
    "agent_retirements": (94, "reports that an agent is retired"),
    "profiles": (95, "profiles of customers told"),
}

#: Every term by name. `reported_orders` are orders whose money can be told in the reporting currency.
TERMS: dict[str, Term] = {
    term.name: term
    for term in (
        *(Term(name, Keeping.COUNTS, meaning) for name, meaning in _COUNTED.items()),
        *(Term(name, Keeping.COUNTS, meaning, counts_facts=False) for name, meaning in _SUMMED.items()),
        Term("orders", Keeping.MONEY, "orders"),
        Term("reported_orders", Keeping.MONEY, "orders whose money can be told in the reporting currency"),
        Term("revenue", Keeping.MONEY, "money, in the reporting currency", counts_facts=False),
        *(Term(name, Keeping.TALLY, meaning, number) for name, (number, meaning) in _TALLIED.items()),
    )
}
