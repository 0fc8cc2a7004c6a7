"""What an export tells and what follows it: datasets, marks, and how much is read at once.

An export goes through a dataset by its rows' keys, which never change, so that a row stored all the while is told once, as it
was when its page was read. What changes meanwhile is for the next export: that one begins at the mark of this one's beginning.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

#: Keys read as one page at first, and the least and the most; one page's bytes should be near the aim and never above the most.
FIRST_PAGE, LEAST_PAGE, LONGEST_PAGE = 2_000, 1, 40_000
AIM_BYTES, MOST_BYTES = 2 * 1024 * 1024, 8 * 1024 * 1024
#: Exports that a process serves at once unless it is told otherwise: each may hold up to 100 MB.
MOST_EXPORTS = 4
#: Groups that agents are put in: a mark knows how often the numbers of each group's agents moved.
GROUPS = 128

#: Where a page ends: the values of a row's key, days in ISO 8601.
Key = tuple[str | int, ...]


class Dataset(Enum):
    """What can be exported, by the contract's word."""

    CONVERSATIONS = "conversations"
    AGENT_DAYS = "agent_days"
    CUSTOMER_SCORES = "customer_scores"
    TRANSACTIONS = "transactions"
    APPOINTMENTS = "appointments"
    FOLLOW_UPS = "follow_ups"
    COSTS = "costs"
    ALERTS = "alerts"


class Format(Enum):
    """How a file is written, by the contract's word."""

    CSV = "csv"
    ARROW = "arrow"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class Span:
    """The period [start, end) that rows are wanted of, by their own time; None: without end on that side."""

    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Mark:
    """How far everything was known when an export began, as the dataset can tell it.

    `at`: what was recorded earlier was committed and counted. `groups`: how often the numbers of each group of agents moved,
    modulo 2**32. `log`: the epoch and the last revision of the log of alerts.
    """

    at: datetime
    groups: tuple[int, ...] = ()
    log: tuple[str, int] = ("", 0)

    def to_json(self) -> dict[str, Any]:
        """Return the mark as JSON values."""
        packed = base64.b64encode(struct.pack(f"<{len(self.groups)}I", *self.groups)).decode()
        return {"at": self.at.isoformat(), "groups": packed, "log": list(self.log)}

    @classmethod
    def of_json(cls, told: dict[str, Any]) -> Mark:
        """Return the mark that `to_json` told."""
        packed = base64.b64decode(told["groups"])
        epoch, revision = told["log"]
        return cls(datetime.fromisoformat(told["at"]), struct.unpack(f"<{len(packed) // 4}I", packed), (epoch, revision))


@dataclass(frozen=True, slots=True)
class Course:
    """Where an export stands: what is left out of it as told before, where the next one begins, and the last key told.

    `since`: None, and nothing is left out. `mark`: None before the export has begun. `after`: None at its beginning. `moved`:
    the groups of agents whose numbers moved from `since` to `mark`; they stand for the groups of `since`, which is without
    them once the export has begun: as many numbers more would not fit into a token beside a key of long names.
    """

    since: Mark | None = None
    mark: Mark | None = None
    after: Key | None = None
    moved: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what a token carries."""
        marks = {name: mark.to_json() for name, mark in (("since", self.since), ("mark", self.mark)) if mark is not None}
        return marks | ({"moved": _bits(self.moved)} if self.moved else {}) | ({"after": list(self.after)} if self.after else {})

    @classmethod
    def of_json(cls, told: dict[str, Any]) -> Course:
        """Return what a token stands for."""
        marks = {name: Mark.of_json(told[name]) for name in ("since", "mark") if name in told}
        after = tuple(told["after"]) if "after" in told else None
        return cls(**marks, after=after, moved=_of_bits(told["moved"]) if "moved" in told else ())

    def begun(self, mark: Mark) -> Course:
        """Return the course of an export that begins at `mark`; one that has begun goes on as it is."""
        if self.mark is not None:
            return self
        if self.since is None:
            return Course(mark=mark, after=self.after)
        return Course(replace(self.since, groups=()), mark, self.after, tuple(moved_groups(self.since, mark)))

    def at(self, key: Key) -> Course:
        """Return the same export's course once a key is told."""
        return replace(self, after=key)

    def following(self) -> Course:
        """Return the course of the export that tells what has changed since this one began."""
        return Course(since=self.mark)


def known_to(waiting_since: datetime | None, now: datetime, longest_transaction: timedelta) -> datetime:
    """Return the moment before which everything recorded is committed and counted, whatever is still under way.

    Facts carry the moment at which their transaction began to record, so the longest transaction is allowed for before the
    oldest change that waits to be counted, too.
    """
    return (waiting_since or now) - longest_transaction


def moved_groups(since: Mark, mark: Mark) -> list[int]:
    """Return the groups of agents whose numbers may have moved between two marks."""
    if len(since.groups) != len(mark.groups):
        return list(range(GROUPS))
    return [group for group, (before, now) in enumerate(zip(since.groups, mark.groups, strict=True)) if before != now]


def revision_since(since: Mark | None, mark: Mark) -> int:
    """Return the revision of the log of alerts after which alerts are wanted; 0: all, as after a log has begun anew."""
    return since.log[1] if since is not None and since.log[0] == mark.log[0] else 0


def next_page(keys: int, read_bytes: int) -> int:
    """Return how many keys to read as the next page, given those of the last and the bytes that their rows took."""
    fitting = keys * 2 if read_bytes * 2 <= AIM_BYTES else keys * AIM_BYTES // read_bytes
    return max(LEAST_PAGE, min(LONGEST_PAGE, fitting))


def _bits(groups: Iterable[int]) -> str:
    """Return groups of agents as text: a bit a group."""
    return base64.b64encode(sum(1 << group for group in groups).to_bytes(GROUPS // 8, "little")).decode()


def _of_bits(text: str) -> tuple[int, ...]:
    bits = int.from_bytes(base64.b64decode(text), "little")
    return tuple(group for group in range(GROUPS) if bits >> group & 1)
