"""Counts everything of a tenant anew: every fact, then every rollup from what facts count for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import pairwise
from zoneinfo import available_timezones

from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.errors import Aborted, FailedPrecondition, FieldViolation, InvalidArgument
from services.runtime.windows import INTERVALS_KEPT, QUARTER, floor_to_quarter, midnight
from services.scoring import horizon_store, rebuild_store
from services.scoring.contribution_store import TRANSACTIONS
from services.scoring.counting import counting_by
from services.scoring.event_source_store import APPOINTMENTS, CARTS, EVENTS, FOLLOW_UPS
from services.scoring.rebuild_store import Changed
from services.scoring.rollups import MONTHS
from services.storage.reading import Settings, get_settings

_OTHER_SOURCES = (TRANSACTIONS, APPOINTMENTS, CARTS, FOLLOW_UPS, EVENTS)


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the work, and how many facts it counts."""

    name: str
    do: Callable[[], Awaitable[Changed]]
    facts: int = 0


@dataclass(slots=True)
class Progress:
    """How far a rebuild is: the step that was done last, and what was changed by table, as (written, deleted)."""

    steps_total: int
    step: str = ""
    steps_done: int = 0
    facts: int = 0
    tables: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def rows_changed(self) -> int:
        return sum(written + deleted for written, deleted in self.tables.values())

    def add(self, step: Step, changed: Changed) -> None:
        """Note that a step is done."""
        written, deleted = self.tables.get(changed.table, (0, 0))
        self.tables[changed.table] = (written + changed.written, deleted + changed.deleted)
        self.step, self.steps_done, self.facts = step.name, self.steps_done + 1, self.facts + step.facts


def chosen(stored: Settings, time_zone: str, attribution_window_days: int | None) -> Settings:
    """Return the settings to count by; raises InvalidArgument for a time zone that there is not."""
    if time_zone and time_zone not in available_timezones():
        sentence = "must be an IANA time zone such as Europe/Berlin"
        violation = FieldViolation("time_zone", "time_zone.iana", sentence)
        raise InvalidArgument("INVALID_FIELDS", f"time_zone {sentence}", violations=[violation])
    window = stored.attribution_window_days if attribution_window_days is None else attribution_window_days
    return replace(stored, time_zone=time_zone or stored.time_zone, attribution_window_days=window)


async def rebuild(
    conn: AsyncConnection, time_zone: str, attribution_window_days: int | None, now: datetime
) -> AsyncGenerator[Progress, None]:
    """Count everything anew, yielding after every step; the caller commits once all are done.

    Raises Aborted while another rebuild of the tenant goes on, FailedPrecondition for another time zone when numbers are kept
    whose facts retention has deleted.
    """
    if not await rebuild_store.begin(conn):
        raise Aborted("TRANSACTION_CONFLICT", "another rebuild of this tenant goes on", retry_after_s=10)
    stored, horizon = await get_settings(conn), await rebuild_store.get_horizon(conn)
    settings = chosen(stored, time_zone, attribution_window_days)
    if settings.time_zone != stored.time_zone:
        _refuse_mixed_days(horizon)
        await rebuild_store.place_remainder(conn, settings.time_zone)
    steps = await _steps(conn, settings, now)
    progress = Progress(len(steps))
    yield progress
    for step in steps:
        progress.add(step, await step.do())
        yield progress
    await rebuild_store.touch_agents(conn)
    if settings != stored:
        await rebuild_store.lock_settings(conn)
        await rebuild_store.put_settings(conn, asdict(settings), now)
    # What retention deleted meanwhile some steps still saw, and others did not.
    if await rebuild_store.get_horizon(conn) != horizon:
        raise Aborted("TRANSACTION_CONFLICT", "retention moved on during the rebuild", retry_after_s=1)


def _refuse_mixed_days(horizon: object) -> None:
    """Days before the horizon are of the old time zone, and nothing is left that could tell them anew."""
    if horizon is not None:
        sentence = "cannot change once retention has deleted facts: their days were counted by it"
        violation = FieldViolation("time_zone", "setting.fixed", sentence)
        raise FailedPrecondition("SETTING_SHAPES_NUMBERS", f"the time zone {sentence}", violations=[violation])


async def _steps(conn: AsyncConnection, settings: Settings, now: datetime) -> list[Step]:
    """Return what there is to do, facts first: each step reads what those before it wrote."""
    frozen = await horizon_store.get_frozen_before(conn, [])
    by = counting_by(settings, now, frozen)
    # The oldest quarter that is kept whole, and not frozen.
    oldest = [floor_to_quarter(now - INTERVALS_KEPT) + QUARTER] + ([midnight(frozen, settings.time_zone)] if frozen else [])
    recent = replace(by, intervals_from=max(oldest))
    sizes, bounds = await rebuild_store.get_sizes(conn), await rebuild_store.get_bounds(conn)
    ranges = list(pairwise(["", *bounds, ""]))
    last = sizes["conversations"] - len(bounds) * rebuild_store.CONVERSATIONS_AT_ONCE
    counted = [rebuild_store.CONVERSATIONS_AT_ONCE] * len(bounds) + [last]
    return [
        *(
            Step("conversations", partial(rebuild_store.put_conversations, conn, by, *ends), facts)
            for ends, facts in zip(ranges, counted, strict=True)
        ),
        *(Step(s.ids, partial(rebuild_store.put_source, conn, s, by), sizes[s.ids]) for s in _OTHER_SOURCES),
        *(Step(r.table.name, partial(rebuild_store.put_rollup, conn, r, recent)) for r in rebuild_store.ROLLUPS),
        *(Step(r.table.name, partial(rebuild_store.put_months, conn, r, recent)) for r in MONTHS),
        Step("presence", partial(rebuild_store.put_presence, conn, by)),
        Step("customer_state", partial(rebuild_store.put_customers, conn, by)),
        Step("new_customers_day", partial(rebuild_store.put_new_customers, conn, by)),
        Step("due", partial(rebuild_store.put_due, conn, by)),
    ]
