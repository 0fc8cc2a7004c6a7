"""Reads what happened with a customer, page by page."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    DateTime,
    Select,
    SmallInteger,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from services.query.drill_down import Page
from services.query.store_drill_down import newest_first
from services.query.store_facts import BOOKING, EVENT, FOLLOW_UP, FOLLOW_UP_OPENED, OUTCOME, TRANSACTION
from services.query.timeline import Happening
from services.runtime.tenancy import THIS_TENANT
from services.storage.schema import appointment, contribution, event, follow_up, segment_transition, transaction

#: ingest.transaction.kind of a refund.
_REFUND = 2
#: What an event was about, by its kind and the field of its body that says so.
_ABOUT = {16: "page", 20: "rule", 21: "kind", 22: "service"}
_COST = 13
#: A contribution's columns that are told as they are.
_COUNTED = (
    "at", "kind", "fact_id", "agent_id", "platform", "outcome", "quantity", "measure", "csat_x100", "amount", "currency", "cost",
)  # fmt: skip


async def read_timeline(conn: AsyncConnection, customer_id: str, page: Page) -> list[Happening]:
    """Return what follows a key of everything that counts for a customer, and of the steps between segments, the newest first.

    A step is of kind 0 and has no identity.
    """
    # Each part is limited by itself, so that each reads no more than its index has to tell.
    parts = _facts(customer_id, page), _steps(customer_id, page)
    both = union_all(*(select(part.subquery()) for part in parts)).subquery("both")
    shown = newest_first(select(both), both.c, None, page.limit).subquery("shown")
    rows = await conn.execute(newest_first(_told(shown), shown.c, None, page.limit))
    return [Happening(**{f.name: getattr(row, f.name) for f in fields(Happening)}) for row in rows]


def _facts(customer_id: str, page: Page) -> Select[Any]:
    c = contribution.c
    none: list[ColumnElement[Any]] = [cast(null(), SmallInteger).label("segment"), cast(null(), Text).label("reason")]
    query = select(*(c[name] for name in _COUNTED), *none).where(c.tenant_id == THIS_TENANT, c.customer_id == customer_id)
    return newest_first(query, c, page.after, page.limit)


def _steps(customer_id: str, page: Page) -> Select[Any]:
    c = segment_transition.c
    known: dict[str, ColumnElement[Any]] = {
        "at": c.at, "kind": literal(0, SmallInteger), "fact_id": literal("", Text), "agent_id": literal("", Text),
        "platform": literal(0, SmallInteger),
    }  # fmt: skip
    told = [known.get(name, cast(null(), contribution.c[name].type)).label(name) for name in _COUNTED]
    query = select(*told, c.segment, c.reason).where(c.tenant_id == THIS_TENANT, c.customer_id == customer_id)
    if page.after is not None:
        # A step comes after all facts of its moment.
        moment = literal(page.after[0], DateTime(timezone=True))
        query = query.where(c.at <= moment if page.after[1] else c.at < moment)
    return query.order_by(c.at.desc()).limit(page.limit)


def _told(shown: Any) -> Select[Any]:
    """Return the rows of a page, and what their titles need of the facts as reported."""
    p, t, a, f, e = shown.c, transaction.c, appointment.c, follow_up.c, event.c

    def of(column: Column[Any], *kinds: int, fact_id: ColumnElement[Any] = p.fact_id) -> ColumnElement[bool]:
        return and_(column.table.c.tenant_id == THIS_TENANT, p.kind.in_(kinds), column == fact_id)

    # Only an event's identity begins with a number.
    source = case((p.kind == EVENT, cast(func.split_part(p.fact_id, "/", 1), SmallInteger)))
    event_id = func.substr(p.fact_id, func.strpos(p.fact_id, "/") + 1)
    joined = (
        shown.outerjoin(transaction, of(t.transaction_id, TRANSACTION))
        .outerjoin(appointment, of(a.appointment_id, BOOKING, OUTCOME))
        .outerjoin(follow_up, of(f.follow_up_id, FOLLOW_UP_OPENED, FOLLOW_UP))
        .outerjoin(event, and_(of(e.event_id, EVENT, fact_id=event_id), e.source == source, e.kind.in_([*_ABOUT, _COST])))
    )
    happened = case(*((e.kind == kind, e.body[field].astext) for kind, field in _ABOUT.items()))
    own = [p[name] for name in (*_COUNTED, "segment") if name != "cost"]
    return select(
        *own,
        func.coalesce(t.kind == _REFUND, False).label("is_refund"),
        func.coalesce(t.amount, p.cost).label("told_amount"),
        func.coalesce(t.currency, p.currency).label("told_currency"),
        func.coalesce(a.service, f.action, happened, p.reason).label("about"),
    ).select_from(joined)
