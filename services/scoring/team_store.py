"""SQL that reads the sums of all agents: over a window, or day by day in columns that numpy takes as they are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Double,
    LargeBinary,
    Select,
    Subquery,
    Table,
    Text,
    and_,
    any_,
    bindparam,
    cast,
    column,
    func,
    select,
    table,
    type_coerce,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, OID, REGCLASS

from services.runtime.tenancy import THIS_TENANT
from services.scoring.grading import Numbers
from services.scoring.team_days import SUMMED, Days
from services.storage import schema
from services.storage.money import priced
from services.storage.reading import SETTINGS, WAITING_SINCE, Settings, beside, settings_of, watermark
from services.storage.readings import Prepared, Query, Reading, Rows, prepared_once

_COUNTS = tuple(name for name in SUMMED if name in schema.agent_day.c)
_MONEY = ("revenue", "revenue_sq", "unconverted")
_NOTHING = cast(0, Double)
#: Which rows of a rollup are meant.
_Which: TypeAlias = Callable[[Table], ColumnElement[bool]]
#: A number in the form in which PostgreSQL sends arrays: its length, and itself. What stands before the first one is 20 bytes.
_NUMBER, _HEADER = np.dtype([("length", ">i4"), ("value", ">f8")]), 20


@dataclass(frozen=True, slots=True)
class Moved:
    """Until which revision agents' numbers are known, and how many agents there are.

    There are no numbers of days before `first_day`, None for of no day. `rates` is a hash of the exchange rates, None without
    any. A `database` that was put back to an earlier moment hands revisions out again, but is not told by the same values.
    """

    revision: int
    agents: int
    first_day: date | None
    rates: Decimal | None
    database: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What a call knows of its tenant, all of one moment: settings, how far numbers have moved, and agents' industries."""

    settings: Settings
    moved: Moved
    industries: Mapping[str, str]
    now: datetime

    @property
    def made_by(self) -> tuple[Any, ...]:
        """Time zone, reporting currency, exchange rates and the database: other ones make other sums."""
        return self.settings.time_zone, self.settings.reporting_currency, self.moved.rates, self.moved.database


def known(now: datetime) -> Reading[tuple[Known, datetime]]:
    """Read what a call knows of its tenant at a moment, and the moment before which everything recorded is counted."""

    def told(rows: Rows) -> tuple[Known, datetime]:
        (revision, count, first_day, agents, industries), rest = rows[0][:5], rows[0][5:]
        (rates, *database), (waiting_since, *settings) = rest[:4], rest[4:]
        by_agent = dict(zip(agents or (), industries or (), strict=True))
        moved = Moved(revision, count, first_day, rates, tuple(database))
        return Known(settings_of(settings), moved, by_agent, now), watermark(waiting_since, now)

    return Reading(_KNOWN, told)


def moved_agents(since: int) -> Reading[list[str]]:
    """Read the agents whose numbers may have moved since a revision."""
    return Reading(_MOVED_AGENTS, lambda rows: [row.agent_id for row in rows], {"since": since})


def industries() -> Reading[Mapping[str, str]]:
    """Read the industry of each agent that is configured with one."""
    return Reading(_INDUSTRIES, lambda rows: dict(zip(rows[0][0] or (), rows[0][1] or (), strict=True)))


def days(first: date, last: date, currency: str, agents: Collection[str] | None = None) -> Reading[list[Days]]:
    """Read the days [first, last) of every agent that a fact names, of some only if they are named; revenue in `currency`."""
    values = {"first": first, "last": last, "agents": list(agents or ())}
    return Reading(_days(currency, of_some=agents is not None), lambda rows: [_told(row) for row in rows], values)


@prepared_once
def _days(currency: str, *, of_some: bool) -> Query:
    first, last = (bindparam(name, type_=Date) for name in ("first", "last"))

    def of(table: Table) -> ColumnElement[bool]:
        mine = and_(table.c.tenant_id == THIS_TENANT, table.c.agent_id != "")
        return and_(mine, table.c.agent_id == any_(bindparam("agents", type_=ARRAY(Text)))) if of_some else mine

    def within(table: Table) -> ColumnElement[bool]:
        return and_(of(table), table.c.bucket >= first, table.c.bucket < last)

    sums = _by_day(union_all(_worked(within), _paid(within, currency)).subquery(), first)
    names = ("day", *SUMMED)
    columns = (type_coerce(func.array_send(func.array_agg(sums.c[n])), LargeBinary).label(n) for n in names)
    packed = select(sums.c.agent_id, *columns).group_by(sums.c.agent_id).subquery()
    state = schema.agent_state
    everyone = state.outerjoin(packed, packed.c.agent_id == state.c.agent_id)
    return select(state.c.agent_id, *(packed.c[n] for n in names)).select_from(everyone).where(of(state))


