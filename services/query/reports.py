"""What a trade's report tells: which figures, and what they come to now and in the period before.

Every figure that QueryMetrics has, too, is the same measure over the trade's facts. Those of the trades alone are here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from services.query.measures import Unit
from services.query.metrics import Sums
from services.query.report_figures import Both, Figure, counted, figure, share, terms_of

#: A word in the kind of a consultation that makes it one about investments.
_INVESTMENT = "investment"


class Trade(Enum):
    """A trade by the word that conversations and agents name it with."""

    HEALTHCARE = "healthcare"
    RETAIL = "retail"
    FINANCE = "finance"


class Named(Enum):
    """What events name in their own words, by the term: the kind of a consultation, and the rule that was broken."""

    CONSULTATION = "consultations"
    BROKEN_RULE = "compliance_failures"


@dataclass(frozen=True, slots=True)
class Buyers:
    """Conversations that bought, of all; and those who came back, of the customers active in the period before.

    Where the period before is not kept, nobody was active in it.
    """

    conversations: int = 0
    buying: int = 0
    active_before: int = 0
    returned: int = 0


@dataclass(frozen=True, slots=True)
class Period:
    """What is read of one period: sums of terms, how often events name something, and of a shop its buyers."""

    sums: Sums = field(default_factory=Sums)
    named: Mapping[Named, Mapping[str, int]] = field(default_factory=dict)
    buyers: Buyers = field(default_factory=Buyers)

    def consultations(self, about: str = "") -> dict[str, int]:
        """Return the number of consultations by kind, of those whose kind names what they are about."""
        return {kind: n for kind, n in self.named.get(Named.CONSULTATION, {}).items() if about in kind.lower()}


RISK = {"approved": "risk_approvals", "declined": "risk_refusals", "review": "risk_reviews"}
COMPLIANCE = {"passed": "compliance_passes", "failed": "compliance_failures", "waived": "compliance_waivers"}
_CONSULTATIONS = "Consultations, by what they were about"
#: The measures in the trades' reports, by the name there.
_MEASURES = {
    "appointmentCompletionRate": "appointmentCompletionRate",
    "noShowRate": "noShowRate",
    "patientSatisfaction": "customerSatisfactionAvg",
    "appointmentsBooked": "appointmentsBooked",
    "cancellations": "cancellations",
    "cartAbandonmentRate": "cartAbandonmentRate",
    "averageOrderValue": "averageOrderValue",
    "orders": "orders",
    "revenue": "totalRevenue",
    "riskApprovalRate": "riskApprovalRate",
    "compliancePassRate": "compliancePassRate",
}
#: Every term that some trade's report needs.
REPORT_TERMS = terms_of(*_MEASURES.values()) | {"conversations", *RISK.values(), *COMPLIANCE.values()}


def industry_figures(trade: Trade, now: Period, before: Period | None, currency: str) -> Sequence[Figure]:
    """Return a trade's figures; `before` is None when the period before is not kept."""
    both = Both(now.sums, before.sums if before else None, currency)
    return _FIGURES[trade](both, now, before)


def _healthcare(both: Both, now: Period, before: Period | None) -> list[Figure]:
    return [
        *_measured(both, "appointmentCompletionRate", "noShowRate", "patientSatisfaction"),
        counted("consultations", _CONSULTATIONS, now.consultations(), before.consultations() if before else None),
        *_measured(both, "appointmentsBooked", "cancellations"),
    ]


def _retail(both: Both, now: Period, before: Period | None) -> list[Figure]:
    return [
        figure(
            "purchaseConversionRate",
            "Conversations that tell of a purchase, or that a settled charge names, among all",
            Unit.PERCENT,
            share(now.buyers.buying, now.buyers.conversations),
            share(before.buyers.buying, before.buyers.conversations) if before else None,
            direction=1,
        ),
        *_measured(both, "cartAbandonmentRate"),
        figure(
            "customerRetention",
            "Customers with a conversation or an order in the period before who had one in this period, too",
            Unit.PERCENT,
            share(now.buyers.returned, now.buyers.active_before),
            share(before.buyers.returned, before.buyers.active_before) if before else None,
            direction=1,
        ),
        *_measured(both, "averageOrderValue", "orders", "revenue"),
    ]


def _finance(both: Both, now: Period, before: Period | None) -> list[Figure]:
    investments, broken = _INVESTMENT, Named.BROKEN_RULE
    return [
        counted(
            "investmentConsultations",
            "Consultations whose kind names investment",
            now.consultations(investments),
            before.consultations(investments) if before else None,
        ),
        counted("consultations", _CONSULTATIONS, now.consultations(), before.consultations() if before else None),
        both.split("riskAssessments", "Risk assessments, by what came of them", RISK),
        *_measured(both, "riskApprovalRate"),
        both.split("complianceChecks", "Compliance checks, by what came of them", COMPLIANCE),
        *_measured(both, "compliancePassRate"),
        counted(
            "complianceFailures",
            "Compliance checks failed, by rule",
            now.named.get(broken, {}),
            before.named.get(broken, {}) if before else None,
            direction=-1,
        ),
    ]


def _measured(both: Both, *names: str) -> list[Figure]:
    return [both.measured(name, _MEASURES[name]) for name in names]


_FIGURES = {Trade.HEALTHCARE: _healthcare, Trade.RETAIL: _retail, Trade.FINANCE: _finance}
