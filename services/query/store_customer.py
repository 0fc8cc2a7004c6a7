"""Reads what is stored of one customer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, Table, Text, and_, bindparam, cast, func, or_, select, true

from services.query.customers import Bookings, Journey, Known, Life, Profile, Source, Talks
from services.query.performance import Takings
from services.query.store_facts import CONVERSATION, TRANSACTION
from services.runtime.tenancy import THIS_TENANT
from services.runtime.windows import Window
from services.storage.money import priced
from services.storage.readings import Prepared, Query, Reading, Rows, prepared_once
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
_CUSTOMER = bindparam("customer_id", type_=Text)
#: Columns of what is found of a customer that tell of life and profile; those of the journey follow.
_LIFE_AND_PROFILE = 8


def known(customer_id: str) -> Reading[Known | None]:
    """Read who a customer is; None for one that neither a fact nor a profile names."""
    return Reading(_FIND, lambda rows: _known(customer_id, rows[0]) if rows else None, {"customer_id": customer_id})


def work(customer_id: str, recent: Window, currency: str) -> Reading[tuple[list[Talks], list[Source]]]:
    """Read what agents did with the customer on each platform, as far as the facts are kept.

    Conversations that began in `recent` are told apart; orders and revenue are in `currency`.
    """

    def told(rows: Rows) -> tuple[list[Talks], list[Source]]:
        talks, sources = [], []
        for agent_id, platform, revenue, orders, *talked in rows:
            sources.append(Source(agent_id, platform, revenue, orders))
            talks += [Talks(platform, *talked)] if talked[0] else []
        return talks, sources

    return Reading(_work(currency), told, {"customer_id": customer_id, "start": recent.start, "end": recent.end})


def takings(customer_id: str, currency: str) -> Reading[dict[str, Takings]]:
    """Read the orders and money of the customer's whole life: in `currency`, or in their own for want of a rate."""

    def told(rows: Rows) -> dict[str, Takings]:
        return {told_in: Takings(orders, amount) for told_in, orders, amount in rows}

    return Reading(_takings(currency), told, {"customer_id": customer_id})


def bookings(customer_id: str) -> Reading[list[Bookings]]:
    """Read the appointments that name the customer, or nobody and a conversation of the customer, by service."""
    return Reading(_BOOKINGS, lambda rows: [Bookings(*row) for row in rows], {"customer_id": customer_id})


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


@prepared_once
def _work(currency: str) -> Query:
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
        .where(_of(contribution), or_(talked, c.kind == TRANSACTION))
        .group_by(c.agent_id, c.platform)
    )


@prepared_once
def _takings(currency: str) -> Query:
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


def _bookings() -> Prepared:
    c = appointment.c
    talked = select(conversation.c.conversation_id).where(_of(conversation))
    return Prepared(
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


_FIND, _BOOKINGS = Prepared(_find()), _bookings()
