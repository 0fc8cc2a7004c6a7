"""What events count for that stand for themselves: in a measure, once or as often as they say, or as a cost of some days."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from services.scoring.measures import Kind, Measure
from tests.scoring.oracle.contributions import Belonging, Contribution, DayOf, placed

#: Kinds of events, as the contract numbers their bodies.
_AGENT_CONFIGURED, _COST, _WIDGET, _AGENT_STATUS, _INTERACTION = 10, 13, 14, 15, 16
_RISK, _COMPLIANCE, _CONSULTATION, _HEALTH, _PROFILE = 19, 20, 21, 22, 23

#: What an event counts in, by its kind and the number of what it tells; None where the kind alone decides.
_MEASURES = {
    (_AGENT_CONFIGURED, None): Measure.AGENT_CONFIGURED,
    (_WIDGET, 1): Measure.WIDGET_DEPLOYED,
    (_WIDGET, 2): Measure.WIDGET_CUSTOMIZED,
    (_WIDGET, 3): Measure.WIDGET_IMPRESSION,
    (_WIDGET, 4): Measure.WIDGET_OPENED,
    (_AGENT_STATUS, 1): Measure.AGENT_ACTIVE,
    (_AGENT_STATUS, 2): Measure.AGENT_PAUSED,
    (_AGENT_STATUS, 3): Measure.AGENT_ERROR,
    (_AGENT_STATUS, 4): Measure.AGENT_RETIRED,
    (_INTERACTION, None): Measure.INTERACTION,
    (_RISK, 1): Measure.RISK_APPROVED,
    (_RISK, 2): Measure.RISK_DECLINED,
    (_RISK, 3): Measure.RISK_REVIEW,
    (_COMPLIANCE, 1): Measure.COMPLIANCE_PASSED,
    (_COMPLIANCE, 2): Measure.COMPLIANCE_FAILED,
    (_COMPLIANCE, 3): Measure.COMPLIANCE_WAIVED,
    (_CONSULTATION, None): Measure.CONSULTATION,
    (_HEALTH, 1): Measure.SERVICE_UP,
    (_HEALTH, 2): Measure.SERVICE_DEGRADED,
    (_HEALTH, 3): Measure.SERVICE_DOWN,
    (_PROFILE, None): Measure.PROFILE_TOLD,
}

_DAY, _INSTANT = timedelta(days=1), timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFact:
    """A stored event that stands for itself, with the stored conversation that it names.

    `told` is the number of its action, state or result; `platform`, `consent` and `campaign` are an interaction's,
    `times` a widget's; the rest is a cost's, which has a campaign too.
    """

    source: int
    event_id: str
    kind: int
    occurred_at: datetime
    agent_id: str | None
    customer_id: str | None
    told: int | None
    times: int | None
    platform: int | None
    consent: bool | None
    campaign: str | None
    category: int | None
    amount: Decimal | None
    currency: str | None
    period_start: datetime | None
    period_end: datetime | None
    link: Belonging | None

    @property
    def fact_id(self) -> str:
        return fact_id_of(self.source, self.event_id)


def fact_id_of(source: int, event_id: str) -> str:
    """Return the identity under which an event is counted."""
    return f"{source}/{event_id}"


def identity_of(fact_id: str) -> tuple[int, str]:
    """Return the source and event id of an event that is counted as `fact_id`."""
    source, _, event_id = fact_id.partition("/")
    return int(source), event_id


def of_event(fact: EventFact, day_of: DayOf) -> Iterator[Contribution]:
    """Yield what an event counts for: a cost, or a measure and, for an interaction, the consent that was given."""
    belongs = Belonging.of(fact.agent_id, fact.customer_id, fact.link)
    if fact.kind == _COST:
        yield _cost(fact, belongs, day_of)
        return
    if fact.platform is not None:
        belongs = replace(belongs, platform=fact.platform)
    counted = placed(Kind.EVENT, fact.fact_id, belongs, fact.occurred_at, day_of)
    yield replace(counted, measure=_MEASURES[fact.kind, fact.told], quantity=fact.times or 1, campaign=fact.campaign)
    if fact.consent:
        yield replace(counted, kind=Kind.CONSENT, measure=Measure.CONSENT, quantity=1)


def _cost(fact: EventFact, belongs: Belonging, day_of: DayOf) -> Contribution:
    """Return what a cost counts for: its amount, for the days that its period touches."""
    start = fact.period_start or fact.occurred_at
    # The period ends before its end; one shorter than clocks tell apart is its first moment.
    last = start if fact.period_end is None else max(start, fact.period_end - _INSTANT)
    return replace(
        placed(Kind.EVENT, fact.fact_id, belongs, start, day_of),
        cost=fact.amount,
        currency=fact.currency,
        category=fact.category,
        campaign=fact.campaign or None,
        end_day=day_of(last) + _DAY,
    )
