"""Every measure, defined once: what it is made of, in which unit, which direction is better, and when it is undefined.

A measure is made of terms: sums that rollups keep, or that facts add up to one by one (docs/numbers.md). The five answers,
QueryMetrics, the insights, docs/measures.md and the rows behind a number all stand on this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

from services.query.terms import TERMS, Keeping, Term

__all__ = ["MEASURES", "TERMS", "Keeping", "Measure", "Shape", "Term", "Unit"]


class Unit(IntEnum):
    """A measure's unit, by the contract's number."""

    COUNT = 1
    PERCENT = 2
    MILLISECONDS = 3
    SECONDS = 4
    MONEY = 5
    RATING = 6
    RATIO = 7


class Shape(Enum):
    """How a measure comes from its terms."""

    SUM = "sum"
    QUOTIENT = "quotient"
    PERCENTILE = "percentile"
    DISTINCT = "distinct"
    COST = "cost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A measure.

    A SUM adds the terms `of`. A QUOTIENT is `factor` times the sum of `of` by the sum of `per`; it is undefined where that is 0,
    and `squares` names the term of the squares of what is averaged, for its interval: whole numbers, one for each thing that
    `per` counts. Revenue has none: a conversation may have several payments. A PERCENTILE is the `percent` of a histogram, `of`
    being "response" or "duration". `direction` is 1 when more is better, -1 when less is, 0 when neither.
    """

    name: str
    description: str
    unit: Unit
    shape: Shape = Shape.SUM
    of: tuple[str, ...] = ()
    per: tuple[str, ...] = ()
    factor: float = 1.0
    squares: str = ""
    percent: int = 0
    direction: int = 0

    @property
    def is_rate(self) -> bool:
        """Whether it is the share of some things among others, so that Wilson's interval applies."""
        return self.shape is Shape.QUOTIENT and self.unit is Unit.PERCENT

    @property
    def has_rows(self) -> bool:
        """Whether it counts facts, so that there are rows behind it."""
        return self.shape is Shape.SUM and all(TERMS[term].counts_facts for term in self.of)


def _count(name: str, description: str, *of: str, direction: int = 0) -> Measure:
    return Measure(name=name, description=description, unit=Unit.COUNT, of=of, direction=direction)


def _rate(name: str, description: str, of: str, *per: str, direction: int) -> Measure:
    return Measure(
        name=name,
        description=description,
        unit=Unit.PERCENT,
        shape=Shape.QUOTIENT,
        of=(of,),
        per=per,
        factor=100.0,
        direction=direction,
    )


def _percentile(of: str, percent: int, description: str, *, unit: Unit, direction: int = 0) -> Measure:
    return Measure(
        name=f"{of}P{percent}".replace("response", "responseTime"),
        description=f"{description} that {percent} % of them do not exceed, within 2 %",
        unit=unit,
        shape=Shape.PERCENTILE,
        of=(of,),
        percent=percent,
        direction=direction,
        factor=0.001 if unit is Unit.SECONDS else 1.0,
    )


_MISSES = (
    "abandoned_conversations", "unanswered_conversations", "unresolved_escalations", "failed_charges", "missed_appointments",
    "cancelled_appointments", "abandoned_carts", "overdue_follow_ups",
)  # fmt: skip

