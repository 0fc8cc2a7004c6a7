"""Reads what the answer about a customer needs."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.query import store_costs, store_customer
from services.query.answers import Frame
from services.query.costs import costs
from services.query.customers import Customer, Known, all_sources, by_platform
from services.query.loading import frame_of, not_found
from services.query.performance import Takings
from services.runtime.windows import Window
from services.storage import reading
from services.storage.readings import read, read_together


async def find_customer(conn: AsyncConnection, customer_id: str) -> Known:
    """Return who the customer is. Raises NotFound for one that neither a fact nor a profile names."""
    return _existing(await read(conn, store_customer.known(customer_id)))


async def begin(conn: AsyncConnection, customer_id: str, now: datetime) -> tuple[Known, Frame]:
    """Return who the customer is and what the answer rests on. Raises NotFound like find_customer."""
    known, standing = await read_together(conn, store_customer.known(customer_id), reading.standing(now))
    return _existing(known), frame_of(*standing, now)


async def load_customer(conn: AsyncConnection, known: Known, recent: Window, frame: Frame) -> Customer:
    """Return what is stored of a customer."""
    customer_id = known.customer_id
    takings, (talks, sources), acquisition, bookings = await read_together(
        conn,
        store_customer.takings(customer_id, frame.currency),
        store_customer.work(customer_id, recent, frame.currency),
        store_costs.acquisition(customer_id, frame),
        store_customer.bookings(customer_id),
    )
    return Customer(
        customer_id=customer_id,
        life=known.life,
        profile=known.profile,
        journey=known.journey,
        talks=by_platform(talks),
        takings=takings,
        bookings=bookings,
        acquisition=costs(acquisition, frame.currency),
        sources=all_sources(sources, _together(takings, frame.currency)),
    )


def _existing(found: Known | None) -> Known:
    if found is None:
        raise not_found("CUSTOMER_NOT_FOUND", "no fact names this customer", "customer_id")
    return found


def _together(takings: dict[str, Takings], currency: str) -> Takings:
    """Return all orders, and the money that can be told."""
    return Takings(sum(each.orders for each in takings.values()), takings.get(currency, Takings()).amount)
