"""Which routes must not be put: those that no alert can take, and those of a version that the caller did not read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.alerting import matcher_checks
from services.alerting.matchers import Matcher
from services.alerting.telling.routes import Route, repeated
from services.runtime.errors import Aborted, FieldViolation, invalid_fields


@dataclass(frozen=True, slots=True)
class Routing:
    """How often a tenant put routes, and who put those that are there, why and when; what was never put has no time."""

    version: int = 0
    author: str = ""
    comment: str = ""
    put_at: datetime | None = None

    def check_version(self, expected: int | None) -> None:
        """Raise Aborted (VERSION_CONFLICT) when the caller read another version."""
        if expected is not None and expected != self.version:
            raise Aborted("VERSION_CONFLICT", f"the routes are at version {self.version}, not at version {expected}")


def check(routes: Sequence[Route]) -> None:
    """Raise InvalidArgument (INVALID_FIELDS), which names the fields, unless the routes may be put."""
    if found := violations(routes):
        raise invalid_fields(found)


def violations(routes: Sequence[Route]) -> list[FieldViolation]:
    """Return why routes must not be put, with field paths of the request that puts them."""
    return [*_repeated(routes), *_never_taken(routes), *_unreached(routes)]


def _repeated(routes: Sequence[Route]) -> Iterator[FieldViolation]:
    for at in repeated(routes):
        yield FieldViolation(f"routes[{at}].route_id", "unique", "stands there twice")


def _never_taken(routes: Sequence[Route]) -> Iterator[FieldViolation]:
    for at, route in enumerate(routes):
        yield from matcher_checks.violations(route.matchers, f"routes[{at}].matchers")


def _unreached(routes: Sequence[Route]) -> Iterator[FieldViolation]:
    """Yield the routes whose every alert an earlier one takes that does not continue."""
    for at, route in enumerate(routes):
        for earlier in routes[:at]:
            if not earlier.continues and _takes_all(earlier, route):
                sentence = f"is never reached: {earlier.route_id} takes every alert that it would take"
                yield FieldViolation(f"routes[{at}]", "route.unreached", sentence)
                break


def _takes_all(earlier: Route, route: Route) -> bool:
    """Tell whether each matcher of the earlier route follows from one of the route's own."""
    return all(any(_implies(own, matcher) for own in route.matchers) for matcher in earlier.matchers)


def _implies(one: Matcher, other: Matcher) -> bool:
    """Tell whether whatever satisfies one matcher satisfies the other."""
    if one.name != other.name:
        return False
    match one.negated, other.negated:
        case False, False:
            return one.values <= other.values
        case True, True:
            return one.values >= other.values
        case False, True:
            return one.values.isdisjoint(other.values)
    # A value that is none of some may be any other.
    return False
