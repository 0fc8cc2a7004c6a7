"""What is too much to ask for, or no longer kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from services.query.metrics_parts import Granularity, too_large
from services.query.metrics_plan import Question
from services.query.periods import days_of
from services.query.questions import MOST_FACT_DAYS
from services.runtime.errors import FieldViolation, InvalidArgument
from services.runtime.windows import INTERVALS_KEPT, Window, local_day, midnight

#: Groups, and parts of groups' series, that an answer looks at.
MOST_ROWS = 20_000


def check_recent(question: Question, tenant_zone: str, now: datetime) -> None:
    """Raise InvalidArgument (UNSUPPORTED_WINDOW) when the window begins before what only the last 35 days can answer."""
    if question.window.start >= now - INTERVALS_KEPT:
        return
    needs = []
    if question.window.zone != tenant_zone:
        needs.append(("time_zone", f"days of another time zone than {tenant_zone}"))
    if question.granularity in (Granularity.QUARTER_HOUR, Granularity.HOUR):
        needs.append(("granularity", "parts shorter than a day"))
    if needs:
        kept = f"can be answered for windows that begin within the last {INTERVALS_KEPT.days} days only"
        told = [(field, f"{what} {kept}") for field, what in needs]
        violations = [FieldViolation(field, "window", sentence) for field, sentence in (*told, ("start_time", told[0][1]))]
        raise InvalidArgument("UNSUPPORTED_WINDOW", "; ".join(sentence for _, sentence in told), violations=violations)


def within_facts(question: Question, kept_since: datetime | None) -> Question:
    """Return the question as facts one by one can answer it, without a period before that is not kept.

    `kept_since`, and what is raised, are those of `of_facts`.
    """
    of_facts(question.window, kept_since)
    before = question.before
    return replace(question, before=None) if before and kept_since and before.start < kept_since else question


def of_facts(window: Window, kept_since: datetime | None, *, is_given: bool = True) -> Window:
    """Return the window of a question that is answered from facts one by one.

    `kept_since` is the first moment of which they are kept, None when all are. A window whose beginning nobody gave begins no
    earlier. Raises InvalidArgument for one that is too long (QUERY_TOO_LARGE), or that begins earlier (UNSUPPORTED_WINDOW).
    """
    answered = "such a question is answered from facts one by one, as no rollup tells it,"
    if len(days_of(window)) > MOST_FACT_DAYS:
        raise too_large("start_time", f"{answered} over at most {MOST_FACT_DAYS} days: ask for a shorter window")
    if kept_since is None or window.start >= kept_since:
        return window
    first = local_day(kept_since - timedelta(microseconds=1), window.zone) + timedelta(days=1)
    start = midnight(first, window.zone)
    if is_given or window.end <= start:
        sentence = f"{answered} and those before {first} are no longer kept: ask for a window that begins there, or later"
        raise InvalidArgument("UNSUPPORTED_WINDOW", sentence, violations=[FieldViolation("start_time", "window", sentence)])
    days = (first, window.days[1]) if window.days else None
    return Window(start, window.end, window.zone, days)


def check_groups(found: int) -> None:
    """Raise InvalidArgument (QUERY_TOO_LARGE) when there are too many groups to find the largest among."""
    if found > MOST_ROWS:
        raise too_large("dimensions", f"a question has at most {MOST_ROWS:,} groups: take fewer dimensions, or filter them")


def check_rows(groups: int, parts: int) -> None:
    """Raise InvalidArgument (QUERY_TOO_LARGE) when the groups' series have too many parts together."""
    if groups * parts > MOST_ROWS:
        sentence = (
            f"groups have at most {MOST_ROWS:,} parts together, and {groups:,} of {parts:,} are {groups * parts:,}: "
            f"{MOST_ROWS // parts:,} groups would fit, or longer parts"
        )
        raise too_large("limit", sentence)
