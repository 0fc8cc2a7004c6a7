"""What several services read alike: settings, freshness, and whether a write is counted yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import FromClause, Select, exists, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.database import Database
from services.runtime.errors import DeadlineExceeded, FailedPrecondition, FieldViolation, InvalidArgument
from services.runtime.page_tokens import Signer
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.readings import Prepared, Reading, Rows
from services.storage.schema import change, quarantine, tenant_settings

#: No ingest transaction is open for longer: what was recorded before that is committed or undone.
INGEST_TRANSACTION_LIMIT = timedelta(seconds=5)
#: How long a read waits for a write to be counted when its caller sets no deadline.
LONGEST_WAIT_S = 10.0
_POLL_S = 0.01
#: More than record at the same moment.
_AT_ONCE = 1000

_LOWEST = select(change.c.recorded_at).where(change.c.tenant_id == THIS_TENANT).order_by(change.c.change_id).limit(_AT_ONCE)
#: What every call reads is made but once. Ids are handed out just before the clock is read, so the oldest is among the lowest
#: ids, however deep the queue is.
WAITING_SINCE = select(func.min(_LOWEST.subquery().c.recorded_at))
SETTINGS = select(*(c for c in tenant_settings.c if c.name != "tenant_id")).where(tenant_settings.c.tenant_id == THIS_TENANT)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a tenant has chosen, or the defaults."""

    reporting_currency: str = "USD"
    time_zone: str = "UTC"
    retention_days: int | None = None
    attribution_window_days: int = 7
    version: int = 0
    updated_at: datetime | None = None

    @property
    def attribution_window(self) -> timedelta:
        return timedelta(days=self.attribution_window_days)


@dataclass(frozen=True, slots=True)
class Horizon:
    """The day before which facts are deleted and refused, when it began, and the day before which all are deleted."""

    day: date
    at: datetime
    cleared_day: date | None


async def get_settings(conn: AsyncConnection) -> Settings:
    """Return the transaction's tenant's settings."""
    row = (await conn.execute(SETTINGS)).one_or_none()
    return Settings() if row is None else settings_of(row)


async def get_waiting_since(conn: AsyncConnection) -> datetime | None:
    """Return when the oldest change that waits to be counted was recorded; None when none waits."""
    oldest: datetime | None = (await conn.execute(WAITING_SINCE)).scalar_one()
    return oldest


async def get_watermark(conn: AsyncConnection, now: datetime) -> datetime:
    """Return the moment before which everything recorded is counted."""
    return watermark(await get_waiting_since(conn), now)


def standing(now: datetime) -> Reading[tuple[Settings, datetime]]:
    """Read the tenant's settings and the moment before which everything recorded is counted."""

    def told(rows: Rows) -> tuple[Settings, datetime]:
        waiting_since, *settings = rows[0]
        return settings_of(settings), watermark(waiting_since, now)

    return Reading(_STANDING, told)


def beside(first: Select[Any], *others: Select[Any]) -> Select[Any]:
    """Select the columns of the first, and of the others beside them: each has at most one row, the first always has it."""
    parts: list[FromClause] = [first.subquery(), *(other.subquery() for other in others)]
    rows = parts[0]
    for part in parts[1:]:
        rows = rows.outerjoin(part, true())
    return select(*(c for part in parts for c in part.c)).select_from(rows)


def settings_of(columns: Sequence[Any]) -> Settings:
    """Return settings from the columns of SETTINGS, the defaults where all are None."""
    return Settings() if columns[0] is None else Settings(**dict(zip(SETTINGS.selected_columns.keys(), columns, strict=True)))


_STANDING = Prepared(beside(WAITING_SINCE, SETTINGS))


def watermark(waiting_since: datetime | None, now: datetime) -> datetime:
    """Return the moment before which everything recorded is counted, from when the oldest change waits."""
    return min(waiting_since or now, now - INGEST_TRANSACTION_LIMIT)


class ConsistencyTokens:
    """Tokens that stand for a write's changes: from the lowest to the highest change id of its transaction."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._signer = Signer("consistency", keys)

    def issue(self, lowest: int, highest: int) -> str:
        """Return the token of the current tenant's write."""
        return self._signer.sign({"lo": lowest, "hi": highest}, current_tenant())

    async def wait(self, database: Database, token: str, time_remaining_s: float | None) -> None:
        """Return once the write that `token` stands for is counted; at once without a token.

        Raises InvalidArgument for a token that is not this tenant's, FailedPrecondition when one of its changes is
        quarantined, DeadlineExceeded when time runs out.
        """
        if not token:
            return
        payload = self._signer.read(token, current_tenant())
        if payload is None:
            raise _invalid_token()
        # A tenth of the caller's time is left for the answer.
        give_up = time.monotonic() + min(LONGEST_WAIT_S, 0.9 * (time_remaining_s or LONGEST_WAIT_S))
        while not await self._is_applied(database, payload["lo"], payload["hi"]):
            if time.monotonic() > give_up:
                raise DeadlineExceeded("NOT_YET_APPLIED", "the write is committed but not counted yet", retry_after_s=1)
            await asyncio.sleep(_POLL_S)

    async def _is_applied(self, database: Database, lowest: int, highest: int) -> bool:
        stuck = exists().where(quarantine.c.tenant_id == THIS_TENANT, quarantine.c.change_id.between(lowest, highest))
        waiting = exists().where(change.c.tenant_id == THIS_TENANT, change.c.change_id <= highest)
        async with database.transaction() as conn:
            if (await conn.execute(select(stuck))).scalar_one():
                raise FailedPrecondition("CHANGE_QUARANTINED", "a change of this write could not be counted and is quarantined")
            return not (await conn.execute(select(waiting))).scalar_one()


def _invalid_token() -> InvalidArgument:
    sentence = "the consistency token was changed or belongs to another tenant"
    violation = FieldViolation("consistency_token", "consistency_token.issued_here", sentence)
    return InvalidArgument("INVALID_CONSISTENCY_TOKEN", sentence, violations=[violation])
