"""What streams tell of alerts whose customers were erased: the same revisions, and from then on without the customer's words."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf

from rapport.alerting.v1 import alert_pb2

from tests.alerting.histories import SNAPSHOT, Change, History, Log, Stream, Told, Wanted
from tests.alerting.validators import objections
from tests.chaos.alert_record import Logged, Record


@dataclass(slots=True)
class Erasure:
    """When a customer's erasure was asked for, and when everybody had to know that it was done; in seconds."""

    asked_s: float
    known_s: float = inf


@dataclass(frozen=True, slots=True)
class Words:
    """What a message says of a revision in words: whom it concerns, who did it, and what was said."""

    revision: int
    subject_id: str
    author: str
    comment: str
    acknowledged_comment: str
    is_snapshot: bool = False


@dataclass(slots=True)
class Call(Stream):
    """A stream, from when to when it was read, and what it told in words."""

    began_s: float = 0.0
    ended_s: float = inf
    words: list[Words] = field(default_factory=list)


def words_of(event: alert_pb2.AlertEvent) -> Words:
    """Return what an event says in words."""
    alert = event.alert
    said = (event.author, event.comment, alert.acknowledgement.comment)
    return Words(alert.revision, alert.subject_id, *said, is_snapshot=event.kind == SNAPSHOT)


class Erased:
    """The log as it was written and as erasing left it, and who is to be told which."""

    def __init__(self, record: Record, erasures: Mapping[str, Erasure]) -> None:
        self.was = Log((Change(e.revision, e.kind, e.before, e.after) for e in record.logged), record.first_kept)
        self.now = Log((_left(e, record) for e in record.logged), record.first_kept)
        self.entries = {entry.revision: entry for entry in record.logged}
        self._record = record
        self._erasures = {alert_id: erasures[renamed.customer] for alert_id, renamed in record.renamed.items()}

    def judge(self, reader: str, wanted: Wanted, calls: Iterable[Call]) -> Iterator[tuple[str, str]]:
        """Yield what validators object to in what a reader saw: the promise, and what breaks it."""
        for call in calls:
            view = _View(self, *self._known_to(call))
            for promise, lines in objections(History(reader, wanted, [call]), view).items():
                yield from ((promise, f"{reader}: {line}") for line in lines)
            yield from (("worded", f"{reader}: {line}") for line in self._misworded(call, view))

    def rewritten(self) -> Iterator[str]:
        """Yield what was done to the log by erasing that is not what erasing does."""
        for body in self._record.rewritten:
            entry = self.entries.get(body["revision"])
            renamed = None if entry is None else self._record.renamed.get(entry.alert_id)
            if entry is None or renamed is None:
                yield f"{body} was rewritten, and nobody erased"
                continue
            before = None if entry.before is None else renamed.taken_out(entry.before)
            left = (entry.alert_id, entry.kind, before, renamed.taken_out(entry.after), entry.author, "")
            if tuple(body[name] for name in ("alert_id", "kind", "before", "after", "author", "comment")) != left:
                yield f"{entry} became {body}"

    def _known_to(self, call: Call) -> tuple[set[str], set[str]]:
        """Return the alerts of whose customers a call may not know, and those that were erased while it went on."""
        gone = {alert_id for alert_id, erasure in self._erasures.items() if erasure.known_s < call.began_s}
        during = {alert_id for alert_id, erasure in self._erasures.items() if erasure.asked_s <= call.ended_s}
        return gone, during - gone

    def _misworded(self, call: Call, view: _View) -> Iterator[str]:
        for told in call.words:
            entry = self.entries.get(told.revision)
            if entry is not None and told not in self._allowed(entry, view, is_snapshot=told.is_snapshot):
                yield f"{told} of {entry}"

    def _allowed(self, entry: Logged, view: _View, *, is_snapshot: bool) -> list[Words]:
        """Return the words in which a revision may be told. A snapshot tells what is, not what was done."""
        author, comment = ("", "") if is_snapshot else (entry.author, entry.comment)
        subject, said = entry.after["subject_id"], entry.after["acknowledged_comment"]
        written = Words(entry.revision, subject, author, comment, said, is_snapshot=is_snapshot)
        renamed = self._record.renamed.get(entry.alert_id)
        if renamed is None or renamed.pseudonym == subject:
            return [written]
        left = Words(entry.revision, renamed.pseudonym, author, "", "", is_snapshot=is_snapshot)
        return [left] if entry.alert_id in view.gone else [written, left] if entry.alert_id in view.during else [written]


class _View(Log):
    """The log for one call: without the words of `gone` alerts' customers, and with or without those of `during`."""

    def __init__(self, erased: Erased, gone: set[str], during: set[str]) -> None:
        self.revisions, self.first_kept = erased.was.revisions, erased.was.first_kept
        self.gone, self.during = gone, during
        self._erased = erased

    def event(self, wanted: Wanted, revision: int) -> Told | None:
        """Return what a revision is to a reader; None when it is nothing."""
        found = self._forms(wanted, revision)
        return next((told for told in found if told is not None), None)

    def events(self, wanted: Wanted, after: int, up_to: int) -> list[int]:
        """Return the revisions in (after, up_to] that a reader has to be told."""
        between = self.revisions[bisect_right(self.revisions, after) : bisect_right(self.revisions, up_to)]
        return [revision for revision in between if None not in self._forms(wanted, revision)]

    def open_at(self, wanted: Wanted, revision: int) -> set[Told]:
        """Return the alerts that are open and wanted once a revision is written; those of erased customers are not."""
        return self._erased.was.open_at(wanted, revision)

    def _forms(self, wanted: Wanted, revision: int) -> list[Told | None]:
        """Return what a revision may be to a reader."""
        entry = self._erased.entries.get(revision)
        alert_id = "" if entry is None else entry.alert_id
        logs = [self._erased.was] * (alert_id not in self.gone) + [self._erased.now] * (alert_id in self.gone | self.during)
        return [log.event(wanted, revision) for log in logs]


def _left(entry: Logged, record: Record) -> Change:
    """Return what erasing leaves of a revision."""
    renamed = record.renamed.get(entry.alert_id)
    if renamed is None:
        return Change(entry.revision, entry.kind, entry.before, entry.after)
    before = None if entry.before is None else renamed.taken_out(entry.before)
    return Change(entry.revision, entry.kind, before, renamed.taken_out(entry.after))
