"""Which routes an alert takes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerting.matchers import Matcher
from services.alerting.telling.route_checks import violations
from services.alerting.telling.route_versions import Routing
from services.alerting.telling.routes import Place, Route, from_json, key_of, places, repeated, say_the_same, taken, to_json
from services.runtime.errors import Aborted

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


def fields(*routes: Route) -> list[str]:
    return [each.field for each in violations(routes)]


def matcher(name: str, *values: str, negated: bool = False) -> Matcher:
    return Matcher(name, frozenset(values), negated)


def test_a_route_that_is_never_reached_is_found():
    everything, narrow = Route("all", channel_ids=("c",)), Route("north", (NORTH,), ("c",))
    assert fields(everything, narrow, Route("high", (HIGH,))) == ["routes[1]", "routes[2]"]
    assert violations([everything, narrow])[0].description == "is never reached: all takes every alert that it would take"
    assert fields(replace(everything, continues=True), narrow) == []
    assert fields(narrow, everything) == []
    # Whatever continues in between.
    assert fields(everything, replace(narrow, continues=True), replace(everything, route_id="again")) == [
        "routes[1]",
        "routes[2]",
    ]


@pytest.mark.parametrize(
    ("first", "second", "is_covered"),
    [
        ((HIGH,), (HIGH, NORTH), True),
        ((HIGH, NORTH), (HIGH,), False),
        ((HIGH,), (matcher("severity", "high"),), True),
        ((matcher("severity", "high"),), (HIGH,), False),
        ((matcher("team", "south", negated=True),), (NORTH,), True),
        ((matcher("team", "north", negated=True),), (NORTH,), False),
        ((matcher("team", "a", negated=True),), (matcher("team", "a", "b", negated=True),), True),
        ((matcher("team", "a", "b", negated=True),), (matcher("team", "a", negated=True),), False),
        ((NORTH,), (matcher("team", "south", negated=True),), False),
    ],
)
def test_which_routes_cover_which(first: tuple[Matcher, ...], second: tuple[Matcher, ...], is_covered: bool):
    assert fields(Route("a", first), Route("b", second)) == (["routes[1]"] if is_covered else [])


MATCHERS = st.lists(
    st.builds(matcher, st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from("xyz"), negated=st.booleans()), max_size=3
)
NAMES = [{"a": a, "b": b} for a in "xyzu" for b in "xyzu"]


@given(st.lists(st.tuples(MATCHERS, st.booleans()), max_size=4))
def test_no_route_is_refused_that_an_alert_takes(made: list[tuple[list[Matcher], bool]]):
    routes = [Route(str(n), tuple(matchers), ("c",), continues=continues) for n, (matchers, continues) in enumerate(made)]
    refused = {int(field[len("routes[") : -1]) for field in fields(*routes)}
    assert not refused & {int(route.route_id) for names in NAMES for route in taken(routes, names)}


def test_a_route_that_tells_nobody_ends_the_way_or_is_refused():
    quiet = Route("quiet", (NORTH,))
    assert fields(quiet, Route("rest")) == []
    (found,) = violations([Route("first", (HIGH,), ("c",), continues=True), replace(quiet, continues=True)])
    assert (found.field, found.rule) == ("routes[1].continues", "route.idle")


LONG = st.timedeltas(timedelta(), timedelta(days=7))


@given(st.lists(LONG, min_size=3, max_size=3), MATCHERS)
def test_routes_that_are_put_as_they_are_stored_say_the_same(times: list[timedelta], matchers: list[Matcher]):
    route = Route("r", tuple(matchers), ("c", "d"), ("a", "b"), *times)
    stored = from_json("r", json.loads(json.dumps(to_json(route))))
    assert say_the_same([stored, Route("s")], (route, Route("s")))


def test_routes_that_differ_in_anything_do_not_say_the_same():
    one, two = Route("r", (HIGH,), ("c", "d"), ("a", "b")), Route("s")
    assert say_the_same([], ())
    different = {
        "route_id": "q",
        "matchers": (NORTH,),
        "channel_ids": ("c",),
        "group_by": ("a",),
        "group_wait": timedelta(),
        "group_interval": timedelta(),
        "repeat_interval": timedelta(),
        "continues": True,
    }
    assert different.keys() == Route.__dataclass_fields__.keys()
    for name, value in different.items():
        assert not say_the_same([one, two], [replace(one, **{name: value}), two])
    for others in ([two, one], [one], [one, two, Route("t")], []):
        assert not say_the_same([one, two], others)


def test_words_that_no_alert_has_are_found():
    wrong = Route("r", (NORTH, matcher("severity", "critcal")))
    (found,) = violations([Route("first", (HIGH, NORTH)), wrong])
    assert (found.field, found.rule) == ("routes[1].matchers[1].values", "matcher.word")


def test_a_version_that_the_caller_did_not_read_is_refused():
    Routing().check_version(None)
    Routing().check_version(0)
    Routing(3).check_version(3)
    for routing, expected in ((Routing(3), 2), (Routing(3), 0), (Routing(), 1)):
        with pytest.raises(Aborted) as refused:
            routing.check_version(expected)
        assert refused.value.reason == "VERSION_CONFLICT"
