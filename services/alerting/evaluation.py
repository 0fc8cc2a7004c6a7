"""One evaluation, in one transaction: what is measured now, what that does to alerts, and the log of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import store
from services.alerting.lifecycle import Change, Finding, Fingerprint, decide
from services.alerting.rules import Subject


async def evaluate(
    conn: AsyncConnection,
    subjects: Collection[Subject],
    traces: Mapping[Subject, str | None],
    now: datetime,
    new_id: Callable[[], UUID],
) -> list[Change]:
    """Evaluate every rule of the subjects' kinds, store what changes, and return the changes with their revisions.

    Locks the subjects' open alerts first and the log's counter last. The number of statements does not depend on the
    number of subjects.
    """
    findings = await _find(conn, subjects, now)
    beginning = [finding.fingerprint for finding in findings if finding.begins]
    episodes = await store.count_episodes(conn, beginning) if beginning else {}
    decided = (decide(finding, now, episodes.get(finding.fingerprint, 0), new_id) for finding in findings)
    return await append(conn, [change for change in decided if change is not None], traces, now, new_id)


async def append(
    conn: AsyncConnection,
    changes: Sequence[Change],
    traces: Mapping[Subject, str | None],
    now: datetime,
    new_id: Callable[[], UUID],
) -> list[Change]:
    """Store changes of alerts that are locked, with the log of them, and return them with their revisions."""
    if not changes:
        return []
    first = await store.advance_log(conn, len(changes), epoch=str(new_id()))
    numbered = [change.numbered(revision) for revision, change in enumerate(changes, first)]
    await store.save_alerts(conn, [change.after for change in numbered])
    await store.append_log(conn, numbered, traces, now)
    return numbered


async def _find(conn: AsyncConnection, subjects: Collection[Subject], now: datetime) -> list[Finding]:
    """Return a finding for each rule and each subject of its kind."""
    opened = await store.lock_open_alerts(conn, subjects)
    by_kind: defaultdict[int, list[Subject]] = defaultdict(list)
    for subject in sorted(subjects):
        by_kind[subject.kind].append(subject)
    findings: list[Finding] = []
    for rule in await store.list_rules(conn):
        concerned = by_kind[rule.subject_kind]
        readings = await store.read_measure(conn, rule, [s.id for s in concerned], now) if concerned else {}
        findings += (Finding(rule, s, readings.get(s.id), opened.get(Fingerprint(rule.rule_id, s))) for s in concerned)
    return findings
