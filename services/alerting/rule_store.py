"""SQL of rules: those that are in force, and what they remember of subjects without an open alert."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.lifecycle import Fingerprint, Waiting
from services.alerting.rule_json import from_json, to_json
from services.alerting.rules import Rule, Subject
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import evaluation, rule, rule_state, rule_version

_AMONG_SUBJECTS = text("(subject_kind, subject_id) IN (SELECT * FROM unnest(CAST(:kinds AS smallint[]), CAST(:ids AS text[])))")
_FORGET = text(
    """
    DELETE FROM alerting.rule_state AS s
    USING unnest(CAST(:rules AS text[]), CAST(:kinds AS smallint[]), CAST(:ids AS text[])) AS gone(rule_id, kind, id)
    WHERE s.tenant_id = :tenant AND s.rule_id = gone.rule_id AND s.subject_kind = gone.kind AND s.subject_id = gone.id
    """
)


async def list_rules(conn: AsyncConnection) -> list[Rule]:
    """Return the tenant's rules that do not rest, by id."""
    rows = await conn.execute(select(rule.c.rule_id, rule.c.version, rule.c.body).where(rule.c.tenant_id == THIS_TENANT))
    rules = sorted((from_json(*row) for row in rows), key=lambda r: r.rule_id)
    return [each for each in rules if not each.is_disabled]


async def take_defaults(conn: AsyncConnection, newest: int) -> int:
    """Return which version of the defaults the tenant was given last, and note that it is given the newest one."""
    mine = evaluation.c.tenant_id == THIS_TENANT
    given: int = (await conn.execute(select(evaluation.c.defaults).where(mine))).scalar_one()
    if given < newest:
        await conn.execute(evaluation.update().where(mine).values(defaults=newest))
    return given


async def install_rules(conn: AsyncConnection, rules: Sequence[Rule], now: datetime) -> None:
    """Put rules that are not there, in their first version."""
    if not rules:
        return
    rows = [_row(each, "", "", now) for each in rules]
    await conn.execute(insert(rule).on_conflict_do_nothing(), rows)
    await conn.execute(insert(rule_version).on_conflict_do_nothing(), [row | {"deleted": False} for row in rows])


async def list_waiting(conn: AsyncConnection, subjects: Collection[Subject]) -> dict[Fingerprint, Waiting]:
    """Return what is remembered of subjects without an open alert, by rule and subject."""
    found = select(rule_state).where(rule_state.c.tenant_id == THIS_TENANT, _AMONG_SUBJECTS)
    rows = await conn.execute(found, {"kinds": [s.kind for s in subjects], "ids": [s.id for s in subjects]})
    return {_fingerprint(row): Waiting(row.pending_since, row.is_held) for row in rows}


async def list_waiting_subjects(conn: AsyncConnection) -> set[Subject]:
    """Return every subject of which a rule remembers something."""
    s = rule_state.c
    rows = await conn.execute(select(s.subject_kind, s.subject_id).where(s.tenant_id == THIS_TENANT).distinct())
    return {Subject(row.subject_kind, row.subject_id) for row in rows}


async def save_waiting(conn: AsyncConnection, remembered: Mapping[Fingerprint, Waiting | None]) -> None:
    """Remember what rules wait for, and forget that of which there is nothing (None)."""
    kept = {each: waiting for each, waiting in remembered.items() if waiting is not None}
    gone = [each for each, waiting in remembered.items() if waiting is None]
    if kept:
        new = insert(rule_state)
        changed = {"pending_since": new.excluded.pending_since, "is_held": new.excluded.is_held}
        key = ["tenant_id", "rule_id", "subject_kind", "subject_id"]
        rows = [_key(each) | {"pending_since": waiting.since, "is_held": waiting.is_held} for each, waiting in kept.items()]
        await conn.execute(new.on_conflict_do_update(index_elements=key, set_=changed), rows)
    if gone:
        names = {"rules": [f.rule_id for f in gone], "kinds": [f.subject.kind for f in gone], "ids": [f.subject.id for f in gone]}
        await conn.execute(_FORGET, names | {"tenant": current_tenant()})


def _row(said: Rule, author: str, comment: str, now: datetime) -> dict[str, Any]:
    told = {"rule_id": said.rule_id, "version": said.version, "body": to_json(said)}
    return {"tenant_id": current_tenant()} | told | {"author": author, "comment": comment, "put_at": now}


def _key(fingerprint: Fingerprint) -> dict[str, Any]:
    subject = fingerprint.subject
    return {
        "tenant_id": current_tenant(),
        "rule_id": fingerprint.rule_id,
        "subject_kind": subject.kind,
        "subject_id": subject.id,
    }


def _fingerprint(row: Any) -> Fingerprint:
    return Fingerprint(row.rule_id, Subject(row.subject_kind, row.subject_id))
