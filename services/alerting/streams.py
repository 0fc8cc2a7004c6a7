"""Streams of alerts: a snapshot or a place in the log, then every change in order, and where the reader stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace

from services.alerting.filters import AlertFilter
from services.alerting.lifecycle import EventKind
from services.alerting.log import Bookmark, BookmarkReason, Created, Entry, Message, Position, Told
from services.alerting.log_reader import LogReader, Opening, expired
from services.alerting.tail import Tail, Tails
from services.runtime.errors import InvalidArgument
from services.runtime.page_tokens import Signer

#: Entries that a stream takes from the log at once.
_BATCH = 50
_STALE_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class FromSnapshot:
    """Begin with every matching open alert."""


@dataclass(frozen=True, slots=True)
class FromNow:
    """Begin with the next change."""


@dataclass(frozen=True, slots=True)
class FromToken:
    """Begin after the message that carried the token."""

    resume_token: str


Start = FromSnapshot | FromNow | FromToken


class Streams:
    """Every stream of this process.

    `heartbeat_s` gives the seconds of silence before the next heartbeat.
    """

    def __init__(self, reader: LogReader, tails: Tails, signer: Signer, heartbeat_s: Callable[[], float]) -> None:
        self._reader = reader
        self._tails = tails
        self._signer = signer
        self._heartbeat_s = heartbeat_s
        self._open = 0
        self._is_closing = False
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    async def close(self) -> None:
        """Let every stream say goodbye, and return when all have."""
        self._is_closing = True
        self._tails.pulse()
        await self._is_empty.wait()

    async def follow(self, tenant_id: str, wanted: AlertFilter, start: Start) -> AsyncGenerator[Message, None]:
        """Yield the messages of one stream until the service closes.

        Raises InvalidArgument (INVALID_RESUME_TOKEN) for a token that is not of this tenant and filter, and OutOfRange
        (RESUME_TOKEN_EXPIRED) when what follows it is not kept.
        """
        stream = _Stream(tenant_id, wanted, self._signer)
        self._open += 1
        self._is_empty.clear()
        try:
            opening, position = await self._begin(stream, start)
            for message in stream.introduction(opening, start, position):
                yield message
            with self._tails.watched(tenant_id) as tail:
                async with aclosing(self._continue(stream, tail, position)) as messages:
                    async for message in messages:
                        yield message
        finally:
            self._open -= 1
            if self._open == 0:
                self._is_empty.set()

    async def _begin(self, stream: _Stream, start: Start) -> tuple[Opening, Position]:
        position = stream.read_token(start.resume_token) if isinstance(start, FromToken) else None
        opening = await self._reader.open(stream.tenant_id, stream.wanted if isinstance(start, FromSnapshot) else None)
        if position is None:
            return opening, Position(opening.head.revision, opening.head.epoch)
        if not opening.head.continues(position):
            raise expired(opening.head)
        return opening, position

    async def _continue(self, stream: _Stream, tail: Tail, position: Position) -> AsyncGenerator[Message, None]:
        clock = asyncio.get_running_loop().time
        due = clock() + self._heartbeat_s()
        while not self._is_closing:
            moved = tail.moved
            entries = await tail.after(position, _BATCH)
            for message in stream.events(entries, position.epoch):
                yield message
                due = clock() + self._heartbeat_s()
            if entries:
                position = replace(position, revision=entries[-1].revision)
            elif clock() < due:
                await _wait(moved, due - clock())
            elif tail.has_told_all(position):
                yield stream.bookmark(BookmarkReason.HEARTBEAT, position)
                due = clock() + self._heartbeat_s()
            else:
                await _wait(moved, _STALE_PAUSE_S)
        yield stream.bookmark(BookmarkReason.BEFORE_CLOSE, position)


@dataclass(frozen=True, slots=True)
class _Stream:
    """Whose stream it is and what is wanted: what its tokens are bound to."""

    tenant_id: str
    wanted: AlertFilter
    signer: Signer

    def introduction(self, opening: Opening, start: Start, position: Position) -> Iterator[Message]:
        """Yield how the stream begins. Within a snapshot there is no token: it cannot be continued."""
        revision = position.revision
        if not isinstance(start, FromSnapshot):
            yield Message(revision, self._token(position), Created(opening.head))
            return
        yield Message(revision, "", Created(opening.head))
        for alert in opening.alerts:
            yield Message(revision, "", Told(EventKind.SNAPSHOT, alert, None))
        yield self.bookmark(BookmarkReason.SNAPSHOT_END, position)

    def events(self, entries: list[Entry], epoch: str) -> Iterator[Message]:
        """Yield what the filter takes of the log."""
        for entry in entries:
            kind = self.wanted.event_kind(entry.change)
            if kind is not None:
                token = self._token(Position(entry.revision, epoch))
                told = Told(kind, entry.change.after, entry.at, entry.change.author, entry.change.comment)
                yield Message(entry.revision, token, told)

    def bookmark(self, reason: BookmarkReason, position: Position) -> Message:
        return Message(position.revision, self._token(position), Bookmark(reason))

    def read_token(self, token: str) -> Position:
        """Return the position that a token of this tenant and filter stands for. Raises InvalidArgument for any other."""
        payload = self.signer.read(token, self.tenant_id, self.wanted.fingerprint())
        if payload is None:
            raise InvalidArgument("INVALID_RESUME_TOKEN", "the resume token was changed, or belongs to another tenant or filter")
        return Position(payload["r"], payload["e"])

    def _token(self, position: Position) -> str:
        return self.signer.sign({"r": position.revision, "e": position.epoch}, self.tenant_id, self.wanted.fingerprint())


async def _wait(moved: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await moved.wait()
