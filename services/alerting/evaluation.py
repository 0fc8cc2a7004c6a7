"""One evaluation, in one transaction: what is measured now, what that does to alerts, and the log of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import rule_store, store
from services.alerting.lifecycle import Change, Finding, Fingerprint, Past, decide
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
    beginning = [finding.fingerprint for finding in findings if finding.fires(now)]
    past = await store.count_episodes(conn, beginning, now) if beginning else {}
    decided = [(each, decide(each, now, past.get(each.fingerprint, Past()), new_id)) for each in findings]
    remembered = {each.fingerprint: made.waiting for each, made in decided if made.waiting != each.waiting}
    await rule_store.save_waiting(conn, remembered)
    return await append(conn, [made.change for _, made in decided if made.change is not None], traces, now, new_id)


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
    waiting = await rule_store.list_waiting(conn, subjects)
    by_kind: defaultdict[int, list[Subject]] = defaultdict(list)
    for subject in sorted(subjects):
        by_kind[subject.kind].append(subject)
    findings: list[Finding] = []
    for rule in await rule_store.list_rules(conn):
        concerned = [s for s in by_kind[rule.subject_kind] if rule.concerns(s)]
        readings = await store.read_measure(conn, rule, [s.id for s in concerned], now) if concerned else {}
        for subject in concerned:
            key = Fingerprint(rule.rule_id, subject)
            findings.append(Finding(rule, subject, readings.get(subject.id), opened.get(key), waiting.get(key)))
    return findings
