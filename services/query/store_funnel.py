"""Reads how customers went from stage to stage."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Double, and_, cast, extract, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.dimensions import Dimension, Filter
from services.query.funnel import STAGES, Reached
from services.query.store_facts import CONVERSATION, facts
from services.runtime.windows import Window

_SECONDS_A_DAY = 86_400


async def read_stages(conn: AsyncConnection, window: Window, only: Filter) -> list[Reached]:
    """Return every stage as the conversations of a window tell it, in order. What it all means is said in `funnel`."""
    fact = facts(window, only, split=[Dimension.STAGE], kinds=[CONVERSATION], with_erased=False)
    stage = fact.c[f"dimension_{Dimension.STAGE:d}"]
    columns: list[ColumnElement[Any]] = []
    for s in STAGES:
        columns += [
            func.min(fact.c.at).filter(stage >= s).label(f"reached_{s}"),
            func.bool_or(stage == s).label(f"told_{s}"),
            func.count().filter(stage == s).label(f"talks_{s}"),
        ]
    told = select(*columns).where(stage >= STAGES[0]).group_by(fact.c.customer_id).subquery("told")
    row = (await conn.execute(select(*(each for s in STAGES for each in _stage(told.c, s))))).one()
    return [Reached(s, *row[3 * n : 3 * n + 3]) for n, s in enumerate(STAGES)]


def _stage(told: Any, s: int) -> list[ColumnElement[Any]]:
    """Return the customers who reached a stage, the conversations that tell it, and the median of days from the one before."""
    before = s - 1 if s > STAGES[0] else s
    both = and_(told[f"told_{s}"], told[f"told_{before}"])
    seconds = extract("epoch", told[f"reached_{s}"] - told[f"reached_{before}"])
    days = cast(seconds, Double) / _SECONDS_A_DAY
    return [
        func.count(told[f"reached_{s}"]),
        cast(func.coalesce(func.sum(told[f"talks_{s}"]), 0), BigInteger),
        func.percentile_cont(literal(0.5, Double)).within_group(days).filter(both),
    ]
