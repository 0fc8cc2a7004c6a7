"""Which routes must not be put: those that no alert can take, that do nothing, or that name channels that are not there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from services.alerting import matcher_checks
from services.alerting.matchers import Matcher
from services.alerting.telling.routes import Route, repeated
from services.runtime.errors import FieldViolation, NotFound, invalid_fields


def check(routes: Sequence[Route]) -> None:
    """Raise InvalidArgument (INVALID_FIELDS), which names the fields, unless the routes may be put."""
    if found := violations(routes):
        raise invalid_fields(found)


def check_channels(routes: Sequence[Route], there: Collection[str]) -> None:
    """Raise NotFound (CHANNEL_NOT_FOUND), which names the fields, unless the channels are there that routes name."""
    violations = [
        FieldViolation(f"routes[{r}].channel_ids[{c}]", "exists", "names no channel")
        for r, route in enumerate(routes)
        for c, channel_id in enumerate(route.channel_ids)
        if channel_id not in there
    ]
    if violations:
        raise NotFound("CHANNEL_NOT_FOUND", f"{violations[0].field} names no channel", violations=violations)


def violations(routes: Sequence[Route]) -> list[FieldViolation]:
    """Return why routes must not be put, with field paths of the request that puts them."""
    return [*_repeated(routes), *_idle(routes), *_never_taken(routes), *_unreached(routes)]


def _repeated(routes: Sequence[Route]) -> Iterator[FieldViolation]:
    for at in repeated(routes):
        yield FieldViolation(f"routes[{at}].route_id", "unique", "stands there twice")


def _idle(routes: Sequence[Route]) -> Iterator[FieldViolation]:
    for at, route in enumerate(routes):
        if route.tells_nobody and route.continues:
            sentence = "must not be said of a route that tells nobody: it would do nothing"
            yield FieldViolation(f"routes[{at}].continues", "route.idle", sentence)


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
