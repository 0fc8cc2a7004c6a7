"""What rules can measure: of whom, in which unit, and what it is made of. Names are QueryService's where it is the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from services.alerting.conditions import Absence, Anomaly, BurnRate, Change, Target, Threshold
from services.alerting.rules import SubjectKind


class Kept(Enum):
    """Where that is kept of which a measure is made."""

    ROLLUPS = "rollups"
    RECEIPTS = "receipts"
    SCORES = "scores"
    FOLLOW_UPS = "follow_ups"
    GRADES = "grades"
    HEALTH = "health"
    NOTIFICATIONS = "notifications"
    NOWHERE = "nowhere"


#: Sums of money: orders, their worth in the reporting currency, and amounts that have no worth there for want of a rate.
MONEY = frozenset({"orders", "revenue", "unpriced"})
#: The unit of money.
IN_CURRENCY = "reporting currency"
#: The sums of what is not added up: the value itself, and how many facts it rests on.
VALUE, SAMPLES = "value", "samples"
#: Where that is kept which is counted: what is made of it and of nothing else is a count.
COUNTED = frozenset({Kept.ROLLUPS, Kept.RECEIPTS, Kept.FOLLOW_UPS, Kept.NOTIFICATIONS})

#: Words for ingest.event's numbers of sources, and for conversations, which have none.
SOURCES: Mapping[int, str] = MappingProxyType(
    dict(enumerate(("conversations", "agent_wizard", "calendar", "payments", "billing", "widget", "my_agents", "insights")))
)
#: Words for platforms, by the contract's numbers.
PLATFORMS: Mapping[int, str] = MappingProxyType(
    dict(enumerate(("whatsapp", "instagram", "messenger", "web", "sms", "voice", "email", "telegram", "other"), 1))
)

_WHOLE = (SubjectKind.AGENT, SubjectKind.PLATFORM, SubjectKind.TENANT)
_MEAN = (Threshold.KIND, Change.KIND)
_RATE = (Threshold.KIND, Change.KIND, BurnRate.KIND)
_COUNT = (Threshold.KIND, Change.KIND, Absence.KIND, Anomaly.KIND)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A measure: `factor` times the sum `of`, by the sums `per` where it has any; undefined where these are 0.

    It rests on as many facts as `per` or, without it, `counted` tells; a count rests on its window, and of nothing is 0.
    `direction` is 1 when more is better, -1 when less is.
    """

    name: str
    description: str
    unit: str
    of: str = VALUE
    per: tuple[str, ...] = ()
    counted: str = ""
    factor: float = 1.0
    direction: int = 0
    subject_kinds: tuple[SubjectKind, ...] = _WHOLE
    conditions: tuple[str, ...] = (Threshold.KIND,)
    kept: Kept = Kept.ROLLUPS

    @property
    def is_rate(self) -> bool:
        """Whether it is the share of some things among others, in percent."""
        return BurnRate.KIND in self.conditions

    @property
    def is_money(self) -> bool:
        return self.of in MONEY

    @property
    def is_count(self) -> bool:
        """Whether it is how many things there are: 0 where there are none, which is a value, too."""
        return not self.per and not self.is_money and self.kept in COUNTED

    @property
    def columns(self) -> tuple[str, ...]:
        """The sums that it is made of."""
        named = (self.of, *self.per, self.counted or self.of, *(("unpriced",) if self.is_money else ()))
        return tuple(dict.fromkeys(named))


def _rate(name: str, description: str, of: str, *per: str, direction: int) -> Measure:
    return Measure(
        name=name, description=description, unit="percent", of=of, per=per, factor=100.0, direction=direction, conditions=_RATE
    )


def _mean(name: str, description: str, unit: str, of: str, per: str, *, factor: float = 1.0, direction: int = 0) -> Measure:
    return Measure(
        name=name,
        description=description,
        unit=unit,
        of=of,
        per=(per,),
        factor=factor,
        direction=direction,
        conditions=_MEAN,
    )


def _count(name: str, description: str, of: str, direction: int = 0) -> Measure:
    return Measure(name=name, description=description, unit="count", of=of, direction=direction, conditions=_COUNT)


def _found(name: str, description: str, unit: str, kind: SubjectKind, kept: Kept, *, direction: int = -1) -> Measure:
    return Measure(
        name=name,
        description=description,
        unit=unit,
        counted=SAMPLES,
        direction=direction,
        subject_kinds=(kind,),
        kept=kept,
    )


_ALL = (
    _mean("averageResponseTime", "Mean of conversations' mean response times", "milliseconds", "response_ms", "response_n",
          direction=-1),
    _mean("averageConversationDuration", "Mean length of the conversations that ended", "seconds", "duration_ms", "ended",
          factor=0.001),
    _mean("customerSatisfactionAvg", "Mean rating", "rating from 1 to 5", "csat_x100", "csat_n", factor=0.01, direction=1),
    _rate("conversationCompletionRate", "Completed conversations among those that ended", "completed", "ended", direction=1),
    _rate("conversionRate", "Conversations that led to a success among all", "conversions", "conversations", direction=1),
    _rate("escalationRate", "Escalated conversations among all", "escalated", "conversations", direction=-1),
    _rate("noShowRate", "Missed appointments among those kept or missed", "no_show", "kept", "no_show", direction=-1),
    _rate("appointmentCompletionRate", "Kept appointments among those kept or missed", "kept", "kept", "no_show", direction=1),
    _count("totalConversations", "Conversations that began in the window", "conversations"),
    _count("conversionsGenerated", "Conversations that led to a success", "conversions", direction=1),
    Measure(
        name="totalRevenue",
        description="Settled payments less refunds, and purchases told by conversations without payments; no value while any of "
        "it has no exchange rate",
        unit=IN_CURRENCY, of="revenue", counted="orders", direction=1,
        conditions=(Threshold.KIND, Change.KIND, Target.KIND),
    ),
    _mean("revenuePerConversation", "Revenue per conversation", IN_CURRENCY, "revenue", "conversations", direction=1),
    _found("latestSatisfaction", "The customer's last rating in the window", "rating from 1 to 5", SubjectKind.CUSTOMER,
           Kept.SCORES, direction=1),
    _found("overdueFollowUps", "Follow-ups that are open and were due before now", "count", SubjectKind.AGENT, Kept.FOLLOW_UPS),
    _found("grade", "The newest grade over 30 days that is not provisional and at most 2 days old: A+ is 7, A 6, B+ 5, B 4, C+ 3,"
           " C 2, D 1", "grade from 1 to 7", SubjectKind.AGENT, Kept.GRADES, direction=1),
    _found("downMinutes", "Minutes since a service worked last that does not work, or was reported as down and not as up since",
           "minutes", SubjectKind.SERVICE, Kept.HEALTH),
    Measure(
        name="receivedFacts", description="Facts that a source reported in the window, repeated and refused ones included",
        unit="count", of="received", direction=1, subject_kinds=(SubjectKind.SOURCE,), conditions=_COUNT, kept=Kept.RECEIPTS,
    ),
    _found("failedNotifications", "Notifications of alerts that were given up in the window; none that people or newer ones made"
           " needless, and none that tells of an alert about this measure", "count", SubjectKind.TENANT, Kept.NOTIFICATIONS),
    _found("watchdog", "Always 1: its alert always fires, and who misses it knows that alerts do not arrive", "count",
           SubjectKind.TENANT, Kept.NOWHERE, direction=0),
)  # fmt: skip

#: Every measure by name.
MEASURES: Mapping[str, Measure] = MappingProxyType({measure.name: measure for measure in _ALL})
