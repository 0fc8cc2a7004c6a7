"""SQL of rules: those that are in force, and what they remember of subjects without an open alert."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.alerts import Fingerprint
from services.alerting.lifecycle import Waiting
from services.alerting.rule_json import from_json, to_json
from services.alerting.rule_versions import RuleVersion, Standing
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
    rows = [_row(RuleVersion(each, put_at=now)) for each in rules]
    await conn.execute(insert(rule).on_conflict_do_nothing(), rows)
    await conn.execute(insert(rule_version).on_conflict_do_nothing(), [row | {"deleted": False} for row in rows])


async def list_waiting(conn: AsyncConnection, subjects: Collection[Subject] | None) -> dict[Fingerprint, Waiting]:
    """Return what is remembered of some subjects, or of all (None), without an open alert, by rule and subject."""
    found = select(rule_state).where(rule_state.c.tenant_id == THIS_TENANT)
    if subjects is None:
        rows = await conn.execute(found)
    else:
        names = {"kinds": [s.kind for s in subjects], "ids": [s.id for s in subjects]}
        rows = await conn.execute(found.where(_AMONG_SUBJECTS), names)
    return {_fingerprint(row): Waiting(row.pending_since, row.is_held) for row in rows}


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


def _row(of: RuleVersion) -> dict[str, Any]:
    told = {"rule_id": of.rule.rule_id, "version": of.rule.version, "body": to_json(of.rule)}
    return {"tenant_id": current_tenant()} | told | {"author": of.author, "comment": of.comment, "put_at": of.put_at}


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


async def get_given(conn: AsyncConnection) -> int:
    """Return which version of the defaults the tenant was given; 0 when none yet."""
    found = select(evaluation.c.defaults).where(evaluation.c.tenant_id == THIS_TENANT)
    given: int | None = (await conn.execute(found)).scalar_one_or_none()
    return given or 0


async def get_standing(conn: AsyncConnection, rule_id: str) -> Standing:
    """Return which version of a rule is in force, which was the newest, and how many rules the tenant has."""
    r, v = rule.c, rule_version.c
    version = select(r.version).where(r.tenant_id == THIS_TENANT, r.rule_id == rule_id).scalar_subquery()
    newest = select(func.max(v.version)).where(v.tenant_id == THIS_TENANT, v.rule_id == rule_id).scalar_subquery()
    rules = select(func.count()).select_from(rule).where(r.tenant_id == THIS_TENANT).scalar_subquery()
    row = (await conn.execute(select(func.coalesce(version, 0), func.coalesce(newest, 0), rules))).one()
    return Standing(*row)


async def get_newest(conn: AsyncConnection, rule_id: str) -> RuleVersion | None:
    """Return the version of the rule that is in force or rests; None when there is none."""
    found = select(rule).where(rule.c.tenant_id == THIS_TENANT, rule.c.rule_id == rule_id)
    row = (await conn.execute(found)).one_or_none()
    return None if row is None else _version(row)


async def list_newest(conn: AsyncConnection) -> list[RuleVersion]:
    """Return the newest version of each rule that is not deleted, by id."""
    found = select(rule).where(rule.c.tenant_id == THIS_TENANT).order_by(rule.c.rule_id)
    return [_version(row) for row in await conn.execute(found)]


async def list_versions(conn: AsyncConnection, rule_id: str, limit: int) -> list[RuleVersion]:
    """Return the versions of a rule, the newest first, at most `limit`; none when there never was such a rule."""
    v = rule_version.c
    found = select(rule_version).where(v.tenant_id == THIS_TENANT, v.rule_id == rule_id).order_by(v.version.desc()).limit(limit)
    return [_version(row, is_deleted=row.deleted) for row in await conn.execute(found)]


async def put_rule(conn: AsyncConnection, put: RuleVersion) -> None:
    """Put a rule in the place of the one with its id."""
    new = insert(rule).values(_row(put))
    replaced = {name: new.excluded[name] for name in ("version", "body", "author", "comment", "put_at")}
    await conn.execute(new.on_conflict_do_update(index_elements=["tenant_id", "rule_id"], set_=replaced))


async def delete_rule(conn: AsyncConnection, rule_id: str) -> None:
    """Delete a rule; its versions stay."""
    await conn.execute(delete(rule).where(rule.c.tenant_id == THIS_TENANT, rule.c.rule_id == rule_id))


async def add_version(conn: AsyncConnection, made: RuleVersion) -> None:
    """Keep a version of a rule, or its deletion."""
    await conn.execute(insert(rule_version).values(_row(made) | {"deleted": made.is_deleted}))


def _version(row: Any, *, is_deleted: bool = False) -> RuleVersion:
    return RuleVersion(from_json(row.rule_id, row.version, row.body), row.author, row.comment, row.put_at, is_deleted)
