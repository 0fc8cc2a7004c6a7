"""Reads what is stored of one customer."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Table, and_, cast, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.customers import Bookings, Journey, Life, Profile, Talks
from services.query.performance import Takings
from services.query.store import CONVERSATION
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


async def get_life(conn: AsyncConnection, customer_id: str) -> Life | None:
    """Return the customer's life, None for one that no fact names."""
    query = select(customer_state.c.first_day).where(_of(customer_state, customer_id))
    row = (await conn.execute(query)).one_or_none()
    return Life(row.first_day) if row else None


async def get_profile(conn: AsyncConnection, customer_id: str) -> Profile | None:
    """Return what was told of the customer, None when nothing was."""
    columns = customer.c.name, customer.c.phone, customer.c.email, customer.c.preferred_platform, customer.c.time_zone
    row = (await conn.execute(select(*columns).where(_of(customer, customer_id)))).one_or_none()
    return Profile(*row) if row else None


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
