"""Loads the past that a plan needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from itertools import takewhile
from typing import TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import backtest_store, fact_store, target_store
from services.alerting.backtest_plan import Plan
from services.alerting.backtest_store import Asked
from services.alerting.backtesting import Facts
from services.alerting.conditions import Absence, Target
from services.alerting.history import History, Row, Telling
from services.alerting.measures import MEASURES, MONEY, VALUE, Kept
from services.alerting.presence import is_counted, is_missed, known_since
from services.alerting.rules import SubjectKind
from services.alerting.targets import next_month
from services.runtime.windows import local_day, midnight
from services.storage.reading import Settings

#: What tells whether nobody waits for the facts any more.
_GivenUp: TypeAlias = Callable[[], bool]
#: What makes a history of rows; once it is given up, of some of them.
_Making: TypeAlias = Callable[[_GivenUp], History]
#: The day of those of whom nothing tells since when they are there.
_ALWAYS = datetime.fromtimestamp(0, UTC)


async def load(conn: AsyncConnection, plan: Plan, settings: Settings) -> Callable[[_GivenUp], Facts]:
    """Return what makes the facts that a plan's moments are looked at with, which may take a second.

    What it makes once it is given up is not whole. The number of statements does not depend on what is there.
    """
    kind, ids = plan.rule.subject_kind, plan.rule.subject_ids
    days: list[_Making] = []
    quarters: list[_Making] = []
    if plan.days:
        days = await _sums(conn, plan, Asked(kind, ids, *plan.days, plan.zone, is_daily=True), settings)
    if plan.quarters:
        quarters = await _fine(conn, plan, Asked(kind, ids, *plan.quarters, plan.zone), settings)
    targets, seen = await _targets(conn, plan, settings), await _seen(conn, plan)
    return partial(_facts, days, quarters, targets, _Rows(("seen",), seen, Telling.TIME))


def _facts(
    days: Iterable[_Making],
    quarters: Iterable[_Making],
    targets: Mapping[tuple[str, date], Decimal],
    seen: _Making,
    is_given_up: _GivenUp,
) -> Facts:
    made_days, made_quarters = ([made(is_given_up) for made in several] for several in (days, quarters))
    return Facts(made_days, made_quarters, targets, seen(is_given_up))


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of a history, which are made as they are taken."""

    columns: Sequence[str]
    rows: Iterable[Row]
    told: Telling = Telling.SUMS

    def __call__(self, is_given_up: _GivenUp) -> History:
        return History(self.columns, takewhile(lambda _: not is_given_up(), self.rows), self.told)


async def _fine(conn: AsyncConnection, plan: Plan, asked: Asked, settings: Settings) -> list[_Making]:
    match plan.kept:
        case Kept.SCORES:
            return [_Rows((VALUE,), await backtest_store.list_ratings(conn, asked), Telling.VALUE)]
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
        found.append(_Rows(("orders", "revenue", "unpriced"), rows))
    return found


def _history(plan: Plan, columns: tuple[str, ...], rows: Iterable[Row]) -> _Making:
    if isinstance(plan.rule.condition, Absence):
        return _Rows(columns, (row for row in rows if row.values[0] > 0), Telling.TIME)
    return _Rows(columns, rows)


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


async def _seen(conn: AsyncConnection, plan: Plan) -> list[Row]:
    """Return the days by which it is told who is there, where that matters.

    Of agents that are there now the first day on which anything of them was counted; of others each day with facts.
    """
    rule, zone = plan.rule, plan.zone
    if not is_counted(rule) and not is_missed(rule):
        return []
    if rule.subject_kind == SubjectKind.AGENT:
        agents = await fact_store.list_agents(conn, rule.subject_ids or None)
        began = await backtest_store.list_first_days(conn, agents)
        return [Row(each, midnight(began[each], zone) if each in began else _ALWAYS, ()) for each in sorted(agents)]
    since, until = known_since(plan.moments[0], zone), local_day(plan.moments[-1], zone)
    match rule.subject_kind:
        case SubjectKind.PLATFORM:
            days = await backtest_store.list_platform_days(conn, since, until)
        case SubjectKind.SOURCE:
            days = await backtest_store.list_source_days(conn, since, until, zone)
        case _:
            days = []
    return [Row(subject, midnight(day, zone), ()) for subject, day in days]