_ALL = (
    _count("totalConversations", "Conversations that began in the window", "conversations"),
    _count("endedConversations", "Conversations that ended", "ended"),
    _count("completedConversations", "Conversations that ended, were not abandoned and, if escalated, were resolved", "completed",
           direction=1),
    _count("escalations", "Conversations that were escalated", "escalated", direction=-1),
    _count("conversionsGenerated", "Conversations that led to a success", "conversions", direction=1),
    _count("ratedConversations", "Conversations that were rated", "csat_n"),
    _count("measuredResponses", "Conversations with a measured response time", "response_n"),
    _count("positiveConversations", "Conversations of positive sentiment", "positive", direction=1),
    _count("neutralConversations", "Conversations of neutral sentiment", "neutral"),
    _count("negativeConversations", "Conversations of negative sentiment", "negative", direction=-1),
    Measure(
        name="distinctCustomers", description="Different customers of conversations", unit=Unit.COUNT, shape=Shape.DISTINCT,
    ),
    Measure(
        name="averageConversationDuration", description="Mean length of the conversations that ended", unit=Unit.SECONDS,
        shape=Shape.QUOTIENT, of=("duration_ms",), per=("ended",), factor=0.001,
    ),
    Measure(
        name="averageResponseTime", description="Mean of conversations' mean response times", unit=Unit.MILLISECONDS,
        shape=Shape.QUOTIENT, of=("response_ms",), per=("response_n",), squares="response_ms_sq", direction=-1,
    ),
    Measure(
        name="customerSatisfactionAvg", description="Mean rating", unit=Unit.RATING, shape=Shape.QUOTIENT,
        of=("csat_x100",), per=("csat_n",), factor=0.01, squares="csat_x100_sq", direction=1,
    ),
    *(
        _percentile("response", percent, "Response time of conversations", unit=Unit.MILLISECONDS, direction=-1)
        for percent in (50, 90, 99)
    ),
    *(_percentile("duration", percent, "Length of ended conversations", unit=Unit.SECONDS) for percent in (50, 90, 99)),
    _rate("conversationCompletionRate", "Completed conversations among those that ended", "completed", "ended", direction=1),
    _rate("escalationRate", "Escalated conversations among all", "escalated", "conversations", direction=-1),
    _rate("conversionRate", "Conversations that led to a success among all", "conversions", "conversations", direction=1),
    _rate("abandonmentRate", "Abandoned conversations among all", "abandoned_conversations", "conversations", direction=-1),
    _rate("positiveShare", "Positive sentiment among all assessed", "positive", "positive", "neutral", "negative", direction=1),
    _rate("negativeShare", "Negative sentiment among all assessed", "negative", "positive", "neutral", "negative", direction=-1),
    Measure(
        name="totalRevenue", description="Settled payments less refunds, and purchases told by conversations without payments",
        unit=Unit.MONEY, of=("revenue",), direction=1,
    ),
    _count("orders", "Settled charges, and purchases told by conversations without charges", "orders", direction=1),
    Measure(
        name="averageOrderValue", description="Revenue per order, of the orders that can be told in the reporting currency",
        unit=Unit.MONEY, shape=Shape.QUOTIENT, of=("revenue",), per=("reported_orders",), direction=1,
    ),
    Measure(
        name="revenuePerConversation", description="Revenue per conversation", unit=Unit.MONEY, shape=Shape.QUOTIENT,
        of=("revenue",), per=("conversations",), direction=1,
    ),
    Measure(name="totalCost", description="Costs, by the share of their periods' days that fall in the window", unit=Unit.MONEY,
            shape=Shape.COST, direction=-1),
    _count("appointmentsBooked", "Appointments made in the window", "booked", direction=1),
    _count("appointmentsKept", "Appointments due in the window that were kept", "kept", direction=1),
    _count("noShows", "Appointments due in the window that were missed", "no_show", direction=-1),
    _count("cancellations", "Appointments due in the window that were cancelled", "cancelled", direction=-1),
    _rate("appointmentCompletionRate", "Kept appointments among those kept or missed", "kept", "kept", "no_show", direction=1),
    _rate("noShowRate", "Missed appointments among those kept or missed", "no_show", "kept", "no_show", direction=-1),
    _count("successes", "Facts that came out well: completed conversations, settled charges, kept appointments, carts checked "
           "out, follow-ups done", "successes", direction=1),
    _count("misses", "Facts that came out badly, of every kind", *_MISSES, direction=-1),
    _count("abandonedConversations", "Conversations that were abandoned", "abandoned_conversations", direction=-1),
    _count("unansweredConversations", "Conversations that ended without an answer", "unanswered_conversations", direction=-1),
    _count("unresolvedEscalations", "Conversations that ended escalated and unresolved", "unresolved_escalations", direction=-1),
    _count("failedCharges", "Charges that failed", "failed_charges", direction=-1),
    _count("abandonedCarts", "Carts started in the window that were given up, or not checked out within a day of their last "
           "change", "abandoned_carts", direction=-1),
    _count("overdueFollowUps", "Follow-ups due in the window that were not done", "overdue_follow_ups", direction=-1),
    _count("cartsStarted", "Carts started", "carts"),
    _rate("cartAbandonmentRate", "Abandoned carts among those started", "abandoned_carts", "carts", direction=-1),
    _count("followUpsOpened", "Follow-ups opened", "follow_ups"),
    _count("widgetDeployments", "Widgets deployed", "widget_deployments"),
    _count("widgetCustomizations", "Widgets changed", "widget_customizations"),
    _count("widgetImpressions", "Widgets shown", "widget_impressions"),
    _count("widgetOpens", "Widgets opened", "widget_opens", direction=1),
    Measure(
        name="widgetOpenRate", description="Openings of widgets per 100 impressions", unit=Unit.RATIO, shape=Shape.QUOTIENT,
        of=("widget_opens",), per=("widget_impressions",), factor=100.0, direction=1,
    ),
    _count("interactions", "Touches across platforms", "interactions"),
    _count("consents", "Touches in which consent was given", "consents", direction=1),
    _count("riskApprovals", "Risk assessments that approved", "risk_approvals"),
    _count("riskRefusals", "Risk assessments that declined", "risk_refusals"),
    _count("riskReviews", "Risk assessments that asked for a review", "risk_reviews"),
    _rate("riskApprovalRate", "Approvals among risk assessments", "risk_approvals", "risk_approvals", "risk_refusals",
          "risk_reviews", direction=0),
    _count("compliancePasses", "Compliance checks passed", "compliance_passes", direction=1),
    _count("complianceFailures", "Compliance checks failed", "compliance_failures", direction=-1),
    _count("complianceWaivers", "Compliance checks waived", "compliance_waivers"),
    _rate("compliancePassRate", "Passed compliance checks among those passed or failed", "compliance_passes", "compliance_passes",
          "compliance_failures", direction=1),
    _count("consultations", "Consultations", "consultations"),
    _count("serviceUps", "Reports that a service is up", "service_ups"),
    _count("serviceDegradations", "Reports that a service is degraded", "service_degradations", direction=-1),
    _count("serviceDowns", "Reports that a service is down", "service_downs", direction=-1),
    _count("agentConfigurations", "Agents created or changed", "agent_configurations"),
    _count("agentActivations", "Reports that an agent is active", "agent_activations"),
    _count("agentPauses", "Reports that an agent is paused", "agent_pauses"),
    _count("agentErrors", "Reports that an agent is in error", "agent_errors", direction=-1),
    _count("agentRetirements", "Reports that an agent is retired", "agent_retirements"),
    _count("profilesTold", "Profiles of customers told", "profiles"),
)  # fmt: skip

#: Every measure by name.
MEASURES: dict[str, Measure] = {measure.name: measure for measure in _ALL}
