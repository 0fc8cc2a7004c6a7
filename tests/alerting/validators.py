"""What a stream of alerts promises, one validator for each promise: it returns a line for everything that breaks it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from tests.alerting.histories import Body, End, History, Log, Start, Stream, Wanted

_REFUSED = "RESUME_TOKEN_EXPIRED"


def ordered(history: History, log: Log) -> list[str]:
    """Revisions never fall within a stream."""
    pairs = [pair for stream in history.streams for pair in pairwise(stream.seen)]
    return [f"{later.revision} came after {earlier.revision}" for earlier, later in pairs if later.revision < earlier.revision]


def unique(history: History, log: Log) -> list[str]:
    """No change comes twice within a stream."""
    counted = [Counter(seen.revision for seen in stream.changes) for stream in history.streams]
    return [f"{revision} came {times} times" for each in counted for revision, times in each.items() if times > 1]


def reliable(history: History, log: Log) -> list[str]:
    """Between its beginning and the last message, a stream has every revision that its filter takes."""
    missing: list[str] = []
    for stream in history.streams:
        if stream.begun is not None:
            came = {seen.revision for seen in stream.changes}
            due = log.events(history.wanted, stream.begun, stream.reached)
            missing += [
                f"{revision} is missing between {stream.begun} and {stream.reached}" for revision in due if revision not in came
            ]
    return missing


def atomic(history: History, log: Log) -> list[str]:
    """A message has the whole of one revision and nothing else, and a snapshot is the log of one moment."""
    wanted = history.wanted
    return [line for stream in history.streams for line in (*_torn(stream, wanted, log), *_mixed(stream, wanted, log))]


def _torn(stream: Stream, wanted: Wanted, log: Log) -> Iterator[str]:
    for seen in stream.changes:
        due = log.event(wanted, seen.revision)
        if seen.told != (due,):
            yield f"{seen.revision} told {seen.told}, not {due}"


def _mixed(stream: Stream, wanted: Wanted, log: Log) -> Iterator[str]:
    if stream.start is not Start.SNAPSHOT:
        return
    opening = [seen for seen in stream.seen if seen.body in {Body.CREATED, Body.SNAPSHOT, Body.SNAPSHOT_END}]
    if len({seen.revision for seen in opening}) > 1:
        yield f"a snapshot of {sorted({seen.revision for seen in opening})}"
    elif stream.begun is not None:
        told = Counter(told for seen in opening for told in seen.told)
        due = Counter(log.open_at(wanted, stream.begun))
        if told != due:
            yield f"the snapshot of {stream.begun} lacks {list(due - told)} and has {list(told - due)} too much"


def bookmarkable(history: History, log: Log) -> list[str]:
    """Wherever a stream may be continued there is a token, and whoever has a bookmark has everything up to it."""
    return [line for stream in history.streams for line in (*_untokened(stream), *_premature(stream), *_unclosed(stream))]


def _untokened(stream: Stream) -> Iterator[str]:
    within = stream.start is Start.SNAPSHOT
    for seen in stream.seen:
        within = within and seen.body is not Body.SNAPSHOT_END
        if seen.has_token is within:
            yield f"a token within a snapshot at {seen.revision}" if within else f"{seen.body} {seen.revision} has no token"


def _premature(stream: Stream) -> Iterator[str]:
    marked = -1
    for seen in stream.seen:
        if seen.body is Body.CHANGE and seen.revision <= marked:
            yield f"{seen.revision} came after the bookmark {marked}"
        if seen.body in {Body.SNAPSHOT_END, Body.HEARTBEAT, Body.BEFORE_CLOSE}:
            marked = max(marked, seen.revision)


def _unclosed(stream: Stream) -> Iterator[str]:
    if any(seen.body is Body.BEFORE_CLOSE for seen in stream.seen[:-1]):
        yield "something came after BEFORE_CLOSE"
    if stream.end == End("OK") and not (stream.seen and stream.seen[-1].body is Body.BEFORE_CLOSE):
        yield f"the stream was closed at {stream.reached} without BEFORE_CLOSE"


def resumable(history: History, log: Log) -> list[str]:
    """A token continues right after its message, or is refused because what follows is not kept."""
    return [line for stream in history.streams for line in (*_misplaced(stream), *_refused(stream, log))]


def _misplaced(stream: Stream) -> Iterator[str]:
    if stream.start is Start.TOKEN and stream.seen:
        first = stream.seen[0]
        if (first.body, first.revision) != (Body.CREATED, stream.after):
            yield f"a token of {stream.after} was answered by {first.body} {first.revision}"
        again = [seen.revision for seen in stream.changes if seen.revision <= stream.after]
        yield from (f"{revision} came again after the token of {stream.after}" for revision in again)


def _refused(stream: Stream, log: Log) -> Iterator[str]:
    end = stream.end
    if end is None or end.status not in {"OUT_OF_RANGE", "INVALID_ARGUMENT"}:
        return
    first = end.first_available or log.first_kept
    can_continue = stream.start is Start.TOKEN or stream.begun is not None
    if end.reason != _REFUSED or not can_continue or not stream.reached + 1 < first <= log.first_kept:
        yield f"refused at {stream.reached} by {end}, though {log.first_kept} is the first revision that is kept"


Validator = Callable[[History, Log], list[str]]
VALIDATORS: Mapping[str, Validator] = {
    each.__name__: each for each in (ordered, unique, reliable, atomic, bookmarkable, resumable)
}


def objections(history: History, log: Log) -> dict[str, list[str]]:
    """Return what every validator that objects has to say, by its name."""
    said = {name: validator(history, log) for name, validator in VALIDATORS.items()}
    return {name: lines for name, lines in said.items() if lines}
