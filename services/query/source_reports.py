"""What each of the seven sources adds: which figures, and what they come to now and in the period before."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.query.costs import Costs, known
from services.query.measures import Unit
from services.query.metrics import Value
from services.query.report_figures import Both, Figure, figure, quotient, share, terms_of
from services.query.reports import COMPLIANCE, RISK
from services.query.sourced import Sourced
from services.query.uncertainty import mean_interval, sample

#: The sources' words, in the order of the contract's numbers, which begin with 1.
SOURCES = ("agentWizard", "calendar", "payments", "billing", "widget", "myAgents", "insights")
#: The words of the contract's categories of costs and states of agents, which begin with 1.
_CATEGORIES = ("modelUsage", "messaging", "seat", "acquisition", "other")
_STATES = ("active", "paused", "error", "retired")
#: What stands between the words of a unit, and where a word in CamelCase begins.
_BETWEEN = frozenset("-_.,;:'\"()[]")
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[a-z])")
#: Units of which the use is told, the most used first.
_MOST_UNITS = 10
_MEASURES = (
    "agentConfigurations", "appointmentsBooked", "appointmentsKept", "noShows", "cancellations", "failedCharges",
    "widgetDeployments", "widgetCustomizations", "widgetImpressions", "widgetOpens", "widgetOpenRate", "interactions", "consents",
    "cartsStarted", "cartAbandonmentRate", "followUpsOpened", "overdueFollowUps", "riskApprovalRate", "compliancePassRate",
    "consultations",
)  # fmt: skip
#: Every term that some source's figures need.
SOURCE_TERMS = terms_of(*_MEASURES) | {"conversations", *RISK.values(), *COMPLIANCE.values()}


#: Tells a number of a period.
Tell = Callable[[Sourced], Value]


@dataclass(frozen=True, slots=True)
class Report:
    """Builds figures of the window next to those of the period before, None when that is not kept."""

    now: Sourced
    before: Sourced | None
    currency: str

    @property
    def both(self) -> Both:
        """The measures of both periods."""
        return Both(self.now.sums, self.before.sums if self.before else None, self.currency)

    def measures(self, *names: str) -> list[Figure]:
        """Return measures under their own names."""
        return [self.both.measured(name, name) for name in names]

    def tell(self, name: str, title: str, unit: Unit, tell: Tell, direction: int = 0) -> Figure:
        """Return a figure that is told of each period."""
        return figure(name, title, unit, tell(self.now), tell(self.before) if self.before else None, direction=direction)

    def count(self, name: str, title: str, of: Callable[[Sourced], float], direction: int = 0) -> Figure:
        """Return a number of things."""
        return self.tell(name, title, Unit.COUNT, lambda period: Value(float(of(period))), direction)

    def money(self, name: str, title: str, of: Callable[[Sourced], Decimal | None], direction: int = 0) -> Figure:
        """Return money."""
        return self.tell(name, title, Unit.MONEY, lambda period: _money(of(period)), direction)


def source_figures(now: Sourced, before: Sourced | None, currency: str) -> list[tuple[str, Sequence[Figure]]]:
    """Return each source's figures, in the contract's order; `before` is None when the period before is not kept."""
    report = Report(now, before, currency)
    makers = (_agent_wizard, _calendar, _payments, _billing, _widget, _my_agents, _insights)
    return [(source, make(report)) for source, make in zip(SOURCES, makers, strict=True)]


def _agent_wizard(report: Report) -> list[Figure]:
    return [
        report.count("agentsCreated", "Agents configured for the first time", lambda p: p.agents_created),
        report.count("agentsChanged", "Further configurations of agents", _changes),
    ]


def _changes(period: Sourced) -> int:
    return period.sums.counts.get("agent_configurations", 0) - period.agents_created


def _calendar(report: Report) -> list[Figure]:
    return [
        *report.measures("appointmentsBooked"),
        report.count("reschedules", "Reports that an appointment was moved", lambda p: p.reschedules),
        report.tell("meanLeadTime", "Mean time from booking to appointment", Unit.SECONDS, _mean_lead),
        report.tell("medianLeadTime", "Median of that time", Unit.SECONDS, lambda p: Value(p.leads.median, p.leads.n)),
        *report.measures("appointmentsKept", "noShows", "cancellations"),
    ]


def _mean_lead(period: Sourced) -> Value:
    leads = period.leads
    if not leads.n:
        return Value(n=0)
    values = sample(leads.n, leads.total, leads.squares)
    return Value(values.mean, leads.n, mean_interval(values))


def _payments(report: Report) -> list[Figure]:
    given_back = "Settled charges of the period that were given back since, wholly or in part"
    return [
        report.count("charges", "Settled charges", lambda p: p.payments.charges, 1),
        report.money("chargedAmount", "Money of settled charges", lambda p: p.payments.charged, 1),
        report.count("refunds", "Settled refunds", lambda p: p.payments.refunds, -1),
        report.money("refundedAmount", "Money of settled refunds", lambda p: p.payments.refunded, -1),
        *report.measures("failedCharges"),
        report.tell("refundRate", given_back, Unit.PERCENT, lambda p: share(p.payments.given_back, p.payments.charges), -1),
    ]


def _billing(report: Report) -> list[Figure]:
    return [
        report.both.measured("totalCost", "totalCost", "Costs, by the share of their periods' days that fall in the period"),
        *(_category(report, number) for number in range(1, len(_CATEGORIES) + 1)),
        report.tell("costPerConversation", "Costs per conversation", Unit.MONEY, _cost_per_conversation, -1),
        *_usage(report),
    ]


def _category(report: Report, number: int) -> Figure:
    word = _CATEGORIES[number - 1]
    title = f"Of them, {' '.join(_words(word))}"
    return report.money(f"{word}Cost", title, lambda p: p.costs.get(number, Costs()).total, -1)


def _cost_per_conversation(period: Sourced) -> Value:
    """Over all conversations a part of the costs says too little."""
    total = known(period.sums.costs)
    return Value(n=_conversations(period)) if total is None else quotient(float(total), _conversations(period))


def _usage(report: Report) -> list[Figure]:
    """Return what is used per conversation, a figure for each unit: tokens and messages do not add up."""
    used, earlier = _by_name(report.now.units), _by_name(report.before.units if report.before else {})
    most = sorted(used, key=lambda name: (-used[name][0], name))[:_MOST_UNITS]
    figures = []
    for name in most:
        amount, unit = used[name]
        before = quotient(earlier.get(name, (0.0, ""))[0], _conversations(report.before)) if report.before else None
        title = f"Used per conversation, of costs reported in the period: {unit or 'units'}"
        figures.append(figure(name, title, Unit.RATIO, quotient(amount, _conversations(report.now)), before, direction=-1))
    return figures


def _by_name(units: Mapping[str, float]) -> dict[str, tuple[float, str]]:
    """Return amounts by the figure's name, each with its unit; "tokens", "Tokens" and "TOKENS" are one."""
    added: dict[str, tuple[float, str]] = defaultdict(lambda: (0.0, ""))
    for unit, amount in sorted(units.items()):
        words = _words(unit) or ["units"]
        # What costs come to per conversation is a figure of its own.
        first, *rest = [*words, "units"] if words == ["cost"] else words
        name = f"{first}{''.join(map(str.capitalize, rest))}PerConversation"
        added[name] = added[name][0] + amount, added[name][1] or unit
    return added


