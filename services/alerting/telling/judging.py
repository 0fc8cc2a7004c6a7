"""What of a notification that waited is still true when it is to be sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from services.alerting.alerts import Alert, AlertState
from services.alerting.telling.notices import ACKNOWLEDGE, FIRING, HELD, NEVER_BEGUN, OVER, RESOLVE, RESOLVED, Notice, Pending
from services.alerting.telling.waiting import Waiting


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is sent, if anything, or why nothing is; `out` are the alerts that it does not tell any more."""

    notice: Notice | None
    reason: str = ""
    out: frozenset[UUID] = frozenset()


def judged(pending: Pending, alerts: Mapping[UUID, Alert], *, fires: bool) -> Verdict:
    """Return what is still true of a notification; `alerts` are as they are now, `fires` tells whether its group does.

    What is over is not told as firing, nor is what is silenced, explained or acknowledged since it was made. The end of what the
    channel never heard of is not told.
    """
    notice = pending.notice
    if notice.action in {ACKNOWLEDGE, RESOLVE}:
        reason = NEVER_BEGUN if pending.unheard else _untaken(notice, alerts)
        return Verdict(None, reason) if reason else Verdict(notice)
    reasons = {told.alert_id: _untrue(told, alerts.get(told.alert_id), pending) for told in notice.alerts}
    out = frozenset(each for each, reason in reasons.items() if reason)
    left = tuple(told for told in notice.alerts if told.alert_id not in out)
    if out and not left:
        return Verdict(None, HELD if HELD in reasons.values() else OVER, out)
    if not out:
        return Verdict(notice)
    is_firing = notice.status == FIRING and (fires or any(told.state != AlertState.RESOLVED for told in left))
    return Verdict(replace(notice, alerts=left, status=FIRING if is_firing else RESOLVED), "", out)


def heirs_of(pending: Pending, alert_ids: Collection[UUID], newer: Sequence[Waiting]) -> dict[UUID, UUID]:
    """Return which of the newer notifications that wait, the oldest first, tells next of alerts that one does not tell.

    Of an incident that is the next event under the same key, whichever alert that is of.
    """
    key = pending.notice.key
    telling = {a: [each for each in newer if (each.key == key if key else a in each.alert_ids)] for a in alert_ids}
    return {a: found[0].notification_id for a, found in telling.items() if found}


def _untaken(notice: Notice, alerts: Mapping[UUID, Alert]) -> str:
    """Return why it is not told that somebody takes care of an alert: nobody does by now; empty when it is told."""
    if notice.action == RESOLVE:
        return ""
    now = [alerts.get(told.alert_id) for told in notice.alerts]
    is_taken = any(a is not None and a.state != AlertState.RESOLVED and a.acknowledged_at is not None for a in now)
    return "" if is_taken else OVER


def _untrue(told: Alert, now: Alert | None, pending: Pending) -> str:
    """Return why an alert is not told as it was to be; empty when it is."""
    if told.state == AlertState.RESOLVED:
        return OVER if told.alert_id in pending.unheard else ""
    if now is None or now.state == AlertState.RESOLVED:
        return OVER
    is_taken = now.acknowledged_at is not None and told.acknowledged_at is None
    return HELD if now.is_suppressed or is_taken else ""
