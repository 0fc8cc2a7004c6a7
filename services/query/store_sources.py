"""Reads facts for the report of the sources. Agents are those that facts count for; none named means all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Date, Double, Numeric, Subquery, Text, and_, any_, cast, exists, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.answers import Frame
from services.query.dimensions import Dimension, Filter
from services.query.measures import TERMS
from services.query.metrics import Sums
from services.query.periods import FIRST_DAY, days_of, span_in_days
from services.query.source_reports import SOURCE_TERMS
from services.query.sourced import Leads, Payments, Touches
from services.query.spans import Spans
from services.query.store_costs import IS_COST
from services.query.store_facts import BOOKING, EVENT, TRANSACTION
from services.query.store_periods import gather, in_money, period_facts, sums_of
from services.runtime.tenancy import THIS_TENANT
from services.runtime.windows import Window
from services.storage.money import days_before, priced
from services.storage.schema import appointment, cost_period, transaction

#: ingest.transaction's kind of a refund and status of a settled one, a failed charge's outcome, and the platform web.
_REFUND, _SETTLED, _FAILED_CHARGE, _WEB = 2, 2, 5, 4


def of_agents(agents: Collection[str]) -> Filter:
    """Return the filter for facts of these agents, none meaning all."""
    return Filter({Dimension.AGENT: tuple(agents)} if agents else {})


async def sum_sources(conn: AsyncConnection, spans: Spans, only: Filter, currency: str) -> dict[int, tuple[Sums, Payments, int]]:
    """Return by place of the period the sums of facts, payments with their money in `currency`, and conversations on the web."""
    told = in_money(period_facts(spans, only), currency)
    t = told.c
    query = select(t.period, t.told_in, *sums_of(told, SOURCE_TERMS), *_payments(told)).group_by(t.period, t.told_in)
    rows = (await conn.execute(query)).all()
    sums = gather([(row.period, row.told_in, row) for row in rows], SOURCE_TERMS)
    return {place: (each, *_paid([row for row in rows if row.period == place], currency)) for place, each in sums.items()}


def _payments(told: Subquery) -> list[ColumnElement[Any]]:
    """Return the numbers and money of charges and refunds, and the number of conversations on the web."""
    t, refund = told.c, transaction.c
    is_charge = and_(t.kind == TRANSACTION, t.orders > 0)
    is_refund = and_(t.kind == TRANSACTION, t.orders == 0, t.outcome.is_distinct_from(_FAILED_CHARGE))
    given_back = exists().where(
        refund.tenant_id == THIS_TENANT,
        refund.original_transaction_id == t.fact_id,
        refund.kind == _REFUND,
        refund.status == _SETTLED,
    )
    return [
        func.count().filter(is_charge).label("charges"),
        func.count().filter(and_(is_charge, given_back)).label("given_back"),
        func.count().filter(is_refund).label("refunds"),
        func.coalesce(func.sum(t.worth).filter(is_charge), 0).label("charged"),
        func.coalesce(-func.sum(t.worth).filter(is_refund), 0).label("refunded"),
        func.coalesce(func.sum(t.conversations).filter(t.platform == _WEB), 0).label("web"),
    ]


def _paid(rows: list[Any], currency: str) -> tuple[Payments, int]:
    told = [row for row in rows if row.told_in == currency]
    payments = Payments(
        charges=sum(row.charges for row in rows),
        given_back=sum(row.given_back for row in rows),
        refunds=sum(row.refunds for row in rows),
        charged=sum((Decimal(row.charged) for row in told), Decimal(0)),
        refunded=sum((Decimal(row.refunded) for row in told), Decimal(0)),
    )
    return payments, sum(int(row.web) for row in rows)


async def read_leads(conn: AsyncConnection, spans: Spans, only: Filter) -> dict[int, Leads]:
    """Return the times between bookings and what they were last scheduled for, by place of the booking's period."""
    fact = period_facts(spans, only, kinds=(BOOKING,))
    named = and_(appointment.c.tenant_id == THIS_TENANT, appointment.c.appointment_id == fact.c.fact_id)
    lead = cast(func.extract("epoch", appointment.c.scheduled_for - fact.c.at), Double)
    query = (
        select(
            fact.c.period,
            func.count().label("n"),
            func.sum(lead).label("total"),
            func.sum(lead * lead).label("squares"),
            func.percentile_cont(0.5).within_group(lead).label("median"),
        )
        .select_from(fact.join(appointment, named))
        # What was booked after it took place was not waited for.
        .where(appointment.c.scheduled_for >= fact.c.at)
        .group_by(fact.c.period)
    )
    return {row.period: Leads(row.n, row.total, row.squares, row.median) for row in await conn.execute(query)}


async def count_touches(conn: AsyncConnection, spans: Spans, only: Filter) -> dict[int, Touches]:
    """Return the customers met outside conversations, by place of the period."""
    fact = period_facts(spans, only, kinds=(EVENT,))
    each = (
        select(fact.c.period, func.count(fact.c.platform.distinct()).label("platforms"))
        .where(fact.c.measure == TERMS["interactions"].tally, fact.c.customer_id != "")
        .group_by(fact.c.period, fact.c.customer_id)
        .subquery("each_customer")
    )
    several = func.count().filter(each.c.platforms > 1)
    query = select(each.c.period, func.count().label("n"), several.label("several")).group_by(each.c.period)
    return {row.period: Touches(row.n, row.several) for row in await conn.execute(query)}


async def sum_costs(
    conn: AsyncConnection, window: Window, frame: Frame, agents: Collection[str]
) -> dict[int, Mapping[str, Decimal]]:
    """Return what was spent, by category and currency: of costs with days in the window, the share that these are."""
    c = cost_period.c
    # Told at the rate of the period's last day that is not after today, as everywhere.
    money = priced(cost_period, func.least(days_before(c.end_day, 1), literal(frame.today, Date)), frame.currency)
    days = days_of(window)
    start, end = (literal(each, Numeric) for each in span_in_days(window))
    first, last = (day - literal(FIRST_DAY, Date) for day in (c.first_day, c.end_day))
    share = c.amount * money.factor * (func.least(last, end) - func.greatest(first, start)) / (c.end_day - c.first_day)
    query = (
        select(c.category, money.currency.label("told_in"), func.sum(share).label("amount"))
        .select_from(money.rows)
        .where(*_costs_of(agents), c.first_day <= days[-1], c.end_day > days[0])
        .group_by(c.category, "told_in")
    )
    found: dict[int, dict[str, Decimal]] = {}
    for row in await conn.execute(query):
        found.setdefault(row.category, {})[row.told_in] = row.amount
    return dict(found)


async def find_costly(conn: AsyncConnection, agents: Collection[str]) -> list[int]:
    """Return the categories that any cost of whatever time is of: where none falls, they cost 0."""
    query = select(cost_period.c.category).where(*_costs_of(agents)).distinct()
    return sorted((await conn.execute(query)).scalars())


def _costs_of(agents: Collection[str]) -> list[ColumnElement[bool]]:
    """Return the conditions for costs of agents."""
    return [IS_COST, cost_period.c.agent_id == any_(literal(list(agents), ARRAY(Text)))] if agents else [IS_COST]
