"""Reads what insights need: a fixed number of statements, all of one moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from services.query import store_insights, store_periods
from services.query.answers import Frame
from services.query.dimensions import Dimension, Filter
from services.query.insights import EXPLAINED_BY, Material, Read, Split
from services.query.measures import Measure
from services.query.metrics import Money, Sums
from services.query.movements import Seen, comes_out_later
from services.query.report_figures import terms_of
from services.query.spans import BEFORE, NOW, SETTLING, Spans, elapsed, settled_first, spans_of, whole_days
from services.query.store_insights import Key
from services.runtime.windows import Window


async def load_changes(
    conn: AsyncConnection, measures: Collection[Measure], only: Filter, window: Window, frame: Frame
) -> Material:
    """Return what the measures are made of now and before, all in all and by what explains changes."""
    spans = spans_of(window, frame.now, await store_periods.get_kept_since(conn))
    terms = terms_of(*measures) | {"conversations"}
    sums = await store_insights.sum_changes(conn, settled_first(spans, frame.now), only, terms, frame.currency)
    count = len(spans.periods)
    every = _read(_together(sums, count), elapsed(spans, frame.now))
    later = frame.now - SETTLING
    is_settled = later >= window.end or not any(map(comes_out_later, measures))
    return Material(
        now=every.now,
        before=every.before,
        groups=every.groups,
        settled=None if is_settled else _read({k: each for k, each in sums.items() if k.period < count}, elapsed(spans, later)),
        currency=frame.currency,
        is_over=frame.now >= window.end,
    )


def _together(sums: Mapping[Key, Sums], count: int) -> Mapping[Key, Sums]:
    """Return the sums of `count` periods with what of them is newer, which is as many places later."""
    found: dict[Key, Sums] = {}
    for key, each in sums.items():
        whole = key._replace(period=key.period % count)
        found[whole] = _added(found[whole], each) if whole in found else each
    return found


def _added(one: Sums, other: Sums) -> Sums:
    counts = {name: one.counts.get(name, 0) + other.counts.get(name, 0) for name in one.counts.keys() | other.counts.keys()}
    money = dict(one.money)
    for currency, more in other.money.items():
        so_far = money.get(currency, Money())
        money[currency] = Money(so_far.orders + more.orders, so_far.amount + more.amount)
    return Sums(counts, money)


def _read(sums: Mapping[Key, Sums], spans: Spans) -> Read:
    return Read(
        now=_seen(sums, spans, NOW),
        before=_seen(sums, spans, BEFORE) if spans.has_before else None,
        groups={dimension: _split(sums, dimension) for dimension in EXPLAINED_BY},
    )


def _seen(sums: Mapping[Key, Sums], spans: Spans, place: int) -> Seen:
    # What a part of a day has is no day's number.
    days = {day: sums.get(Key(place, None, day), Sums()) for day in whole_days(spans.periods[place])}
    return Seen(sums.get(Key(place), Sums()), days)


def _split(sums: Mapping[Key, Sums], dimension: Dimension) -> Split:
    keys = [key for key in sums if key.dimension is dimension]
    return {
        key.value: (sums.get(Key(NOW, dimension, key.value), Sums()), sums.get(Key(BEFORE, dimension, key.value), Sums()))
        for key in keys
        if isinstance(key.value, str | int)
    }
