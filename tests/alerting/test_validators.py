"""Each validator objects to a history that breaks its promise, and none objects to one that keeps them all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.runtime.page_tokens import Signer
from tests.alerting.histories import (
    LEFT,
    LEFT_FILTER,
    SNAPSHOT,
    Body,
    Change,
    End,
    History,
    Log,
    Seen,
    Start,
    State,
    Stream,
    Told,
    revision_of,
    told_of_state,
)
from tests.alerting.house import KEYS
from tests.alerting.validators import VALIDATORS, objections

FIRED, UPDATED, RESOLVED = 2, 3, 4
FIRING, OVER = 1, 2


def state(alert: str, revision: int, value: float, *, over: bool = False) -> State:
    resolved_at = "2026-05-04" if over else None
    return {
        "alert_id": alert,
        "revision": revision,
        "value": value,
        "state": OVER if over else FIRING,
        "resolved_at": resolved_at,
        "acknowledged_at": None,
    }


def low(found: State) -> bool:
    """A filter that alerts enter and leave."""
    return found["value"] < 2


#: b fires, rises out of the filter and comes back to it; a is never in it and ends.
A1, B2, B3, A4, B5 = (
    state("a", 1, 3),
    state("b", 2, 1),
    state("b", 3, 2.5),
    state("a", 4, 5, over=True),
    state("b", 5, 1.5),
)
LOG = Log(
    [
        Change(1, FIRED, None, A1),
        Change(2, FIRED, None, B2),
        Change(3, UPDATED, B2, B3),
        Change(4, RESOLVED, A1, A4),
        Change(5, UPDATED, B3, B5),
    ]
)


def message(body: Body, revision: int, *told: Told, token: bool = True) -> Seen:
    return Seen(body, revision, token, told)


def change(kind: int, after: State) -> Seen:
    return message(Body.CHANGE, after["revision"], told_of_state(kind, after))


CREATED_AT_2 = message(Body.CREATED, 2)
ALL = [change(FIRED, A1), change(FIRED, B2), change(UPDATED, B3), change(RESOLVED, A4), change(UPDATED, B5)]
TOKEN = Stream(Start.TOKEN, 2, [CREATED_AT_2, *ALL[2:]], LEFT)
SNAPSHOTTED = Stream(
    Start.SNAPSHOT,
    0,
    [
        message(Body.CREATED, 2, token=False),
        message(Body.SNAPSHOT, 2, told_of_state(SNAPSHOT, A1), token=False),
        message(Body.SNAPSHOT, 2, told_of_state(SNAPSHOT, B2), token=False),
        message(Body.SNAPSHOT_END, 2),
        ALL[2],
        message(Body.HEARTBEAT, 3),
        *ALL[3:],
        message(Body.BEFORE_CLOSE, 5),
    ],
    End("OK"),
)
#: What the reader of low values is told: 3 leaves the filter, 4 is none of its business.
LOW = [change(LEFT_FILTER, B3), change(UPDATED, B5)]


def said(*streams: Stream, wanted: Any = lambda _: True, log: Log = LOG) -> dict[str, list[str]]:
    return objections(History("reader", wanted, streams), log)


def changed(stream: Stream, *seen: Seen, **more: Any) -> Stream:
    """Return a stream in which other messages came, if any are given."""
    return replace(stream, seen=list(seen or stream.seen), **more)


@pytest.mark.parametrize(
    "stream",
    [
        SNAPSHOTTED,
        TOKEN,
        changed(TOKEN, end=End("UNAVAILABLE")),
        changed(SNAPSHOTTED, *SNAPSHOTTED.seen[:2], end=LEFT),
        Stream(Start.NOW, 0, [message(Body.CREATED, 0), *ALL], LEFT),
        Stream(Start.TOKEN, 5, [message(Body.CREATED, 5), message(Body.HEARTBEAT, 5)], LEFT),
    ],
)
def test_no_validator_objects_to_a_stream_that_keeps_the_promises(stream: Stream) -> None:
    assert said(stream) == {}


def test_a_filter_s_stream_has_what_the_filter_takes_and_what_leaves_it() -> None:
    snapshot = [
        message(Body.CREATED, 2, token=False),
        message(Body.SNAPSHOT, 2, told_of_state(SNAPSHOT, B2), token=False),
        message(Body.SNAPSHOT_END, 2),
    ]
    stream = Stream(Start.SNAPSHOT, 0, [*snapshot, LOW[0], message(Body.HEARTBEAT, 4), LOW[1]], LEFT)
    assert said(stream, wanted=low) == {}
    assert set(said(changed(stream, *snapshot, LOW[1]), wanted=low)) == {"reliable"}
    assert set(said(stream)) == {"atomic", "reliable"}


TORN = message(Body.CHANGE, 3, replace(ALL[2].told[0], value=9.0))
TWO_IN_ONE = message(Body.CHANGE, 3, *ALL[2].told, *ALL[3].told)
UNKNOWN = message(Body.CHANGE, 6, replace(ALL[4].told[0], revision=6))
HEADLESS = SNAPSHOTTED.seen[3:]


@pytest.mark.parametrize(
    ("promise", "stream"),
    [
        ("ordered", changed(TOKEN, CREATED_AT_2, ALL[3], ALL[2], ALL[4])),
        ("ordered", changed(TOKEN, *TOKEN.seen, message(Body.HEARTBEAT, 4))),
        ("unique", changed(TOKEN, CREATED_AT_2, ALL[2], ALL[2], *ALL[3:])),
        ("reliable", changed(TOKEN, CREATED_AT_2, ALL[2], ALL[4])),
        ("reliable", changed(TOKEN, CREATED_AT_2, ALL[2], message(Body.HEARTBEAT, 4))),
        ("atomic", changed(TOKEN, CREATED_AT_2, TORN, *ALL[3:])),
        ("atomic", changed(TOKEN, CREATED_AT_2, TWO_IN_ONE, *ALL[3:])),
        ("atomic", changed(TOKEN, CREATED_AT_2, message(Body.CHANGE, 3), *ALL[3:])),
        ("atomic", changed(TOKEN, *TOKEN.seen, UNKNOWN)),
        ("atomic", changed(SNAPSHOTTED, SNAPSHOTTED.seen[0], SNAPSHOTTED.seen[2], *HEADLESS)),
        ("atomic", changed(SNAPSHOTTED, *SNAPSHOTTED.seen[:2], SNAPSHOTTED.seen[1], SNAPSHOTTED.seen[2], *HEADLESS)),
        ("atomic", changed(SNAPSHOTTED, replace(SNAPSHOTTED.seen[0], revision=1), *SNAPSHOTTED.seen[1:])),
        ("bookmarkable", changed(TOKEN, CREATED_AT_2, message(Body.HEARTBEAT, 3), *ALL[2:])),
        ("bookmarkable", changed(TOKEN, CREATED_AT_2, replace(ALL[2], has_token=False), *ALL[3:])),
        ("bookmarkable", changed(SNAPSHOTTED, replace(SNAPSHOTTED.seen[0], has_token=True), *SNAPSHOTTED.seen[1:])),
        ("bookmarkable", changed(SNAPSHOTTED, *SNAPSHOTTED.seen[:-1])),
        ("bookmarkable", changed(SNAPSHOTTED, *SNAPSHOTTED.seen, message(Body.HEARTBEAT, 5))),
        ("resumable", changed(TOKEN, message(Body.CREATED, 3), *ALL[3:])),
        ("resumable", changed(TOKEN, *ALL[2:])),
        ("resumable", changed(TOKEN, CREATED_AT_2, ALL[1], *ALL[2:])),
        ("resumable", changed(TOKEN, end=End("OUT_OF_RANGE", "RESUME_TOKEN_EXPIRED", 3))),
        ("resumable", changed(TOKEN, end=End("INVALID_ARGUMENT", "INVALID_RESUME_TOKEN"))),
    ],
)
def test_each_validator_objects_to_what_breaks_its_promise(promise: str, stream: Stream) -> None:
    assert promise in said(stream)


def test_a_refusal_is_right_only_when_what_follows_the_token_is_not_kept() -> None:
    kept = Log([Change(5, UPDATED, B3, B5)], first_kept=5)

    def refused(at: int, first: int, reason: str = "RESUME_TOKEN_EXPIRED") -> dict[str, list[str]]:
        return said(Stream(Start.TOKEN, at, [], End("OUT_OF_RANGE", reason, first)), log=kept)

    assert refused(3, 5) == refused(3, 0) == {}
    # 4 is the last that is gone, the log cannot have lost more than it has, and nobody is refused without a token.
    assert all("resumable" in found for found in (refused(4, 5), refused(4, 0), refused(3, 6), refused(3, 5, "OTHER")))
    assert "resumable" in said(Stream(Start.SNAPSHOT, 0, [], End("OUT_OF_RANGE", "RESUME_TOKEN_EXPIRED", 5)), log=kept)


def test_there_is_a_validator_for_each_promise() -> None:
    assert set(VALIDATORS) == {"ordered", "unique", "reliable", "atomic", "bookmarkable", "resumable"}


def test_a_token_tells_its_revision() -> None:
    assert revision_of(Signer("resume", KEYS).sign({"r": 4711, "e": "epoch"}, "tenant", "filter")) == 4711
