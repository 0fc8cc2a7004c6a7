"""The rules that every tenant begins with. Descriptions say what an alert means, and what to look at first."""

from __future__ import annotations

from services.alerting.conditions import Absence, Change, Target
from services.alerting.matchers import Matcher
from services.alerting.rules import AlertType, Comparison, NoData, Rule, Severity, SubjectKind

_DAY_S = 24 * 60 * 60

_FIRST = (
    Rule(
        rule_id="agent-response-time",
        type=AlertType.PERFORMANCE,
        severity=Severity.MEDIUM,
        subject_kind=SubjectKind.AGENT,
        measure="averageResponseTime",
        comparison=Comparison.ABOVE,
        fire_at=30_000.0,
        message="Agent response time above threshold",
        description="Customers wait long for this agent's answers. See whether it has trouble or too much to do: "
        "rapport performance AGENT --days 1.",
    ),
    Rule(
        rule_id="customer-satisfaction",
        type=AlertType.SATISFACTION,
        severity=Severity.HIGH,
        subject_kind=SubjectKind.CUSTOMER,
        measure="latestSatisfaction",
        comparison=Comparison.BELOW,
        fire_at=3.0,
        message="Customer satisfaction below 3.0",
        description="A customer is disappointed and may leave. Read what happened, then get in touch: rapport timeline CUSTOMER.",
    ),
)

