"""The alert events that benchmarks fan out: written to a log, and as the bytes that a stream sends of them."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

from services.alerting import convert, evaluation
from services.alerting.alerts import Alert, AlertState, EventKind
from services.alerting.lifecycle import Change
from services.alerting.log import Message, Told
from services.alerting.rules import SubjectKind
from services.runtime.database import Database
from services.runtime.page_tokens import Signer
from services.runtime.tenancy import DEFAULT_TENANT

ALERTS = 1000
_RULE = "benchmark"
_SIGNER = Signer("resume", (b"a key of benchmarks only",))


def _alert(n: int) -> Alert:
    now = datetime.now(UTC)
    return Alert(
        alert_id=UUID(int=n + 1),
        rule_id=_RULE,
        rule_version=1,
        episode=1,
        type=1,
        severity=2,
        subject_kind=SubjectKind.AGENT,
        subject_id=f"agent-{n}",
        state=AlertState.RESOLVED,
        message="Agent response time above threshold",
        value=30_000.0 + n,
        threshold=30_000,
        fired_at=now,
        resolved_at=now,
        active_since=now,
        labels={"team": "sales"},
    )


def message_bytes(revision: int) -> bytes:
    """Return what a stream sends of an event."""
    alert = replace(_alert(revision % ALERTS), revision=revision)
    token = _SIGNER.sign({"r": revision, "e": str(UUID(int=7))}, DEFAULT_TENANT, "0" * 32)
    told = Told(EventKind.NOTED, alert, datetime.now(UTC), "somebody", "It is looked into.")
    return convert.message_to_proto(Message(revision, token, told)).SerializeToString()


class Writer:
    """Notes something about alerts, again and again, as people do: it stores what changes, and appends to the log.

    The alerts are over, so that evaluation, which goes on meanwhile, has nothing to say of them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._alerts = [_alert(n) for n in range(ALERTS)]
        self._written = 0

    async def begin(self) -> None:
        """Store the alerts."""
        await self._append([Change(EventKind.RESOLVED, None, alert) for alert in self._alerts])

    async def at_rate(self, count: int, rate: float) -> dict[int, float]:
        """Write events one by one, `rate` a second; return when each revision was committed, by the monotonic clock."""
        began, committed = time.monotonic(), {}
        for n in range(count):
            await asyncio.sleep(max(began + n / rate - time.monotonic(), 0))
            committed |= await self.at_once(1)
        return committed

    async def at_once(self, count: int) -> dict[int, float]:
        """Write events of as many alerts in one transaction; return when each revision was committed."""
        chosen = [self._alerts[(self._written + n) % ALERTS] for n in range(count)]
        self._written += count
        return await self._append([Change(EventKind.NOTED, alert, alert, "somebody", "It is looked into.") for alert in chosen])

    async def _append(self, changes: list[Change]) -> dict[int, float]:
        async with self._database.transaction(DEFAULT_TENANT) as conn:
            appended = await evaluation.append(conn, changes, {}, datetime.now(UTC), uuid4)
        at = time.monotonic()
        return {change.after.revision: at for change in appended}
