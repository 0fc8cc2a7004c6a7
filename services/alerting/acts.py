"""What people do about alerts, and what that does to them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.alerting.alerts import Alert, AlertState, EventKind
from services.alerting.lifecycle import Change


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody wants to do about an alert.

    The same `request_id` means the same act, an empty one none before; `expected_revision` is the alert's that the caller saw.
    Requests are stored as digests: these tell a repeat also once everything personal was taken out.
    """

    kind: int
    alert_id: UUID
    author: str = ""
    comment: str = ""
    request_id: str = ""
    expected_revision: int | None = None

    @property
    def request_key(self) -> str:
        """Return what is stored of the request's id."""
        return hashlib.sha256(self.request_id.encode()).hexdigest() if self.request_id else ""

    @property
    def digest(self) -> str:
        """Return what is stored of who said what. With the request's id in it nobody finds that out by trying words."""
        return hashlib.sha256(json.dumps([self.request_id, self.author, self.comment]).encode()).hexdigest()

    @property
    def is_end(self) -> bool:
        """Whether it ends the alert, and so may let go what the alert explains."""
        return self.kind == EventKind.RESOLVED

    def may_be_done_to(self, alert: Alert) -> bool:
        """Tell whether the alert is not over, or the act is one that is done to any alert."""
        return alert.resolved_at is None or self.kind == EventKind.NOTED

    def has_seen(self, alert: Alert) -> bool:
        """Tell whether the caller knows the alert as it is, or says nothing of it."""
        return self.expected_revision in {None, alert.revision}


@dataclass(frozen=True, slots=True)
class Done:
    """What somebody did about an alert, at the log's `revision`."""

    alert_id: UUID
    kind: int
    author: str
    comment: str
    at: datetime
    revision: int


@dataclass(frozen=True, slots=True)
class Answered:
    """Which act an answered request was, whether it changed something or found it so already.

    Of old requests it is not known who said what: their `digest` is empty and agrees with any.
    """

    alert_id: UUID
    kind: int
    digest: str

    def is_repeated_by(self, act: Act) -> bool:
        """Tell whether an act with the same request's id is this one again, and not another one."""
        return (self.alert_id, self.kind) == (act.alert_id, act.kind) and self.digest in {"", act.digest}


def apply(act: Act, alert: Alert, now: datetime) -> Change | None:
    """Return what an act does to an alert to which it may be done, or None when the alert is so already."""
    after = _after(act, alert, now)
    if after == alert and act.kind != EventKind.NOTED:
        return None
    return Change(act.kind, alert, after, act.author, act.comment)


def done(act: Act, change: Change, now: datetime) -> Done:
    """Return what was done with a change that the log has numbered."""
    return Done(act.alert_id, act.kind, act.author, act.comment, now, change.after.revision)


def _after(act: Act, alert: Alert, now: datetime) -> Alert:
    match act.kind:
        case EventKind.ACKNOWLEDGED:
            # Who says more about what they take care of has done so since they began.
            is_same = alert.acknowledged_at is not None and alert.acknowledged_by == act.author
            since = alert.acknowledged_at if is_same else now
            return replace(alert, acknowledged_at=since, acknowledged_by=act.author, acknowledged_comment=act.comment)
        case EventKind.UNACKNOWLEDGED:
            return replace(alert, acknowledged_at=None, acknowledged_by="", acknowledged_comment="")
        case EventKind.RESOLVED:
            over = replace(alert, state=AlertState.RESOLVED, recovering_since=None)
            return replace(over, resolved_at=now, resolved_by=act.author)
        case _:
            return alert
