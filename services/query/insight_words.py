"""What is said of a movement: a sentence with numbers and how sure they are, and what to do about one for the worse."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.query.dimensions import Dimension
from services.query.measures import Measure, Unit
from services.query.movements import Movement
from services.query.uncertainty import LEVEL

#: From this part of a difference on it is mostly due to a group.
_MOST = 0.5
_SMALLEST_P = 0.001
_SECOND_MS = 1000.0
#: Causes that a sentence names.
_NAMED = 2
#: Names of measures that do not read as words.
_TITLES = {"customerSatisfactionAvg": "Customer satisfaction"}
_NOBODY = {Dimension.AGENT: "no agent", Dimension.PLATFORM: "no platform", Dimension.INTENT: "no known intent"}
_WHO = {Dimension.AGENT: "agent {}", Dimension.PLATFORM: "platform {}", Dimension.INTENT: "intent {}"}
_WHERE = {Dimension.AGENT: " of agent {}", Dimension.PLATFORM: " on {}", Dimension.INTENT: " about {}"}

_ESCALATED = "Read what was escalated{where}, and give the agent what it lacked."
_UNFINISHED = "Look at where conversations{where} stop, and take away what stops them."
_SUCCESS = "Put conversations{where} that led to a success beside those that did not, and carry over what differs."
_MOOD = "Read the conversations{where} of negative sentiment, and answer what they share."
_SPENDING = "Look at which offers{where} are no longer taken, and at refunds."
_REMIND = "Remind customers{where} of their appointments the day before, and let them move one easily."
_CARTS = "Write to customers{where} who left a cart, and look at what stops them when they pay."
_RULES = "Go through the compliance checks{where} that failed, by rule, and correct the most frequent cause."
_HEALTH = "Look at the services{where} that report bad health, and at what was changed before they did."
_MISSES = "Look at which kind of miss{where} grew, and begin with the most frequent."
#: What to do, by the measure that moved for the worse.
_ADVICE = {
    "completedConversations": _UNFINISHED,
    "conversationCompletionRate": _UNFINISHED,
    "abandonmentRate": _UNFINISHED,
    "abandonedConversations": _UNFINISHED,
    "unansweredConversations": "Find out why messages{where} get no answer.",
    "escalations": _ESCALATED,
    "escalationRate": _ESCALATED,
    "unresolvedEscalations": "Name somebody who closes what was escalated{where}, and by when.",
    "conversionsGenerated": _SUCCESS,
    "conversionRate": _SUCCESS,
    "positiveConversations": _MOOD,
    "negativeConversations": _MOOD,
    "positiveShare": _MOOD,
    "negativeShare": _MOOD,
    "averageResponseTime": "Find out what makes answers{where} slow, such as more work at once, and relieve it.",
    "customerSatisfactionAvg": "Read the conversations{where} with the lowest ratings, and answer what they share.",
    "orders": _SPENDING,
    "appointmentsBooked": "Check that free times{where} are offered, and that booking one works.",
    "appointmentsKept": _REMIND,
    "noShows": _REMIND,
    "cancellations": _REMIND,
    "appointmentCompletionRate": _REMIND,
    "noShowRate": _REMIND,
    "successes": _MISSES,
    "misses": _MISSES,
    "failedCharges": "Look at why charges{where} fail, and offer another way to pay.",
    "abandonedCarts": _CARTS,
    "cartAbandonmentRate": _CARTS,
    "overdueFollowUps": "Share out the follow-ups{where} that are overdue, and do them.",
    "consents": "Look at how consent is asked for{where}.",
    "compliancePasses": _RULES,
    "complianceFailures": _RULES,
    "compliancePassRate": _RULES,
    "serviceDegradations": _HEALTH,
    "serviceDowns": _HEALTH,
    "agentErrors": "Look at the reasons{where} that agents in error report.",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """A group that explains a difference, in the contract's word, by how much, and which part of all that is."""

    dimension: Dimension
    word: str
    contribution: float
    part: float


def sentence(movement: Movement, causes: Sequence[Cause]) -> str:
    """Return what happened; the causes are the largest first."""
    measure = movement.measure
    before, now = (_number(measure, each.value) for each in (movement.before, movement.now))
    told = f"{title(measure)} {'rose' if movement.difference > 0 else 'fell'} from {before} to {now}"
    return f"{told} ({', '.join(_uncertainty(movement))}){_mostly(measure, causes)}."


def advice(measure: Measure, cause: Cause | None) -> str:
    """Return what to do about a measure that moved for the worse; "" for one that there is no advice for."""
    where = _WHERE[cause.dimension].format(_quoted(cause)) if cause and cause.word else ""
    return _ADVICE.get(measure.name, "").format(where=where)


def title(measure: Measure) -> str:
    """Return a measure's name in words."""
    words = re.sub(r"([A-Z])", lambda capital: f" {capital.group().lower()}", measure.name)
    return _TITLES.get(measure.name, words[:1].upper() + words[1:])


def _uncertainty(movement: Movement) -> list[str]:
    measure, now, p = movement.measure, movement.now, movement.p
    parts = [] if now.n is None else [f"n = {now.n:,}"]
    if now.interval:
        low, high = (_number(measure, end) for end in now.interval)
        parts.append(f"{100 * LEVEL:.0f} % between {low} and {high}")
    return [*parts, f"p < {_SMALLEST_P}" if p < _SMALLEST_P else f"p = {p:.3f}"]


def _mostly(measure: Measure, causes: Sequence[Cause]) -> str:
    if not causes:
        return ""
    named = [f"{_name(cause)} ({_difference(measure, cause.contribution)})" for cause in causes[:_NAMED]]
    return f", {'mostly' if causes[0].part >= _MOST else 'partly'} {' and '.join(named)}"


def _name(cause: Cause) -> str:
    return _WHO[cause.dimension].format(_quoted(cause)) if cause.word else _NOBODY[cause.dimension]


def _quoted(cause: Cause) -> str:
    return f'"{cause.word}"' if cause.dimension is Dimension.INTENT else cause.word


def _number(measure: Measure, number: float | None) -> str:
    """Return a number in its unit."""
    told = number or 0.0
    match measure.unit:
        case Unit.PERCENT:
            return f"{told:.1f} %"
        case Unit.MILLISECONDS:
            return f"{told / _SECOND_MS:,.1f} s" if abs(told) >= _SECOND_MS else f"{told:.0f} ms"
        case Unit.SECONDS:
            return f"{told:,.0f} s"
        case Unit.RATING:
            return f"{told:.2f}"
        case _:
            return f"{told:,.0f}"


def _difference(measure: Measure, difference: float) -> str:
    sign = "+" if difference > 0 else "-"
    told = _number(measure, abs(difference))
    return f"{sign}{told.removesuffix(' %')} points" if measure.unit is Unit.PERCENT else f"{sign}{told}"
