"""What comes of an attempt to deliver, and when the next one is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

#: The pause after the first failed attempt; it doubles up to the longest.
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 900.0
#: How long a notification is tried.
TRIED_FOR = timedelta(hours=24)

#: For how long a notification is ours once we took it: longer than an attempt and its record may last.
LEASE = timedelta(seconds=60)
#: After how long an attempt that was under way is over.
SETTLED = timedelta(seconds=30)

#: Refusals that may pass: the receiver was too slow, or asks for time.
_PASSING = (408, 429)
_JITTER = 0.25


class State(IntEnum):
    """How a notification stands, by the contract's numbers."""

    PENDING = 1
    DELIVERED = 2
    FAILED = 3
    DROPPED = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt: the receiver's HTTP or SMTP status, if it answered, and what went wrong, in our words.

    `is_final`: to try again is of no use. `may_have_arrived` is false only when the receiver surely knows nothing of it.
    """

    is_delivered: bool
    status: int | None = None
    error: str = ""
    is_final: bool = False
    retry_after_s: float | None = None
    may_have_arrived: bool = True


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt, as it is kept."""

    at: datetime
    took_ms: int
    status: int | None
    error: str


def of_status(status: int, retry_after_s: float | None = None) -> Outcome:
    """Return what an HTTP status means."""
    if 200 <= status < 300:  # noqa: PLR2004  # RFC 9110, section 15
        return Outcome(is_delivered=True, status=status)
    if 300 <= status < 400:  # noqa: PLR2004
        return Outcome(False, status, "the receiver redirects, which is not followed", is_final=True)
    if 400 <= status < 500 and status not in _PASSING:  # noqa: PLR2004
        return Outcome(False, status, f"the receiver refused it with status {status}", is_final=True)
    return Outcome(False, status, f"the receiver answered with status {status}", retry_after_s=retry_after_s)


def next_attempt(outcome: Outcome, number: int, created_at: datetime, now: datetime, chance: float) -> datetime | None:
    """Return when to try again after the attempt `number`, the first being 1; None when it is over.

    Pauses double from 5 s to 15 min, longer by up to a quarter by `chance`, 0 to 1. A receiver's wish for more is honoured. The
    last attempt is a day after the notification was made.
    """
    end = created_at + TRIED_FOR
    if outcome.is_delivered or outcome.is_final or now >= end:
        return None
    longest = LONGEST_PAUSE_S / (1 + _JITTER)
    pause = min(FIRST_PAUSE_S * 2.0 ** min(number - 1, 16), longest) * (1 + _JITTER * chance)
    wished = min(outcome.retry_after_s or 0.0, TRIED_FOR.total_seconds())
    return min(now + timedelta(seconds=max(pause, wished)), end)


def state_after(outcome: Outcome, next_at: datetime | None) -> State:
    """Return how the notification stands."""
    if outcome.is_delivered:
        return State.DELIVERED
    return State.FAILED if next_at is None else State.PENDING
