"""What tables are made of: the tenant first in every key, and columns of the usual kinds."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    MetaData,
    Numeric,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
    }
)


def time(name: str, **options: Any) -> Column[Any]:
    """Return a column of a moment."""
    return Column(name, DateTime(timezone=True), **options)


def texts(name: str) -> Column[Any]:
    """Return a column of texts, none by default."""
    return Column(name, ARRAY(Text), nullable=False, server_default=text("'{}'"))


def count(name: str) -> Column[Any]:
    """Return a column of a count, 0 by default."""
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


def total(name: str) -> Column[Any]:
    """Return a column of a sum that may be large or not whole, 0 by default."""
    return Column(name, Numeric, nullable=False, server_default=text("0"))


def table(schema: str, name: str, *columns: Any, readers: str = "", tenant_policy: bool = True, **info: Any) -> Table:
    """Return a table whose key begins with the tenant, unless it has no tenant policy."""
    tenant: tuple[Any, ...] = ()
    if all(c.name != "tenant_id" for c in columns if isinstance(c, Column)) and info.pop("tenant_column", True):
        tenant = (Column("tenant_id", Text, CheckConstraint("tenant_id <> ''", name="tenant"), primary_key=True),)
    facts = {"readers": tuple(readers.split()), "tenant_policy": tenant_policy, **info}
    return Table(name, metadata, *tenant, *columns, schema=schema, info=facts)
