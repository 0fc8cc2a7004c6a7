"""When a failed call is made again, and how long after: decisions only, with time and chance passed in.

| status | repeatable | once | watch |
|---|---|---|---|
| UNAVAILABLE, CANCELLED by the server, DEADLINE_EXCEEDED | again | no | again |
| ABORTED, but for VERSION_CONFLICT | again | again | again |
| RESOURCE_EXHAUSTED with RetryInfo or OVERLOADED | again | again | again |
| RESOURCE_EXHAUSTED otherwise | no | no | again |
| INTERNAL, UNKNOWN without a reason | again | no | again |
| INTERNAL, UNKNOWN with a reason | no | no | again |
| any other | no | no | no |

After the failures of the first row nobody knows whether the call was done, so only what may be done twice is sent again.
ABORTED was undone and OVERLOADED never begun. RESOURCE_EXHAUSTED without a hint is a message that is too large, which stays
so. INTERNAL and UNKNOWN without a reason are of the way there (a proxy, a cut connection), with one a defect of the service:
for a call that will come again, while a stream that has been open for days goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from rapport_client.failures import Failure


class Kind(Enum):
    """What doing it twice would do."""

    #: Nothing: reads, and writes that carry their own identity. All of Rapport's recording is.
    REPEATABLE = auto()
    #: It would be done twice.
    ONCE = auto()
    #: A stream of alerts, which goes on by its token.
    WATCH = auto()


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with full jitter: anything from 0 to `first_s`, then up to twice that, at last up to `longest_s`.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """

    first_s: float = 0.2
    longest_s: float = 10.0

    def delay_s(self, attempt: int, suggested_s: float | None, chance: float) -> float:
        """Return the seconds to wait after failure number `attempt`, from 1, `chance` being in [0, 1).

        A suggestion of the service is waited for first, and the jitter comes on top: those who were turned away together do
        not come back together.
        """
        longest = min(self.longest_s, self.first_s * 2.0 ** min(attempt - 1, 32))
        return (suggested_s or 0.0) + longest * chance


def passes(failure: Failure, kind: Kind) -> bool:
    """Tell whether the same call may succeed later, and does no harm if it had been done."""
    watch = kind is Kind.WATCH
    match failure.status:
        case "UNAVAILABLE" | "CANCELLED" | "DEADLINE_EXCEEDED":
            return kind is not Kind.ONCE
        case "ABORTED":
            return failure.reason != "VERSION_CONFLICT"
        case "RESOURCE_EXHAUSTED":
            return watch or failure.retry_after_s is not None or failure.reason == "OVERLOADED"
        case "INTERNAL" | "UNKNOWN":
            return watch or (kind is Kind.REPEATABLE and not failure.reason)
    return False


def next_delay_s(failure: Failure, kind: Kind, *, attempt: int, left_s: float, backoff: Backoff, chance: float) -> float | None:
    """Return the seconds to wait before the next attempt; None when there is to be none, or none within `left_s`."""
    if not passes(failure, kind):
        return None
    delay = backoff.delay_s(attempt, failure.retry_after_s, chance)
    return delay if delay <= left_s else None
