"""Streams of alerts: a snapshot or a place in the log, then every change in order, and where the reader stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple
from weakref import WeakValueDictionary

from services.alerting.audience import Audience, Render
from services.alerting.filters import AlertFilter
from services.alerting.log import BookmarkReason, Entry, Position
from services.alerting.log_reader import LogReader, expired
from services.alerting.quiet import Quiet
from services.alerting.renditions import Renditions
from services.alerting.tail import Tail, Tails
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


class News(NamedTuple):
    """Entries of a log, and where it is kept what is made of them."""

    renditions: Renditions
    entries: list[Entry]


class Streams:
    """Every stream of this process.

    `heartbeat_s` gives the seconds of silence before the next heartbeat.
    """

    def __init__(self, reader: LogReader, tails: Tails, signer: Signer, heartbeat_s: Callable[[], float]) -> None:
        self._reader = reader
        self._tails = tails
        self._signer = signer
        self._heartbeat_s = heartbeat_s
        self._audiences: WeakValueDictionary[tuple[str, AlertFilter, Render], Audience] = WeakValueDictionary()
        self._open = 0
        self._is_closing = False
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    async def close(self) -> None:
        """Let every stream say goodbye, and return when all have."""
        self._is_closing = True
        self._tails.pulse()
        await self._is_empty.wait()

    def follow(self, tenant_id: str, wanted: AlertFilter, start: Start, render: Render) -> AsyncGenerator[bytes, None]:
        """Return one stream's messages, as `render` makes them, until the service closes.

        Raises InvalidArgument (INVALID_RESUME_TOKEN) for a token that is not of this tenant and filter, and OutOfRange
        (RESUME_TOKEN_EXPIRED) when what follows it is not kept, or another log takes the place of this one meanwhile.
        """
        return self._follow(self._audience(tenant_id, wanted, render), start)

    async def _follow(self, audience: Audience, start: Start) -> AsyncGenerator[bytes, None]:
        with self._counted(), Quiet(self._heartbeat_s) as quiet:
            read = audience.read_token(start.resume_token) if isinstance(start, FromToken) else None
            opening = await self._reader.open(audience.tenant_id, audience.wanted) if isinstance(start, FromSnapshot) else None
            async with self._tails.joined(audience.tenant_id, quiet.wake) as tail:
                head = tail.head if opening is None else opening.head
                position = read or Position(head.revision, head.epoch, head.mark)
                # Before anything is said: who cannot continue is told only that. What was checked is what is told then.
                if not tail.head.continues(position):
                    raise expired(tail.head)
                news = await _after(position, tail, quiet)
                for message in [audience.created(head, position)] if opening is None else audience.snapshot(opening):
                    yield message
                opening = None
                quiet.begin()
                async with aclosing(self._continue(audience, position, tail, quiet, news)) as messages:
                    async for message in messages:
                        yield message

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count a stream among those that are open for the block."""
        self._open += 1
        self._is_empty.clear()
        try:
            yield
        finally:
            self._open -= 1
            if self._open == 0:
                self._is_empty.set()

    def _audience(self, tenant_id: str, wanted: AlertFilter, render: Render) -> Audience:
        key = (tenant_id, wanted, render)
        audience = self._audiences.get(key)
        if audience is None:
            audience = self._audiences[key] = Audience(*key, self._signer)
        return audience

    async def _continue(
        self, audience: Audience, at: Position, tail: Tail, quiet: Quiet, news: News
    ) -> AsyncGenerator[bytes, None]:
        while not self._is_closing:
            messages = list(audience.events(*news, at.epoch))
            for message in messages:
                yield message
            if messages:
                quiet.begin()
            if news.entries:
                at = replace(at, revision=news.entries[-1].revision, mark=news.entries[-1].mark)
            elif not quiet.is_over():
                await quiet.wait()
            elif tail.has_told_all(at):
                yield audience.bookmark(BookmarkReason.HEARTBEAT, at)
                quiet.begin()
            else:
                await quiet.wait(_STALE_PAUSE_S)
            news = await _after(at, tail, quiet)
        yield audience.bookmark(BookmarkReason.BEFORE_CLOSE, at)


async def _after(position: Position, tail: Tail, quiet: Quiet) -> News:
    """Return what follows a position; what comes later ends the quiet."""
    quiet.look()
    # In this order: renditions are made anew for another log.
    return News(tail.renditions, await tail.after(position, _BATCH))
