"""Loads the past that a plan needs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date
from decimal import Decimal
from functools import partial
from typing import TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import backtest_store, fact_store, target_store
from services.alerting.backtest_plan import Plan
from services.alerting.backtest_store import Asked
from services.alerting.backtesting import Facts
from services.alerting.conditions import Absence, Target
from services.alerting.history import History, Row, Telling
from services.alerting.measures import MEASURES, MONEY, PLATFORMS, VALUE, Kept
from services.alerting.rules import NoData, SubjectKind
from services.alerting.targets import next_month
from services.runtime.windows import local_day
from services.storage.reading import Settings

#: What makes a history of rows.
_Making: TypeAlias = Callable[[], History]


async def load(conn: AsyncConnection, plan: Plan, settings: Settings) -> Callable[[], Facts]:
    """Return what makes the facts that a plan's moments are looked at with, which may take a second.

    The number of statements does not depend on what is there.
    """
    kind, ids = plan.rule.subject_kind, plan.rule.subject_ids
    days: list[_Making] = []
    quarters: list[_Making] = []
    if plan.days:
        days = await _sums(conn, plan, Asked(kind, ids, *plan.days, plan.zone, is_daily=True), settings)
    if plan.quarters:
        quarters = await _fine(conn, plan, Asked(kind, ids, *plan.quarters, plan.zone), settings)
    return partial(_facts, days, quarters, await _targets(conn, plan, settings), await _known(conn, plan))


def _facts(
    days: Iterable[_Making], quarters: Iterable[_Making], targets: Mapping[tuple[str, date], Decimal], known: Collection[str]
) -> Facts:
    return Facts([made() for made in days], [made() for made in quarters], targets, known)


async def _fine(conn: AsyncConnection, plan: Plan, asked: Asked, settings: Settings) -> list[_Making]:
    match plan.kept:
        case Kept.SCORES:
            return [partial(History, (VALUE,), await backtest_store.list_ratings(conn, asked), Telling.VALUE)]
        case Kept.RECEIPTS:
            return [_history(plan, (MEASURES[plan.rule.measure].of,), await backtest_store.list_receipts(conn, asked))]
        case _:
            return await _sums(conn, plan, asked, settings)


async def _sums(conn: AsyncConnection, plan: Plan, asked: Asked, settings: Settings) -> list[_Making]:
    needed = MEASURES[plan.rule.measure].columns
    counts = tuple(name for name in needed if name not in MONEY)
    found: list[_Making] = []
    if counts:
        found.append(_history(plan, counts, await backtest_store.list_counts(conn, asked, counts)))
    if MONEY & set(needed):
        rows = await backtest_store.list_money(conn, asked, settings.reporting_currency)
        found.append(partial(History, ("orders", "revenue", "unpriced"), rows))
    return found


def _history(plan: Plan, columns: tuple[str, ...], rows: Iterable[Row]) -> _Making:
    if isinstance(plan.rule.condition, Absence):
        return partial(History, columns, (row for row in rows if row.values[0] > 0), Telling.TIME)
    return partial(History, columns, rows)


async def _targets(conn: AsyncConnection, plan: Plan, settings: Settings) -> dict[tuple[str, date], Decimal]:
    """Return the targets of a plan's months in the reporting currency."""
    if not isinstance(plan.rule.condition, Target):
        return {}
    month, last = (local_day(moment, plan.zone).replace(day=1) for moment in (plan.moments[0], plan.moments[-1]))
    months = [month]
    while months[-1] < last:
        months.append(next_month(months[-1]))
    told = await target_store.list_targets(conn, months)
    is_agent = plan.rule.subject_kind == SubjectKind.AGENT
    mine = [t for t in told if t.currency == settings.reporting_currency and bool(t.agent_id) is is_agent]
    return {(target.agent_id, target.month): target.amount for target in mine}


async def _known(conn: AsyncConnection, plan: Plan) -> set[str]:
    """Return who is looked at though there be no facts: that matters only where these are missed."""
    if plan.rule.no_data != NoData.WRONG:
        return set()
    if plan.rule.subject_kind == SubjectKind.AGENT:
        return await fact_store.list_agents(conn)
    return set(PLATFORMS.values()) if plan.rule.subject_kind == SubjectKind.PLATFORM else set()
