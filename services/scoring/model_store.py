"""SQL that keeps the versions of the customer models."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.scoring.backtesting import BackTest, Bin
from services.scoring.customer_store import get_mean_order
from services.scoring.fitting import EventFit, ValueFit
from services.scoring.lifetime import GammaGamma, Mbg
from services.scoring.modelling import Fitted, Report, published
from services.scoring.scores import Models
from services.storage import schema

#: Versions that are kept.
KEPT_VERSIONS = 400

_TESTS = ("engagement_test", "orders_test")
#: Versions that are kept in memory: as many tenants as may be at work.
_IN_MEMORY = 512

_c = schema.model.c
_MINE = _c.tenant_id == THIS_TENANT
#: The columns of Newest.
NEWEST = select(_c.version, _c.fitted_at).where(_MINE).order_by(_c.version.desc()).limit(1)
_NEWEST_REPORT = select(_c.version, _c.fitted_on, _c.fitted_at, _c.body).where(_MINE).order_by(_c.version.desc()).limit(1)


@dataclass(frozen=True, slots=True)
class Newest:
    """Which version of the models is in use, and when it was fitted."""

    version: int
    fitted_at: datetime


class ModelsInUse:
    """The tenants' models in use. A version never changes: it is read once, and kept for as long as it is asked for often."""

    def __init__(self, most: int = _IN_MEMORY) -> None:
        self._kept: OrderedDict[tuple[str, Newest], Fitted] = OrderedDict()
        self._most = most

    async def get(self, conn: AsyncConnection, newest: Newest | None, currency: str) -> Models:
        """Return the models of the newest version, None being none, as get_models does."""
        if newest is None:
            return _models(0, await _published(conn, currency))
        key = (current_tenant(), newest)
        fitted = self._kept.get(key)
        if fitted is None:
            # Read by its number: what is newest in this snapshot is in it.
            found = (await conn.execute(select(_c.fitted_on, _c.body).where(_MINE, _c.version == newest.version))).one()
            fitted = _fitted(*found)
        self._keep(key, fitted)
        return _models(newest.version, await _told_in(conn, fitted, currency))

    def _keep(self, key: tuple[str, Newest], fitted: Fitted) -> None:
        self._kept[key] = fitted
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)


async def get_models(conn: AsyncConnection, currency: str) -> Models:
    """Return the tenant's models in use, the published parameters until some were fitted; values are in `currency`."""
    report = await get_report(conn, 0, currency)
    assert report is not None
    return _models(report.version, report.fitted)


async def get_report(conn: AsyncConnection, version: int, currency: str) -> Report | None:
    """Return a version of the models, those in use for 0; None for one that is not kept, or never was.

    A mean order that was told in another currency, or that there was none of, is told as it is now.
    """
    query = _NEWEST_REPORT.where(_c.version == version) if version else _NEWEST_REPORT
    row = (await conn.execute(query)).one_or_none()
    if row is None:
        return None if version else Report(0, None, await _published(conn, currency))
    return Report(row.version, row.fitted_at, await _told_in(conn, _fitted(row.fitted_on, row.body), currency))


async def get_version(conn: AsyncConnection) -> int:
    """Return the version of the models in use, 0 until some were fitted."""
    c = schema.model.c
    found: int = (
        await conn.execute(select(func.coalesce(func.max(c.version), 0)).where(c.tenant_id == THIS_TENANT))
    ).scalar_one()
    return found


async def get_fitted_on(conn: AsyncConnection) -> date | None:
    """Return the day as of which the models in use were fitted, None while they never were."""
    c = schema.model.c
    newest = select(c.fitted_on).where(c.tenant_id == THIS_TENANT).order_by(c.version.desc()).limit(1)
    found: date | None = (await conn.execute(newest)).scalar_one_or_none()
    return found


async def put_models(conn: AsyncConnection, fitted: Fitted, now: datetime) -> Report:
    """Keep models as the next version, which is in use from then on; forget versions that are too old."""
    table, version = schema.model, await get_version(conn) + 1
    row = {"version": version, "fitted_on": fitted.fitted_on, "fitted_at": now, "body": _body(fitted)}
    await conn.execute(insert(table).values(tenant_id=current_tenant(), **row))
    old = table.c.version <= version - KEPT_VERSIONS
    await conn.execute(delete(table).where(table.c.tenant_id == THIS_TENANT, old))
    return Report(version, now, fitted)


async def _published(conn: AsyncConnection, currency: str) -> Fitted:
    return published(currency, await get_mean_order(conn, currency))


async def _told_in(conn: AsyncConnection, fitted: Fitted, currency: str) -> Fitted:
    if fitted.currency == currency and fitted.mean_order is not None:
        return fitted
    return replace(fitted, currency=currency, mean_order=await get_mean_order(conn, currency))


def _models(version: int, fitted: Fitted) -> Models:
    return Models(
        engagement=fitted.engagement.params,
        orders=fitted.orders.params,
        values=fitted.values.params,
        mean_order=fitted.mean_order,
        orders_scale=fitted.orders_scale,
        version=version,
    )


def _body(fitted: Fitted) -> dict[str, Any]:
    """Return models as they are stored; `orders_scale` follows from the test and is there for whoever reads the table."""
    body = asdict(fitted) | {"orders_scale": fitted.orders_scale}
    del body["fitted_on"]
    for test in filter(None, (body[name] for name in _TESTS)):
        test |= {name: test[name].isoformat() for name in ("first_day", "end_day")}
    return body


def _fitted(fitted_on: date, body: Mapping[str, Any]) -> Fitted:
    tests = {name: _test(body[name]) if body[name] else None for name in _TESTS}
    return Fitted(
        fitted_on=fitted_on,
        currency=body["currency"],
        mean_order=body["mean_order"],
        engagement=EventFit(**body["engagement"] | {"params": Mbg(**body["engagement"]["params"])}),
        orders=EventFit(**body["orders"] | {"params": Mbg(**body["orders"]["params"])}),
        values=ValueFit(**body["values"] | {"params": GammaGamma(**body["values"]["params"])}),
        **tests,
    )


def _test(body: Mapping[str, Any]) -> BackTest:
    days = {name: date.fromisoformat(body[name]) for name in ("first_day", "end_day")}
    return BackTest(**{**body, **days, "calibration": tuple(Bin(**each) for each in body["calibration"])})
