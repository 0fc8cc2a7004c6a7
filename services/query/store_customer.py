"""Reads what is stored of one customer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, Table, Text, and_, bindparam, cast, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.customers import Bookings, Journey, Known, Life, Profile, Source, Talks
from services.query.performance import Takings
from services.query.store_facts import CONVERSATION, TRANSACTION
from services.runtime.tenancy import THIS_TENANT
from services.runtime.windows import Window
from services.storage.money import priced
from services.storage.reading import SETTINGS, WAITING_SINCE, Settings, beside, settings_of, watermark
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
#: Statements that are kept: to make one takes longer than it runs. There are no more than currencies that tenants report in.
_STATEMENTS = 256
_CUSTOMER = bindparam("customer_id", type_=Text)
#: Columns of what is found of a customer that tell of life and profile; those of the journey follow.
_LIFE_AND_PROFILE = 8


async def find_customer(conn: AsyncConnection, customer_id: str) -> Known | None:
    """Return the customer, None for one that neither a fact nor a profile names."""
    row = (await conn.execute(_FIND, {"customer_id": customer_id})).one_or_none()
    return None if row is None else _known(customer_id, row)


async def find_with_standing(conn: AsyncConnection, customer_id: str, now: datetime) -> tuple[Known | None, Settings, datetime]:
    """Return the customer, and by the same statement the tenant's settings and the moment before which facts are counted."""
    waiting_since, *columns = (await conn.execute(_FIND_WITH_STANDING, {"customer_id": customer_id})).one()
    settings, found = columns[: len(SETTINGS.selected_columns)], columns[len(SETTINGS.selected_columns) :]
    return _known(customer_id, found), settings_of(settings), watermark(waiting_since, now)


async def read_work(conn: AsyncConnection, customer_id: str, recent: Window, currency: str) -> tuple[list[Talks], list[Source]]:
    """Return what agents did with the customer on each platform, as far as the facts are kept.

    Conversations that began in `recent` are told apart; orders and revenue are in `currency`.
    """
    talks, sources = [], []
    values = {"customer_id": customer_id, "start": recent.start, "end": recent.end}
    for agent_id, platform, revenue, orders, *talked in await conn.execute(_work(currency), values):
        sources.append(Source(agent_id, platform, revenue, orders))
        talks += [Talks(platform, *talked)] if talked[0] else []
    return talks, sources


async def read_takings(conn: AsyncConnection, customer_id: str, currency: str) -> dict[str, Takings]:
    """Return the orders and money of the customer's whole life: in `currency`, or in their own for want of a rate."""
    rows = await conn.execute(_takings(currency), {"customer_id": customer_id})
    return {told_in: Takings(orders, amount) for told_in, orders, amount in rows}


async def read_bookings(conn: AsyncConnection, customer_id: str) -> list[Bookings]:
    """Return the appointments that name the customer, or nobody and a conversation of the customer, by service."""
    return [Bookings(*row) for row in await conn.execute(_BOOKINGS, {"customer_id": customer_id})]


def _known(customer_id: str, columns: Sequence[Any]) -> Known | None:
    """Return the customer that columns of _FIND tell of, None when they tell of none."""
    lived, first_day, told, *profile = columns[:_LIFE_AND_PROFILE]
    conversation_id, stage, touchpoints, *journey = columns[_LIFE_AND_PROFILE:]
    if not lived and not told:
        return None
    return Known(
        customer_id,
        Life(first_day) if lived else None,
        Profile(*profile) if told else None,
        Journey(stage, tuple(touchpoints), *journey) if conversation_id else None,
    )


@lru_cache(maxsize=_STATEMENTS)
def _work(currency: str) -> Select[Any]:
    c = contribution.c
    money = priced(contribution, c.day, currency)
    started = bindparam("start", type_=c.at.type), bindparam("end", type_=c.at.type)
    talked, paid = c.kind == CONVERSATION, c.amount.is_not(None)
    return (
        select(
            c.agent_id,
            c.platform,
            func.coalesce(func.sum(c.amount * money.factor).filter(money.is_known), 0),
            _whole(func.sum(c.orders).filter(paid)),
            func.count().filter(talked),
            func.count().filter(talked, c.at >= started[0], c.at < started[1]),
            func.count(c.csat_x100).filter(talked),
            _whole(func.sum(c.csat_x100).filter(talked)),
            func.count(c.response_ms).filter(talked),
            _whole(func.sum(c.response_ms).filter(talked)),
            func.min(c.at).filter(talked),
            func.max(c.at).filter(talked),
        )
        .select_from(money.rows)
        .where(_of(contribution), c.kind.in_((CONVERSATION, TRANSACTION)))
        .group_by(c.agent_id, c.platform)
    )


@lru_cache(maxsize=_STATEMENTS)
def _takings(currency: str) -> Select[Any]:
    c = customer_revenue_day.c
    money = priced(customer_revenue_day, c.day, currency)
    sums = _whole(func.sum(c.orders)), func.sum(c.amount * money.factor)
    columns: list[ColumnElement[Any]] = [money.currency.label("told_in"), *sums]
    return select(*columns).select_from(money.rows).where(_of(customer_revenue_day)).group_by("told_in")


def _find() -> Select[Any]:
    columns = customer.c.name, customer.c.phone, customer.c.email, customer.c.preferred_platform, customer.c.time_zone
    lives = select(customer_state.c.customer_id, customer_state.c.first_day).where(_of(customer_state)).subquery()
    profiles = select(customer.c.customer_id, *columns).where(_of(customer)).subquery()
    pair = lives.join(profiles, lives.c.customer_id == profiles.c.customer_id, full=True)
    c = conversation.c
    journeys = (
        select(c.conversation_id, c.stage, c.touchpoints, c.previous_interactions, c.days_since_first_contact)
        .where(_of(conversation))
        .order_by(c.start_time.desc(), c.conversation_id.desc())
        .limit(1)
        .subquery()
    )
    return select(*lives.c, *profiles.c, *journeys.c).select_from(pair.outerjoin(journeys, true()))


def _bookings() -> Select[Any]:
    c = appointment.c
    talked = select(conversation.c.conversation_id).where(_of(conversation))
    return (
        select(
            c.service,
            func.count(),
            func.count(c.booked_at),
            func.count().filter(c.status == _COMPLETED),
            func.count().filter(c.status == _NO_SHOW),
        )
        .where(
            c.tenant_id == THIS_TENANT,
            or_(c.customer_id == _CUSTOMER, c.customer_id.is_(None) & c.conversation_id.in_(talked)),
        )
        .group_by(c.service)
    )


def _of(table: Table) -> ColumnElement[bool]:
    return and_(table.c.tenant_id == THIS_TENANT, table.c.customer_id == _CUSTOMER)


def _whole(total: ColumnElement[Any]) -> ColumnElement[int]:
    """Return a sum as an integer, 0 when there was nothing to add."""
    return cast(func.coalesce(total, 0), BigInteger)


_FIND, _BOOKINGS = _find(), _bookings()
_FIND_WITH_STANDING = beside(WAITING_SINCE, SETTINGS, _FIND)