def _words(text: str) -> list[str]:
    """Return the words of a name, in lower case; letters of any script make words, and other signs are called by their names."""
    spelt = "".join(map(_spelt, unicodedata.normalize("NFKC", text)))
    return _HUMPS.sub(" ", spelt).lower().split()


def _spelt(sign: str) -> str:
    # Letters, the marks on them, and numbers.
    if unicodedata.category(sign)[0] in "LMN":
        return sign
    return " " if sign.isspace() or sign in _BETWEEN else f" {unicodedata.name(sign, 'sign').replace('-', ' ')} "


def _conversations(period: Sourced) -> int:
    return period.sums.counts.get("conversations", 0)


def _widget(report: Report) -> list[Figure]:
    title = "Conversations on the web per 100 openings of widgets"
    return [
        *report.measures("widgetDeployments", "widgetCustomizations", "widgetImpressions", "widgetOpens", "widgetOpenRate"),
        report.count("webConversations", "Conversations on the web", lambda p: p.web_conversations),
        report.tell("webConversationRate", title, Unit.RATIO, _started, 1),
    ]


def _started(period: Sourced) -> Value:
    return quotient(period.web_conversations, period.sums.counts.get("widget_opens", 0), 100.0)


def _my_agents(report: Report) -> list[Figure]:
    return [each for number in range(1, len(_STATES) + 1) for each in _state(report, number)]


def _state(report: Report, number: int) -> list[Figure]:
    word = _STATES[number - 1]
    direction = {1: 1, 3: -1}.get(number, 0)
    state = {"error": "in error"}.get(word, word)

    def part(period: Sourced) -> Value:
        known = sum(period.states.values())
        return Value(100 * period.states.get(number, 0.0) / known if known else None)

    return [
        report.count(f"{word}Hours", f"Hours in which agents were {state}", lambda p: p.states.get(number, 0.0) / 3600),
        report.tell(
            f"{word}Share", f"Share of the time with a known state in which agents were {state}", Unit.PERCENT, part, direction
        ),
    ]


def _insights(report: Report) -> list[Figure]:
    touched = "Customers met outside conversations"
    several = "Those of them who were met on several platforms"
    both = report.both
    return [
        *report.measures("interactions", "consents"),
        report.count("customersTouched", touched, lambda p: p.touches.customers),
        report.tell("onSeveralPlatforms", several, Unit.PERCENT, lambda p: share(p.touches.on_several, p.touches.customers)),
        *report.measures("cartsStarted", "cartAbandonmentRate", "followUpsOpened", "overdueFollowUps"),
        both.split("riskAssessments", "Risk assessments, by what came of them", RISK),
        *report.measures("riskApprovalRate"),
        both.split("complianceChecks", "Compliance checks, by what came of them", COMPLIANCE),
        *report.measures("compliancePassRate", "consultations"),
    ]


def _money(amount: Decimal | None) -> Value:
    return Value(None if amount is None else float(amount))