def _worked(which: _Which) -> Select[Any]:
    """Return what agents did, by day and platform, without money."""
    rollup = schema.agent_day
    counted, unpaid = (cast(rollup.c[n], Double).label(n) for n in _COUNTS), (_NOTHING.label(n) for n in _MONEY)
    return select(rollup.c.agent_id, rollup.c.bucket, *counted, *unpaid).where(which(rollup))


def _paid(which: _Which, currency: str) -> Select[Any]:
    """Return the money of agents by day: what is known in the currency, its squares, and how many amounts are not."""
    rollup = schema.revenue_day
    money = priced(rollup, rollup.c.bucket, currency)
    amount, known = rollup.c.amount * money.factor, money.is_known
    sums = (
        func.coalesce(cast(func.sum(amount).filter(known), Double), 0),
        func.coalesce(cast(func.sum(rollup.c.amount_sq * money.factor * money.factor).filter(known), Double), 0),
        cast(func.count().filter(~known & (amount != 0)), Double),
    )
    key = rollup.c.agent_id, rollup.c.bucket
    return select(*key, *(_NOTHING.label(n) for n in _COUNTS), *sums).select_from(money.rows).where(which(rollup)).group_by(*key)


def _by_day(parts: Subquery, first: ColumnElement[date]) -> Subquery:
    """Return the sums of each agent and day, days by their number from the first."""
    day = cast(parts.c.bucket - first, Double).label("day")
    sums = (func.sum(parts.c[n]).label(n) for n in SUMMED)
    return select(parts.c.agent_id, day, *sums).group_by(parts.c.agent_id, parts.c.bucket).subquery()


def _told(row: Any) -> Days:
    if row.day is None:
        return Days(row.agent_id, np.zeros(0, dtype=np.int64), np.zeros((len(SUMMED), 0)))
    values = np.array([_numbers(getattr(row, name)) for name in SUMMED])
    return Days(row.agent_id, _numbers(row.day).astype(np.int64), values)


def agents() -> Reading[list[str]]:
    """Read which agents there are: those that a fact names."""
    return Reading(_AGENTS, lambda rows: [row.agent_id for row in rows])


def _known() -> Prepared:
    state, rate = schema.agent_state.c, schema.exchange_rate.c
    # A row's hash adds those of its columns: rates that changed places would leave the sum of all as it was.
    of_key = func.hash_record_extended(func.row(rate.from_currency, rate.to_currency, rate.day), 0)
    rates = select(func.sum(func.hash_numeric_extended(rate.rate, of_key))).where(rate.tenant_id == THIS_TENANT)
    agents = select(func.coalesce(func.max(state.revision), 0), func.count()).where(state.tenant_id == THIS_TENANT).subquery()
    days = (
        select(func.min(table.c.bucket)).where(table.c.tenant_id == THIS_TENANT).scalar_subquery()
        for table in (schema.counts_total_day, schema.revenue_total_day)
    )
    moved = select(*agents.c, func.least(*days))
    return Prepared(beside(moved, _industries(), rates, _which_database(), WAITING_SINCE, SETTINGS))


def _which_database() -> Select[Any]:
    """Select what a restore changes: files are put back while the server is down; else the database or the table is another."""
    databases = table("pg_database", column("oid", OID), column("datname", Text), schema="pg_catalog")
    rows = func.pg_relation_filenode(cast(schema.agent_state.fullname, REGCLASS))
    return select(func.pg_postmaster_start_time(), databases.c.oid, rows).where(databases.c.datname == func.current_database())


def _industries() -> Select[Any]:
    c = schema.agent.c
    told: list[ColumnElement[Any]] = [func.array_agg(c.agent_id), func.array_agg(c.industry)]
    return select(*told).where(c.tenant_id == THIS_TENANT, c.industry.is_not(None))


def _numbers(sent: bytes) -> Numbers:
    return np.frombuffer(sent, dtype=_NUMBER, offset=_HEADER)["value"].astype(np.float64)


_MOVED_AGENTS = Prepared(
    select(schema.agent_state.c.agent_id).where(
        schema.agent_state.c.tenant_id == THIS_TENANT, schema.agent_state.c.revision > bindparam("since", type_=BigInteger)
    )
)
_KNOWN, _INDUSTRIES = _known(), Prepared(_industries())
_AGENTS = Prepared(select(schema.agent_state.c.agent_id).where(schema.agent_state.c.tenant_id == THIS_TENANT))
