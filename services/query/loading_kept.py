"""Fits windows to what is kept of facts, for answers that no rollup tells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from services.query import convert, metrics_limits, store_periods
from services.query.answers import Frame
from services.query.calls import window_of
from services.query.dimensions import Dimension, Filter
from services.query.questions import Question, with_before
from services.runtime.windows import Window
from services.storage.readings import Reading, read_together

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kept:
    """A window of which facts are kept one by one, and since when they are; None: all are kept."""

    window: Window
    since: datetime | None


async def load_kept(conn: AsyncConnection, request: Any, frame: Frame) -> Kept:
    """Return the window that a request asks for, which begins no earlier than facts are kept when it does not say when.

    Raises InvalidArgument (UNSUPPORTED_WINDOW, QUERY_TOO_LARGE) for one that facts one by one do not answer.
    """
    since = await store_periods.get_kept_since(conn)
    is_given = convert.given_moment(request, "start_time") is not None
    return Kept(metrics_limits.of_facts(window_of(request, frame), since, is_given=is_given), since)


async def load_beside(conn: AsyncConnection, reading: Reading[T]) -> tuple[T, datetime | None]:
    """Return what a reading tells, and since when facts are kept one by one (None: all are), in one round trip.

    For answers that tell what is left of facts, too, and say so.
    """
    return await read_together(conn, reading, store_periods.kept_since())


async def load_question(conn: AsyncConnection, request: Any, only: Filter, frame: Frame) -> Question:
    """Return what a request asks next to the period before, as far as that is kept.

    What is asked of industries is answered from facts one by one; raises InvalidArgument like load_kept. Everything else is in
    rollups, but for how many different customers there were.
    """
    if only.is_kept:
        window = window_of(request, frame)
        # Whole days of agents, or of all, need no facts.
        needs_facts = window.days is None or only.values.keys() - {Dimension.AGENT} or len(only.of(Dimension.AGENT) or ()) > 1
        since = await store_periods.get_kept_since(conn) if needs_facts else None
        return replace(with_before(window, only, frame.now), kept_since=since)
    kept = await load_kept(conn, request, frame)
    question = replace(with_before(kept.window, only, frame.now), kept_since=kept.since)
    return question if question.is_of_facts else question.alone()
