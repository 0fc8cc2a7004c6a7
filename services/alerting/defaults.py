"""The rules that every tenant begins with."""

from __future__ import annotations

from services.alerting.rules import AlertType, Comparison, Rule, Severity, SubjectKind

#: Rules by the version of the defaults that added them, the first first. What a tenant was given once is the tenant's to change.
DEFAULT_RULES: tuple[tuple[Rule, ...], ...] = (
    (
        Rule(
            rule_id="agent-response-time",
            type=AlertType.PERFORMANCE,
            severity=Severity.MEDIUM,
            subject_kind=SubjectKind.AGENT,
            measure="averageResponseTime",
            comparison=Comparison.ABOVE,
            fire_at=30_000.0,
            message="Agent response time above threshold",
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
        ),
    ),
)


def defaults_after(given: int) -> list[Rule]:
    """Return the rules of later versions of the defaults than a tenant was given."""
    return [rule for added in DEFAULT_RULES[given:] for rule in added]
