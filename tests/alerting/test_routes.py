"""Which routes an alert takes."""

from __future__ import annotations

from datetime import timedelta

from services.alerting.matchers import Matcher
from services.alerting.routes import Place, Route, from_json, key_of, places, repeated, taken, to_json

HIGH = Matcher("severity", frozenset({"high", "critical"}))
NORTH = Matcher("team", frozenset({"north"}))


def ids(routes: list[Route], **names: str) -> list[str]:
    return [route.route_id for route in taken(routes, names)]


def test_the_first_that_it_satisfies_and_more_as_long_as_each_continues():
    routes = [
        Route("both", (HIGH, NORTH), continues=True),
        Route("high", (HIGH,), continues=True),
        Route("never", (Matcher("team", frozenset({"south"})),)),
        Route("north", (NORTH,)),
        Route("rest"),
    ]
    assert ids(routes, severity="high", team="north") == ["both", "high", "north"]
    assert ids(routes, severity="high") == ["high", "rest"]
    assert ids(routes, severity="low", team="north") == ["north"]
    assert ids(routes) == ["rest"]
    assert ids(routes[:1], severity="low") == []


def test_alerts_alike_in_the_names_of_a_route_are_told_together():
    routes = [Route("r", channel_ids=("c",), group_by=("team", "type"))]
    one, two = ({"team": "north", "type": "system", "severity": s} for s in ("low", "high"))
    assert places(routes, one) == places(routes, two) == {Place("r", key_of({"team": "north", "type": "system"})): {
        "team": "north", "type": "system"
    }}  # fmt: skip
    assert list(places(routes, {"team": "north"}).values()) == [{"team": "north", "type": ""}]
    assert places(routes, {"team": "a"}).keys().isdisjoint(places(routes, {"type": "a"}))


def test_a_route_without_channels_ends_the_way_and_tells_nobody():
    routes = [Route("quiet", (NORTH,)), Route("rest", channel_ids=("c",))]
    assert places(routes, {"team": "north"}) == {}
    assert len(places(routes, {"team": "south"})) == 1


def test_what_is_stored_is_what_was_put():
    route = Route(
        "r", (HIGH, Matcher("a", frozenset({""}), True)), ("c", "d"), ("x",), timedelta(milliseconds=1500), continues=True
    )
    assert from_json("r", to_json(route)) == route


def test_ids_that_stand_there_twice_are_found():
    assert repeated([Route("a"), Route("b"), Route("a"), Route("a")]) == [2, 3]
