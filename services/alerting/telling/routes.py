"""Which routes an alert takes, and with which others it is told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from services.alerting.matchers import Matcher, satisfies
from services.alerting.rule_json import matchers_from_json, matchers_to_json

_TIMES = ("group_wait", "group_interval", "repeat_interval")


@dataclass(frozen=True, slots=True)
class Route:
    """Alerts that satisfy all matchers go to the channels, gathered by some of their names; without channels, nobody is told.

    The first of a group waits for others for `group_wait`; a group that changed is told again after `group_interval` at the
    earliest, one that did not and still fires after `repeat_interval`.
    """

    route_id: str
    matchers: tuple[Matcher, ...] = ()
    channel_ids: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()
    group_wait: timedelta = timedelta(seconds=30)
    group_interval: timedelta = timedelta(minutes=5)
    repeat_interval: timedelta = timedelta(hours=4)
    continues: bool = False

    @property
    def tells_nobody(self) -> bool:
        """Whether it only keeps alerts from the routes after it."""
        return not self.channel_ids


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where an alert is told: the route, and the key of the group there."""

    route_id: str
    key: str


def taken(routes: Iterable[Route], names: Mapping[str, str]) -> list[Route]:
    """Return the routes that an alert of these names takes: the first that it satisfies, and more as long as each continues."""
    found = []
    for route in routes:
        if satisfies(names, route.matchers):
            found.append(route)
            if not route.continues:
                break
    return found


def places(routes: Iterable[Route], names: Mapping[str, str]) -> dict[Place, dict[str, str]]:
    """Return where an alert of these names is told, each with the names that the group has in common."""
    found = {}
    for route in taken(routes, names):
        if not route.tells_nobody:
            common = {name: names.get(name, "") for name in route.group_by}
            found[Place(route.route_id, key_of(common))] = common
    return found


def key_of(common: Mapping[str, str]) -> str:
    """Return the same short text for the same names; it tells none of them."""
    return hashlib.sha256(json.dumps(sorted(common.items())).encode()).hexdigest()[:32]


def to_json(route: Route) -> dict[str, Any]:
    """Return what is stored of a route, without its id. Durations are seconds."""
    return {
        "matchers": matchers_to_json(route.matchers),
        "channel_ids": list(route.channel_ids),
        "group_by": list(route.group_by),
        "continues": route.continues,
        **{name: getattr(route, name).total_seconds() for name in _TIMES},
    }


def from_json(route_id: str, stored: Mapping[str, Any]) -> Route:
    """Return the route that is stored."""
    return Route(
        route_id=route_id,
        matchers=matchers_from_json(stored["matchers"]),
        channel_ids=tuple(stored["channel_ids"]),
        group_by=tuple(stored["group_by"]),
        continues=stored["continues"],
        **{name: timedelta(seconds=stored[name]) for name in _TIMES},
    )


def say_the_same(some: Sequence[Route], others: Sequence[Route]) -> bool:
    """Tell whether routes are alike one by one, in their order; who put them and why is no part of that."""
    return list(some) == list(others)


def repeated(routes: Sequence[Route]) -> list[int]:
    """Return the positions of routes whose id stands before them already."""
    ids = [route.route_id for route in routes]
    return [at for at, route_id in enumerate(ids) if route_id in ids[:at]]
