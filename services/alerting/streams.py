"""Streams of alerts: a snapshot or a place in the log, then every change in order, and where the reader stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

from services.alerting.audience import Audience, Render
from services.alerting.filters import AlertFilter
from services.alerting.log import BookmarkReason, Position
from services.alerting.log_reader import LogReader, Opening, expired
from services.alerting.quiet import Quiet
from services.alerting.tail import Tails
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
        (RESUME_TOKEN_EXPIRED) when what follows it is not kept.
        """
        return self._follow(self._audience(tenant_id, wanted, render), start)

    async def _follow(self, audience: Audience, start: Start) -> AsyncGenerator[bytes, None]:
        self._open += 1
        self._is_empty.clear()
        try:
            opening, position = await self._begin(audience, start)
            if isinstance(start, FromSnapshot):
                for message in audience.snapshot(opening):
                    yield message
            else:
                yield audience.created(opening.head, position)
            del opening
            async with aclosing(self._continue(audience, position)) as messages:
                async for message in messages:
                    yield message
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

    async def _begin(self, audience: Audience, start: Start) -> tuple[Opening, Position]:
        position = audience.read_token(start.resume_token) if isinstance(start, FromToken) else None
        opening = await self._reader.open(audience.tenant_id, audience.wanted if isinstance(start, FromSnapshot) else None)
        if position is None:
            return opening, Position(opening.head.revision, opening.head.epoch, opening.head.mark)
        if not opening.head.continues(position):
            raise expired(opening.head)
        return opening, position

    async def _continue(self, audience: Audience, position: Position) -> AsyncGenerator[bytes, None]:
        with Quiet(self._heartbeat_s) as quiet, self._tails.watched(audience.tenant_id, quiet.wake) as tail:
            while not self._is_closing:
                quiet.look()
                renditions = tail.renditions
                entries = await tail.after(position, _BATCH)
                messages = list(audience.events(renditions, entries, position.epoch))
                for message in messages:
                    yield message
                if messages:
                    quiet.begin()
                if entries:
                    position = replace(position, revision=entries[-1].revision, mark=entries[-1].mark)
                elif not quiet.is_over():
                    await quiet.wait()
                elif tail.has_told_all(position):
                    yield audience.bookmark(BookmarkReason.HEARTBEAT, position)
                    quiet.begin()
                else:
                    await quiet.wait(_STALE_PAUSE_S)
        yield audience.bookmark(BookmarkReason.BEFORE_CLOSE, position)
