"""Lets open alerts say what holds their notifications back now, and writes to the log where that changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import alert_store, rule_store, silence_store, store
from services.alerting.alerts import Alert, EventKind
from services.alerting.evaluation import append
from services.alerting.lifecycle import Change
from services.alerting.suppression import held_back

#: How far the clocks of those who put silences and of those who heed them may be apart: what begins or ends so soon has done so.
#: Else whoever looks with an older moment would take back for a while what was just put.
CLOCKS = timedelta(seconds=1)
#: Alerts that one transaction changes.
BATCH = 1000


async def take_turn(conn: AsyncConnection, now: datetime) -> None:
    """Take the tenant's lease: who evaluates has finished before, or begins after. Comes before any lock of an alert."""
    await store.register_tenant(conn, now)
    await store.wait_for_lease(conn)


async def suppress(
    conn: AsyncConnection, now: datetime, new_id: Callable[[], UUID], lately: Collection[Change] | None = None
) -> list[Change]:
    """Store what silences and inhibiting rules do to open alerts now, and return the changes with their revisions.

    Given what changed `lately`, in this transaction, only what that can alter is looked at: the alerts that changed or, when one
    that explains others began or ended, all. Without it all are. The caller holds the tenant's lease and commits.

    No statement when nothing changed lately, three when nothing is to be changed now, and a few more else, however many alerts
    there are. Alerts that somebody does something about at this moment, and those beyond a batch, are left to the next look,
    which then comes at once.
    """
    if lately is not None and not lately:
        return []
    silences = await silence_store.list_applying(conn, now + CLOCKS)
    inhibits = {rule.rule_id: rule.inhibits for rule in await rule_store.list_rules(conn) if rule.inhibits}
    if lately is None or _touches_others(lately, inhibits):
        alerts = await alert_store.list_holdable(conn, inhibits, is_silent=bool(silences))
    else:
        alerts = await alert_store.list_open_among(conn, inhibits, {change.after.alert_id for change in lately})
    held = held_back(alerts, silences, inhibits)
    moved = [alert.alert_id for alert in alerts if held[alert.alert_id].change_of(alert) is not None]
    if not moved:
        return []
    locked = await _lock(conn, moved)
    changes = [change for alert in locked if (change := held[alert.alert_id].change_of(alert)) is not None]
    return await append(conn, changes, {}, now, new_id)


async def _lock(conn: AsyncConnection, moved: list[UUID]) -> list[Alert]:
    locked = await alert_store.lock_free(conn, moved[:BATCH])
    if len(locked) < len(moved):
        await store.look_again(conn)
    return locked


def _touches_others(changes: Collection[Change], inhibits: Mapping[str, object]) -> bool:
    """Tell whether an alert that may explain others has begun or ended."""
    return any(c.after.rule_id in inhibits and c.kind in {EventKind.FIRED, EventKind.RESOLVED} for c in changes)
