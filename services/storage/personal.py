"""Where customers are named: what an export holds and an erasure clears. A table with a `customer_id` is found by itself."""

from __future__ import annotations

from sqlalchemy import Table

from services.storage import schema

#: Names the customer in every table that is about customers.
CUSTOMER_ID = "customer_id"


def tables_naming_customers(owner: str) -> tuple[Table, ...]:
    """Return a service's tables whose rows name a customer in `CUSTOMER_ID`. Alerts name subjects of several kinds instead."""
    return tuple(t for t in schema.metadata.sorted_tables if t.schema == owner and CUSTOMER_ID in t.c)