#: What changed against the weeks before, and what should have come by now.
_SECOND = (
    Rule(
        rule_id="satisfaction-drop",
        type=AlertType.SATISFACTION,
        severity=Severity.MEDIUM,
        subject_kind=SubjectKind.TENANT,
        measure="customerSatisfactionAvg",
        condition=Change(),
        comparison=Comparison.BELOW,
        fire_at=-15.0,
        clear_at=-10.0,
        window_s=7 * _DAY_S,
        min_samples=20,
        message="Mean rating of the last 7 days is more than 15 % below that of the 4 weeks before",
        description="Customers are less content than in the weeks before. See what explains it: "
        "rapport insights customerSatisfactionAvg --days 7.",
    ),
    # Of many agents some are low by chance: with 30 ratings of a spread of 1 about 4, one in ten thousand looks.
    Rule(
        rule_id="agent-satisfaction-drop",
        type=AlertType.SATISFACTION,
        severity=Severity.MEDIUM,
        subject_kind=SubjectKind.AGENT,
        measure="customerSatisfactionAvg",
        condition=Change(),
        comparison=Comparison.BELOW,
        fire_at=-20.0,
        clear_at=-15.0,
        window_s=7 * _DAY_S,
        min_samples=30,
        message="Agent's mean rating of the last 7 days is more than 20 % below that of the 4 weeks before",
        description="This agent's customers are less content than in the weeks before. Read its worst conversations: "
        "rapport conversations --where agent=AGENT --rated-at-most 2 --days 7.",
    ),
    Rule(
        rule_id="conversion-rate-drop",
        type=AlertType.PERFORMANCE,
        severity=Severity.MEDIUM,
        subject_kind=SubjectKind.TENANT,
        measure="conversionRate",
        condition=Change(),
        comparison=Comparison.BELOW,
        fire_at=-30.0,
        clear_at=-20.0,
        window_s=7 * _DAY_S,
        min_samples=50,
        message="Conversion rate of the last 7 days is more than 30 % below that of the 4 weeks before",
        description="Fewer conversations lead to a success than in the weeks before. See with which agents: "
        "rapport metrics conversionRate --by agent --days 7 --compare.",
    ),
    Rule(
        rule_id="revenue-behind-target",
        type=AlertType.REVENUE,
        severity=Severity.HIGH,
        subject_kind=SubjectKind.TENANT,
        measure="totalRevenue",
        condition=Target(),
        comparison=Comparison.BELOW,
        fire_at=90.0,
        clear_at=95.0,
        for_s=60 * 60,
        message="Revenue of this month is below 90 % of where its target says it should be by now",
        description="At this pace the month misses its target. First see whether payments still come in: rapport sync. "
        "Then which days fell short: rapport metrics totalRevenue --per day.",
    ),
    Rule(
        rule_id="agent-revenue-behind-target",
        type=AlertType.REVENUE,
        severity=Severity.MEDIUM,
        subject_kind=SubjectKind.AGENT,
        measure="totalRevenue",
        condition=Target(),
        comparison=Comparison.BELOW,
        fire_at=90.0,
        clear_at=95.0,
        for_s=60 * 60,
        message="Agent's revenue of this month is below 90 % of where its target says it should be by now",
        description="At this pace the agent misses the month's target. See what is less than before: rapport performance AGENT.",
    ),
    Rule(
        rule_id="agent-grade-d",
        type=AlertType.PERFORMANCE,
        severity=Severity.HIGH,
        subject_kind=SubjectKind.AGENT,
        measure="grade",
        comparison=Comparison.BELOW,
        fire_at=2.0,
        message="Agent has grade D over the last 30 days",
        description="The agent's work of the last 30 days has the lowest grade. See which part of it is to blame: "
        "rapport performance AGENT.",
    ),
    Rule(
        rule_id="follow-up-overdue",
        type=AlertType.PERFORMANCE,
        severity=Severity.MEDIUM,
        subject_kind=SubjectKind.AGENT,
        measure="overdueFollowUps",
        comparison=Comparison.ABOVE,
        fire_at=0.0,
        message="Agent has follow-ups that were due and are still open",
        description="Customers wait for what was promised to them. See what is late, and who is to do it: "
        "rapport follow-ups --state overdue --agent AGENT.",
    ),
    # A source that never comes back is resolved by hand: silence does not end by lasting.
    Rule(
        rule_id="source-silent",
        type=AlertType.SYSTEM,
        severity=Severity.HIGH,
        subject_kind=SubjectKind.SOURCE,
        measure="receivedFacts",
        condition=Absence(),
        comparison=Comparison.ABOVE,
        fire_at=24.0,
        no_data=NoData.UNCHANGED,
        message="A source that reported within the last 7 days has reported nothing for more than 24 hours",
        description="What this source should report is missing in every number. See whether it runs and reaches Rapport: "
        "rapport sync tells when it last did.",
    ),
    Rule(
        rule_id="service-down",
        type=AlertType.SYSTEM,
        severity=Severity.CRITICAL,
        subject_kind=SubjectKind.SERVICE,
        measure="downMinutes",
        comparison=Comparison.ABOVE,
        fire_at=1.0,
        clear_at=0.0,
        no_data=NoData.UNCHANGED,
        labels={"purpose": "health"},
        inhibits=(Matcher("type", frozenset({"system"}), negated=True),),
        message="A service has not worked for more than a minute: numbers and alerts may be late",
        description="See whether the service runs and reaches its database: its log says why not. "
        "Until it works, all alerts but those of the system are held back.",
    ),
    Rule(
        rule_id="watchdog",
        type=AlertType.SYSTEM,
        severity=Severity.LOW,
        subject_kind=SubjectKind.TENANT,
        measure="watchdog",
        comparison=Comparison.ABOVE,
        fire_at=0.0,
        labels={"purpose": "watchdog"},
        message="This alert always fires: when it stops arriving, alerts do not arrive",
        description="Nothing is wrong, and there is nothing to do. Worry when this stops arriving: alerts reach nobody then.",
    ),
)

#: What only the list of notifications said before.
_THIRD = (
    Rule(
        rule_id="notifications-failing",
        type=AlertType.SYSTEM,
        severity=Severity.HIGH,
        subject_kind=SubjectKind.TENANT,
        measure="failedNotifications",
        comparison=Comparison.ABOVE,
        fire_at=0.0,
        window_s=60 * 60,
        message="Notifications could not be delivered",
        description="Somebody was not told of an alert. Which and why: rapport alerts notifications --state failed. "
        "To try a channel: rapport alerts channels test ID.",
    ),
)

#: Rules by the version of the defaults that added them, the first first. What a tenant was given once is the tenant's to change.
DEFAULT_RULES: tuple[tuple[Rule, ...], ...] = (_FIRST, _SECOND, _THIRD)


def defaults_after(given: int) -> list[Rule]:
    """Return the rules of later versions of the defaults than a tenant was given."""
    return [rule for added in DEFAULT_RULES[given:] for rule in added]
