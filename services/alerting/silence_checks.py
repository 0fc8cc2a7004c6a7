"""Which silences must not be put: those that would quiet more than was meant, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from services.alerting import matcher_checks
from services.alerting.matchers import satisfies
from services.alerting.silences import Silence
from services.runtime.errors import FieldViolation, invalid_fields

#: How long a silence may last from its beginning, or from now where it has begun; and how far ahead it may begin.
LONGEST = timedelta(days=366)


def check(silence: Silence, now: datetime) -> None:
    """Raise InvalidArgument (INVALID_FIELDS), which names the fields, unless a silence may be put now."""
    if found := violations(silence, now):
        raise invalid_fields(found)


def violations(silence: Silence, now: datetime) -> list[FieldViolation]:
    """Return why a silence must not be put now, with field paths of the request that puts it."""
    return [*_time(silence, now), *_picked(silence)]


def _time(silence: Silence, now: datetime) -> Iterator[FieldViolation]:
    if silence.start_at - now > LONGEST:
        yield FieldViolation("silence.start_time", "silence.too_far", f"must be at most {LONGEST.days} days from now")
    lasts = silence.end_at - max(silence.start_at, now)
    if lasts <= timedelta():
        yield FieldViolation("silence.end_time", "silence.over", "must be after start_time and in the future")
    elif lasts > LONGEST:
        sentence = f"must be at most {LONGEST.days} days after start_time, or from now if it has begun"
        yield FieldViolation("silence.end_time", "silence.too_long", sentence)


def _picked(silence: Silence) -> Iterator[FieldViolation]:
    yield from matcher_checks.violations(silence.matchers, "silence.matchers")
    if satisfies({}, silence.matchers):
        sentence = "alerts without such labels satisfy all of them: name a value, not an empty one, that alerts must have"
        yield FieldViolation("silence.matchers", "silence.picks_others", sentence)
