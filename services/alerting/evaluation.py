"""One evaluation, in one transaction: what is measured now, what that does to alerts, and the log of it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import alert_store, fact_store, log_store, rule_store
from services.alerting.alerts import Alert, Fingerprint
from services.alerting.bell import BELL
from services.alerting.lifecycle import Change, Finding, Past, Waiting, decide, withdrawn
from services.alerting.measuring import Question, measure
from services.alerting.presence import is_missed, union_of
from services.alerting.rounds import Round
from services.alerting.rules import Reading, Rule, Subject
from services.storage.reading import get_settings


async def evaluate(conn: AsyncConnection, looked_at: Round, now: datetime, new_id: Callable[[], UUID]) -> list[Change]:
    """Evaluate what a round looks at, store what changes, and return the changes with their revisions.

    Locks open alerts first and the log's counter last. The number of statements depends neither on the number of subjects nor
    on that of rules. What is open, or waits, of rules and subjects that do not go together any more, ends.
    """
    opened = await alert_store.lock_open_alerts(conn, looked_at.subjects)
    waiting = await rule_store.list_waiting(conn, looked_at.subjects)
    rules = await rule_store.list_rules(conn)
    findings, gone = await _find(conn, looked_at, rules, _GoingOn(opened, waiting), now)
    beginning = [finding.fingerprint for finding in findings if finding.fires(now)]
    past = await alert_store.count_episodes(conn, beginning, now) if beginning else {}
    decided = [(each, decide(each, now, past.get(each.fingerprint, Past()), new_id)) for each in findings]
    remembered = {each.fingerprint: made.waiting for each, made in decided if made.waiting != each.waiting}
    gone |= _without_rule(rules, [*opened, *waiting])
    remembered |= {each: None for each in waiting if each in gone}
    await rule_store.save_waiting(conn, remembered)
    ended = [withdrawn(alert, now) for each, alert in opened.items() if each in gone]
    changes = [*ended, *(made.change for _, made in decided if made.change is not None)]
    return await append(conn, changes, looked_at.touched, now, new_id)


async def append(
    conn: AsyncConnection,
    changes: Sequence[Change],
    traces: Mapping[Subject, str | None],
    now: datetime,
    new_id: Callable[[], UUID],
) -> list[Change]:
    """Store changes of alerts that are locked, with the log of them, and return them with their revisions.

    The tenant's streams in this process look as soon as the transaction is over.
    """
    if not changes:
        return []
    first = await log_store.advance(conn, len(changes), epoch=str(new_id()))
    numbered = [change.numbered(revision) for revision, change in enumerate(changes, first)]
    await alert_store.save_alerts(conn, [change.after for change in numbered])
    await log_store.append(conn, numbered, traces, now)
    BELL.ring_after(conn)
    return numbered


@dataclass(frozen=True, slots=True)
class _GoingOn:
    """Alerts that are open, and what waits without one."""

    opened: Mapping[Fingerprint, Alert]
    waiting: Mapping[Fingerprint, Waiting]

    def subjects(self, rules: Iterable[Rule]) -> defaultdict[str, set[str]]:
        """Return the ids of the subjects that each rule concerns and of which something goes on."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for each in {*self.opened, *self.waiting} - _without_rule(rules, [*self.opened, *self.waiting]):
            found[each.rule_id].add(each.subject.id)
        return found


async def _find(
    conn: AsyncConnection, looked_at: Round, rules: Sequence[Rule], going_on: _GoingOn, now: datetime
) -> tuple[list[Finding], set[Fingerprint]]:
    """Return a finding for each rule and each subject of it where something goes on, or begins; and what of these is gone."""
    busy = going_on.subjects(rules)
    questions = [Question(rule, looked_at.asks(rule, busy[rule.rule_id]), busy[rule.rule_id]) for rule in rules]
    questions = [each for each in questions if each.ids is None or each.ids]
    settings = await get_settings(conn)
    measured = await measure(conn, questions, now, settings)
    known = await _list_known(conn, questions)
    findings: list[Finding] = []
    gone: set[Fingerprint] = set()
    for each, readings in zip(questions, measured, strict=True):
        rule, going = each.rule, busy[each.rule.rule_id]
        is_due = is_missed(rule)
        named = {*readings, *(each.ids or ()), *(known if is_due and each.ids is None else ())}
        absent = (named | going) - readings.keys() - known if is_due else set()
        wrong = {subject for subject in named - absent if rule.is_broken_by(readings.get(subject))}
        found = _findings(rule, wrong | (going - absent), readings, going_on)
        findings += [replace(finding, currency=settings.reporting_currency) for finding in found]
        gone |= {Fingerprint(rule.rule_id, Subject(rule.subject_kind, subject)) for subject in absent}
        # Thousands of subjects take a while, and streams are not to wait for all rules.
        await asyncio.sleep(0)
    return findings, gone


def _findings(rule: Rule, subjects: Collection[str], readings: Mapping[str, Reading], going_on: _GoingOn) -> Iterator[Finding]:
    for subject in (Subject(rule.subject_kind, each) for each in sorted(subjects)):
        if rule.concerns(subject):
            key = Fingerprint(rule.rule_id, subject)
            yield Finding(rule, subject, readings.get(subject.id), going_on.opened.get(key), going_on.waiting.get(key))


async def _list_known(conn: AsyncConnection, questions: Iterable[Question]) -> set[str]:
    """Return who is there of the agents of whom it is asked and of whom it would be wrong to have no data."""
    asked = [each.ids for each in questions if is_missed(each.rule)]
    return await fact_store.list_agents(conn, union_of(asked)) if asked else set()


def _without_rule(rules: Iterable[Rule], among: Iterable[Fingerprint]) -> set[Fingerprint]:
    """Return the fingerprints of rules that are not there, or rest, or do not concern the subject any more."""
    by_id = {rule.rule_id: rule for rule in rules}
    return {each for each in among if each.rule_id not in by_id or not by_id[each.rule_id].concerns(each.subject)}
