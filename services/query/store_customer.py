"""Reads what is stored of one customer."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Table, and_, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.customers import Bookings, Journey, Known, Life, Profile, Source, Talks
from services.query.performance import Takings
from services.query.store_facts import CONVERSATION, TRANSACTION
from services.runtime.tenancy import THIS_TENANT
from services.runtime.windows import Window
from services.storage.money import priced
from services.storage.schema import (
    appointment,
    contribution,
    conversation,
    customer,
    customer_revenue_day,
    customer_state,
)

#: ingest.appointment.status of an appointment that was kept, and of one that was missed.
_COMPLETED, _NO_SHOW = 3, 5


async def find_customer(conn: AsyncConnection, customer_id: str) -> Known | None:
    """Return the customer, None for one that neither a fact nor a profile names."""
    columns = customer.c.name, customer.c.phone, customer.c.email, customer.c.preferred_platform, customer.c.time_zone
    lives = select(customer_state.c.customer_id, customer_state.c.first_day).where(_of(customer_state, customer_id)).subquery()
    profiles = select(customer.c.customer_id, *columns).where(_of(customer, customer_id)).subquery()
    pair = lives.join(profiles, lives.c.customer_id == profiles.c.customer_id, full=True)
    query = select(lives.c.customer_id, lives.c.first_day, *profiles.c).select_from(pair)
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        return None
    lived, first_day, told, *profile = row
    return Known(customer_id, Life(first_day) if lived else None, Profile(*profile) if told else None)


async def read_talks(conn: AsyncConnection, customer_id: str, recent: Window) -> list[Talks]:
    """Return the customer's conversations by platform; those that began in `recent` are told apart."""
    c = contribution.c
    is_recent = (c.at >= recent.start) & (c.at < recent.end)
    query = (
        select(
            c.platform,
            func.count(),
            func.count().filter(is_recent),
            func.count(c.csat_x100),
            _whole(func.sum(c.csat_x100)),
            func.count(c.response_ms),
            _whole(func.sum(c.response_ms)),
            func.min(c.at),
            func.max(c.at),
        )
        .where(_of(contribution, customer_id), c.kind == CONVERSATION)
        .group_by(c.platform)
    )
    return [Talks(*row) for row in await conn.execute(query)]


async def read_takings(conn: AsyncConnection, customer_id: str, currency: str) -> dict[str, Takings]:
    """Return the orders and money of the customer's whole life: in `currency`, or in their own for want of a rate."""
    c = customer_revenue_day.c
    money = priced(customer_revenue_day, c.day, currency)
    sums = select(money.currency.label("told_in"), _whole(func.sum(c.orders)), func.sum(c.amount * money.factor))
    query = sums.select_from(money.rows).where(_of(customer_revenue_day, customer_id)).group_by("told_in")
    return {told_in: Takings(orders, amount) for told_in, orders, amount in await conn.execute(query)}


async def read_sources(conn: AsyncConnection, customer_id: str, currency: str) -> list[Source]:
    """Return the customer's orders and revenue in `currency` by agent and platform, as far as their facts are kept."""
    c = contribution.c
    money = priced(contribution, c.day, currency)
    revenue = func.coalesce(func.sum(c.amount * money.factor).filter(money.is_known), 0)
    sums = select(c.agent_id, c.platform, revenue, _whole(func.sum(c.orders))).select_from(money.rows)
    mine = sums.where(_of(contribution, customer_id), c.kind.in_((CONVERSATION, TRANSACTION)), c.amount.is_not(None))
    return [Source(*row) for row in await conn.execute(mine.group_by(c.agent_id, c.platform))]


async def read_bookings(conn: AsyncConnection, customer_id: str) -> list[Bookings]:
    """Return the appointments that name the customer, or nobody and a conversation of the customer, by service."""
    c = appointment.c
    talked = select(conversation.c.conversation_id).where(_of(conversation, customer_id))
    query = (
        select(
            c.service,
            func.count(),
            func.count(c.booked_at),
            func.count().filter(c.status == _COMPLETED),
            func.count().filter(c.status == _NO_SHOW),
        )
        .where(
            c.tenant_id == THIS_TENANT,
            or_(c.customer_id == customer_id, c.customer_id.is_(None) & c.conversation_id.in_(talked)),
        )
        .group_by(c.service)
    )
    return [Bookings(*row) for row in await conn.execute(query)]


async def get_journey(conn: AsyncConnection, customer_id: str) -> Journey | None:
    """Return the journey as the customer's newest conversation reported it, None without conversations."""
    c = conversation.c
    query = (
        select(c.stage, c.touchpoints, c.previous_interactions, c.days_since_first_contact)
        .where(_of(conversation, customer_id))
        .order_by(c.start_time.desc(), c.conversation_id.desc())
        .limit(1)
    )
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        return None
    return Journey(row.stage, tuple(row.touchpoints), row.previous_interactions, row.days_since_first_contact)


def _of(table: Table, customer_id: str) -> ColumnElement[bool]:
    return and_(table.c.tenant_id == THIS_TENANT, table.c.customer_id == customer_id)


def _whole(total: ColumnElement[Any]) -> ColumnElement[int]:
    """Return a sum as an integer, 0 when there was nothing to add."""
    return cast(func.coalesce(total, 0), BigInteger)
