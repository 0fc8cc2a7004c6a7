"""Holds what was seen and answered in a round against the log that there is at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.chaos import alert_acts
from tests.chaos.alert_acts import Sent
from tests.chaos.alert_erased import Call, Erased, Erasure
from tests.chaos.alert_house import AlertHouse
from tests.chaos.alert_readers import Reader
from tests.chaos.alert_rounds import Round

#: How streams may end. What the services do not say themselves is of the way there: it has no reason.
_ENDS = {"LEFT", "OK", "OUT_OF_RANGE RESUME_TOKEN_EXPIRED", "RESOURCE_EXHAUSTED SLOW_CONSUMER"}
_ENDS |= {"UNAVAILABLE", "UNAVAILABLE DATABASE_UNAVAILABLE", "DEADLINE_EXCEEDED DEADLINE_EXCEEDED"}
_ENDS |= {"INTERNAL", "UNKNOWN", "CANCELLED"}


@dataclass(frozen=True, slots=True)
class Seen:
    """What readers saw in a round, what people sent, and who was erased."""

    calls: Mapping[Reader, Sequence[Call]]
    sent: Sequence[Sent]
    erased: Sequence[str]


def judge(house: AlertHouse, seen: Seen, erasures: Mapping[str, Erasure], known: int) -> Round:
    """Return what a round came to before which `known` was the newest revision; `erasures` are those of all rounds.

    What was hit, and how long it took, is for the caller to add.
    """
    record = house.record()
    erased = Erased(record, erasures)
    said: dict[str, list[str]] = alert_acts.objections(seen.sent, record, known)
    for reader, calls in seen.calls.items():
        for promise, line in erased.judge(reader.name, reader.wanted, calls):
            said.setdefault(promise, []).append(line)
    said.setdefault("worded", []).extend(erased.rewritten())
    streams = [call for calls in seen.calls.values() for call in calls]
    ends = Counter(f"{stream.end.status} {stream.end.reason}".strip() for stream in streams if stream.end)
    return Round(
        blows=(),
        newest=max(erased.was.revisions, default=0),
        revisions=sum(revision > known for revision in erased.was.revisions),
        acts=alert_acts.counted(seen.sent),
        erased=len(seen.erased),
        messages=sum(len(stream.seen) for stream in streams),
        streams=ends,
        said=said,
        failures=[*_failures(house, erased.was.revisions, ends), *_remains(house, seen)],
        seconds=0.0,
    )


def _failures(house: AlertHouse, revisions: Sequence[int], ends: Mapping[str, int]) -> Iterator[str]:
    if ended := house.ended():
        yield f"{', '.join(ended)} ended unasked\n{house.last_words()}"
    if revisions != list(range(1, len(revisions) + 1)):
        yield f"the log has {len(revisions)} revisions up to {revisions[-1]}"
    yield from (f"{times} streams ended with {end}" for end, times in ends.items() if end not in _ENDS)


def _remains(house: AlertHouse, seen: Seen) -> Iterator[str]:
    if named := house.still_named(seen.erased):
        yield f"customers who were erased are named in {named}"
    if any(act.refused and act.refused not in alert_acts.TOO_LATE for act in seen.sent):
        yield "\n".join(["people were refused otherwise than for being late", *house.errors()])
