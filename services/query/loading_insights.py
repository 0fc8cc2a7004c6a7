"""Reads what insights need: a fixed number of statements, all of one moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from services.query import store_insights, store_periods
from services.query.answers import Frame
from services.query.dimensions import Dimension, Filter
from services.query.insights import EXPLAINED_BY, Material, Split
from services.query.measures import Measure
from services.query.metrics import Sums
from services.query.movements import Seen
from services.query.periods import days_of
from services.query.report_figures import terms_of
from services.query.spans import BEFORE, NOW, Spans, elapsed, spans_of
from services.query.store_insights import Key
from services.runtime.windows import Window


async def load_changes(
    conn: AsyncConnection, measures: Collection[Measure], only: Filter, window: Window, frame: Frame
) -> Material:
    """Return what the measures are made of now and before, all in all and by what explains changes."""
    whole = spans_of(window, frame.now, await store_periods.get_kept_since(conn))
    spans = elapsed(whole, frame.now)
    terms = terms_of(*measures) | {"conversations"}
    sums = await store_insights.sum_changes(conn, spans, only, terms, frame.currency)
    return Material(
        now=_seen(sums, spans, NOW),
        before=_seen(sums, spans, BEFORE) if spans.has_before else None,
        groups={dimension: _split(sums, dimension) for dimension in EXPLAINED_BY},
        currency=frame.currency,
        is_over=frame.now >= window.end,
    )


def _seen(sums: Mapping[Key, Sums], spans: Spans, place: int) -> Seen:
    period = spans.periods[place]
    days = {day: sums.get(Key(place, None, day), Sums()) for day in days_of(period)}
    return Seen(sums.get(Key(place), Sums()), days, (period.end - period.start).total_seconds())


def _split(sums: Mapping[Key, Sums], dimension: Dimension) -> Split:
    keys = [key for key in sums if key.dimension is dimension]
    return {
        key.value: (sums.get(Key(NOW, dimension, key.value), Sums()), sums.get(Key(BEFORE, dimension, key.value), Sums()))
        for key in keys
        if isinstance(key.value, str | int)
    }
