"""One act of somebody about an alert, in one transaction: the alert as it is, what the act does to it, and the log of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import act_store, acts, alert_store, rule_store
from services.alerting.acts import Act
from services.alerting.alerts import Alert
from services.alerting.evaluation import append
from services.alerting.lifecycle import Change, Waiting
from services.alerting.suppressing import suppress, take_turn
from services.runtime.errors import Aborted, FailedPrecondition, FieldViolation, InvalidArgument, NotFound, invalid_field


async def perform(conn: AsyncConnection, act: Act, now: datetime, new_id: Callable[[], UUID]) -> Alert:
    """Do something about an alert and return it as it is then. A repeat, and what is so already, change nothing.

    What the alert explained is let go in the same transaction as it ends. Locks the tenant's lease first if the act ends the
    alert, then the alert, and the log's counter last. Raises NotFound (ALERT_NOT_FOUND), FailedPrecondition (ALERT_RESOLVED),
    Aborted (VERSION_CONFLICT), and InvalidArgument (INVALID_FIELDS) for a request's id that was another act's.
    """
    if act.is_end:
        await take_turn(conn, now)
    alert = found(await alert_store.lock_alert(conn, act.alert_id))
    if await _is_repeat(conn, act):
        return alert
    _check(act, alert)
    change = acts.apply(act, alert, now)
    after = alert if change is None else await _record(conn, act, change, now, new_id)
    await _remember(conn, act, now)
    return after


def found(alert: Alert | None) -> Alert:
    """Return the alert. Raises NotFound when there is none."""
    if alert is None:
        sentence = "there is no such alert"
        raise NotFound("ALERT_NOT_FOUND", sentence, violations=[FieldViolation("alert_id", "unknown", sentence)])
    return alert


async def _is_repeat(conn: AsyncConnection, act: Act) -> bool:
    before = await act_store.get_answered(conn, act.request_key) if act.request_key else None
    if before is not None and not before.is_repeated_by(act):
        raise _taken()
    return before is not None


def _check(act: Act, alert: Alert) -> None:
    if not act.may_be_done_to(alert):
        raise FailedPrecondition("ALERT_RESOLVED", "the alert is over")
    if not act.has_seen(alert):
        raise Aborted("VERSION_CONFLICT", f"the alert is at revision {alert.revision}, not {act.expected_revision}")


async def _record(conn: AsyncConnection, act: Act, change: Change, now: datetime, new_id: Callable[[], UUID]) -> Alert:
    if act.is_end:
        # The rule may be broken still: it fires again only once it was right in between.
        await rule_store.save_waiting(conn, {change.after.fingerprint: Waiting(is_held=True)})
    (numbered,) = await append(conn, [change], {}, now, new_id)
    await act_store.insert_done(conn, acts.done(act, numbered, now))
    if act.is_end:
        await suppress(conn, now, new_id, [numbered])
    return numbered.after


async def _remember(conn: AsyncConnection, act: Act, now: datetime) -> None:
    """Remember the request last: who has sent its id for another alert is waited for, and holds what this waited for before."""
    if act.request_key and not await act_store.insert_answered(conn, act, now):
        # Another alert's act with the same request's id was quicker. What was done here goes with the transaction.
        raise _taken()


def _taken() -> InvalidArgument:
    return invalid_field("request_id", "request_id.taken", "belongs to another act: of another kind, alert, author or comment")
