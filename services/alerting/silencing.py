"""Puts and ends silences: what they hold back is held back, or let go, in the same transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import silence_checks, silence_store
from services.alerting.silences import MOST, Silence
from services.alerting.suppressing import suppress, take_turn
from services.runtime.errors import FailedPrecondition, FieldViolation, NotFound, ResourceExhausted, invalid_field


async def put(conn: AsyncConnection, silence: Silence, now: datetime, new_id: Callable[[], UUID], *, is_new: bool) -> Silence:
    """Put a silence and return it as it is stored; a new one of a known id is a request that is sent again, and puts nothing.

    Raises InvalidArgument (INVALID_FIELDS) for one that must not be put, NotFound (SILENCE_NOT_FOUND), FailedPrecondition
    (SILENCE_ENDED) and ResourceExhausted (TOO_MANY).
    """
    await take_turn(conn, now)
    before = await silence_store.get_silence(conn, silence.silence_id)
    if is_new and before is not None:
        return _repeated(before, silence)
    silence_checks.check(silence, now)
    if is_new:
        await _make_room(conn, now)
        stored = silence
    else:
        stored = silence.put_over(_lasting(before, now))
    await silence_store.save_silence(conn, stored)
    await suppress(conn, now, new_id)
    return stored


async def end(conn: AsyncConnection, silence_id: UUID, now: datetime, new_id: Callable[[], UUID]) -> Silence:
    """End a silence, unless it is over, and return it. Raises NotFound (SILENCE_NOT_FOUND)."""
    await take_turn(conn, now)
    stored = _found(await silence_store.get_silence(conn, silence_id), "silence_id")
    ended = stored.ended(now)
    if ended is not stored:
        await silence_store.save_silence(conn, ended)
        await suppress(conn, now, new_id)
    return ended


async def _make_room(conn: AsyncConnection, now: datetime) -> None:
    if await silence_store.count_lasting(conn, now) >= MOST:
        raise ResourceExhausted("TOO_MANY", f"there are {MOST} silences that are not over; end one first")


def _repeated(before: Silence, silence: Silence) -> Silence:
    if not before.is_repeated_by(silence):
        raise invalid_field("request_id", "request_id.taken", "belongs to a silence of other matchers, another author or comment")
    return before


def _lasting(before: Silence | None, now: datetime) -> Silence:
    stored = _found(before, "silence.silence_id")
    if stored.is_over(now):
        raise FailedPrecondition("SILENCE_ENDED", "the silence has ended; make another one")
    return stored


def _found(silence: Silence | None, field: str) -> Silence:
    if silence is None:
        sentence = "there is no such silence"
        raise NotFound("SILENCE_NOT_FOUND", sentence, violations=[FieldViolation(field, "unknown", sentence)])
    return silence
