"""Reads what the answer about a customer needs."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from services.query import store_costs, store_customer
from services.query.answers import Frame
from services.query.costs import Costs, costs
from services.query.customers import Customer, Known, all_sources
from services.query.loading import not_found
from services.query.performance import Takings
from services.runtime.windows import Window


async def find_customer(conn: AsyncConnection, customer_id: str) -> Known:
    """Return who the customer is. Raises NotFound for one that neither a fact nor a profile names."""
    found = await store_customer.find_customer(conn, customer_id)
    if found is None:
        raise not_found("CUSTOMER_NOT_FOUND", "no fact names this customer", "customer_id")
    return found


async def load_customer(conn: AsyncConnection, known: Known, recent: Window, frame: Frame) -> Customer:
    """Return what is stored of a customer."""
    customer_id = known.customer_id
    takings = await store_customer.read_takings(conn, customer_id, frame.currency)
    sources = await store_customer.read_sources(conn, customer_id, frame.currency)
    return Customer(
        customer_id=customer_id,
        life=known.life,
        profile=known.profile,
        talks=await store_customer.read_talks(conn, customer_id, recent),
        takings=takings,
        bookings=await store_customer.read_bookings(conn, customer_id),
        journey=await store_customer.get_journey(conn, customer_id),
        acquisition=await _acquisition(conn, customer_id, frame),
        sources=all_sources(sources, _together(takings, frame.currency)),
    )


def _together(takings: dict[str, Takings], currency: str) -> Takings:
    """Return all orders, and the money that can be told."""
    return Takings(sum(each.orders for each in takings.values()), takings.get(currency, Takings()).amount)


async def _acquisition(conn: AsyncConnection, customer_id: str, frame: Frame) -> Costs:
    own = await store_costs.sum_own_acquisition(conn, customer_id, frame)
    return costs(own or await store_costs.sum_shared_acquisition(conn, customer_id, frame), frame.currency)
