"""SQL of alerts: one or some as they are, lists of those that match, and locks of those that are to be changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Select, and_, case, func, not_, or_, select, text, true, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.alert_json import values_of
from services.alerting.alerts import Alert, Fingerprint
from services.alerting.details import Details
from services.alerting.filters import AlertFilter
from services.alerting.lifecycle import Past
from services.alerting.matchers import Matcher
from services.alerting.rules import AlertType, Severity, Subject, SubjectKind
from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.storage.schema import alert

_ALERT = [c for c in alert.c if c.name != "tenant_id"]
_OPEN = and_(alert.c.tenant_id == THIS_TENANT, alert.c.resolved_at.is_(None))
_HELD = or_(func.cardinality(alert.c.silence_ids) > 0, alert.c.inhibited_by.is_not(None))
_AMONG_SUBJECTS = text("(subject_kind, subject_id) IN (SELECT * FROM unnest(CAST(:kinds AS smallint[]), CAST(:ids AS text[])))")
_AMONG_FINGERPRINTS = text(
    "(rule_id, subject_kind, subject_id) IN "
    "(SELECT * FROM unnest(CAST(:rules AS text[]), CAST(:kinds AS smallint[]), CAST(:ids AS text[])))"
)


def alert_of(row: RowMapping) -> Alert:
    """Return the alert of a row of its table."""
    return Alert(**{**row, "silence_ids": tuple(row["silence_ids"]), "details": Details(**row["details"])})


async def get_alert(conn: AsyncConnection, alert_id: UUID) -> Alert | None:
    """Return an alert, or None when there is none."""
    row = (await conn.execute(_one(alert_id))).mappings().one_or_none()
    return None if row is None else alert_of(row)


async def lock_alert(conn: AsyncConnection, alert_id: UUID) -> Alert | None:
    """Lock an alert and return it, or None when there is none. Whoever else changes it waits."""
    row = (await conn.execute(_one(alert_id).with_for_update())).mappings().one_or_none()
    return None if row is None else alert_of(row)


async def get_alerts(conn: AsyncConnection, alert_ids: Collection[UUID]) -> dict[UUID, Alert]:
    """Return alerts as they are now, by id."""
    mine = (alert.c.tenant_id == THIS_TENANT, alert.c.alert_id == func.any(list(alert_ids)))
    rows = (await conn.execute(select(*_ALERT).where(*mine))).mappings()
    return {row["alert_id"]: alert_of(row) for row in rows}


async def list_open_alerts(conn: AsyncConnection, wanted: AlertFilter) -> list[Alert]:
    """Return the open alerts that match a filter, the oldest first."""
    found = select(*_ALERT).where(_OPEN, _matching(wanted))
    rows = await conn.execute(found.order_by(alert.c.fired_at, alert.c.alert_id))
    return [alert_of(row) for row in rows.mappings()]


async def count_open_alerts(conn: AsyncConnection, wanted: AlertFilter) -> int:
    """Return how many open alerts match a filter."""
    found = select(func.count()).select_from(alert).where(_OPEN, _matching(wanted))
    count: int = (await conn.execute(found)).scalar_one()
    return count


async def list_alerts(
    conn: AsyncConnection, wanted: AlertFilter, before: tuple[datetime, UUID] | None, limit: int
) -> list[Alert]:
    """Return alerts that match a filter, the last to fire first, at most `limit`; `before` is where the last page ended."""
    found = select(*_ALERT).where(alert.c.tenant_id == THIS_TENANT, _matching(wanted))
    if before is not None:
        found = found.where(tuple_(alert.c.fired_at, alert.c.alert_id) < tuple_(*before))
    rows = await conn.execute(found.order_by(alert.c.fired_at.desc(), alert.c.alert_id.desc()).limit(limit))
    return [alert_of(row) for row in rows.mappings()]


async def lock_open_alerts(conn: AsyncConnection, subjects: Collection[Subject] | None) -> dict[Fingerprint, Alert]:
    """Lock the open alerts of some subjects, or of all (None), in the order of their ids, and return them."""
    found = select(*_ALERT).where(_OPEN).order_by(alert.c.alert_id).with_for_update()
    if subjects is None:
        rows = await conn.execute(found)
    else:
        names = {"kinds": [s.kind for s in subjects], "ids": [s.id for s in subjects]}
        rows = await conn.execute(found.where(_AMONG_SUBJECTS), names)
    alerts = [alert_of(row) for row in rows.mappings()]
    return {a.fingerprint: a for a in alerts}


async def list_holdable(conn: AsyncConnection, inhibiting: Collection[str], *, is_silent: bool) -> list[Alert]:
    """Return the open alerts that may be held back, the oldest first.

    All, if there are silences or one is of the rules `inhibiting`; else those that are held back now, which are to be let go.
    """
    others = alert.alias()
    by_another = select(1).where(
        others.c.tenant_id == THIS_TENANT, others.c.resolved_at.is_(None), others.c.rule_id == func.any(list(inhibiting))
    )
    return await _list_open(conn, true() if is_silent else or_(_HELD, by_another.exists()))


async def list_open_among(conn: AsyncConnection, inhibiting: Collection[str], alert_ids: Collection[UUID]) -> list[Alert]:
    """Return those of some alerts that are open, and all open ones of the rules `inhibiting`, the oldest first."""
    return await _list_open(
        conn, or_(alert.c.alert_id == func.any(list(alert_ids)), alert.c.rule_id == func.any(list(inhibiting)))
    )


async def lock_free(conn: AsyncConnection, alert_ids: Collection[UUID]) -> list[Alert]:
    """Lock those of some open alerts that nobody else has locked, and return them.

    To wait for others would be a deadlock where the log's counter is locked already.
    """
    found = select(*_ALERT).where(_OPEN, alert.c.alert_id == func.any(list(alert_ids))).order_by(alert.c.alert_id)
    rows = await conn.execute(found.with_for_update(skip_locked=True))
    return [alert_of(row) for row in rows.mappings()]


async def count_episodes(conn: AsyncConnection, fingerprints: Collection[Fingerprint], now: datetime) -> dict[Fingerprint, Past]:
    """Return how many alerts each fingerprint had, and how many of them began in the last hour; one that had none is left out."""
    key = (alert.c.rule_id, alert.c.subject_kind, alert.c.subject_id)
    lately = func.count().filter(alert.c.fired_at > now - timedelta(hours=1)).label("lately")
    found = select(*key, func.max(alert.c.episode).label("episodes"), lately)
    subjects = [f.subject for f in fingerprints]
    parameters = {
        "rules": [f.rule_id for f in fingerprints],
        "kinds": [s.kind for s in subjects],
        "ids": [s.id for s in subjects],
    }
    mine = alert.c.tenant_id == THIS_TENANT
    rows = await conn.execute(found.where(mine, _AMONG_FINGERPRINTS).group_by(*key), parameters)
    return {Fingerprint(row.rule_id, Subject(row.subject_kind, row.subject_id)): Past(row.episodes, row.lately) for row in rows}


async def save_alerts(conn: AsyncConnection, alerts: Iterable[Alert]) -> None:
    """Insert alerts, or replace them where they are stored."""
    new = insert(alert)
    replaced = {c.name: new.excluded[c.name] for c in _ALERT if c.name != "alert_id"}
    upsert = new.on_conflict_do_update(index_elements=["tenant_id", "alert_id"], set_=replaced)
    mine = {"tenant_id": current_tenant()}
    await conn.execute(upsert, [mine | values_of(each) | {"silence_ids": list(each.silence_ids)} for each in alerts])


def _one(alert_id: UUID) -> Select[Any]:
    return select(*_ALERT).where(alert.c.tenant_id == THIS_TENANT, alert.c.alert_id == alert_id)


async def _list_open(conn: AsyncConnection, concerned: ColumnElement[bool]) -> list[Alert]:
    rows = await conn.execute(select(*_ALERT).where(_OPEN, concerned).order_by(alert.c.fired_at, alert.c.alert_id))
    return [alert_of(row) for row in rows.mappings()]


def _matching(wanted: AlertFilter) -> ColumnElement[bool]:
    """Return AlertFilter.matches as SQL."""
    a = alert.c
    conditions: list[ColumnElement[bool]] = [
        column.in_(sorted(values))
        for column, values in (
            (a.type, wanted.types),
            (a.severity, wanted.severities),
            (a.rule_id, wanted.rule_ids),
            (a.state, wanted.states),
        )
        if values
    ]
    for kind, ids in ((SubjectKind.AGENT, wanted.agent_ids), (SubjectKind.CUSTOMER, wanted.customer_ids)):
        if ids:
            conditions.append(and_(a.subject_kind == kind, a.subject_id.in_(sorted(ids))))
    if wanted.acknowledged is not None:
        conditions.append(a.acknowledged_at.is_not(None) == wanted.acknowledged)
    if wanted.suppressed is not None:
        conditions.append(or_(func.cardinality(a.silence_ids) > 0, a.inhibited_by.is_not(None)) == wanted.suppressed)
    return and_(true(), *conditions, *(_picked(each) for each in wanted.matchers))


def _picked(matcher: Matcher) -> ColumnElement[bool]:
    """Return Matcher.is_satisfied_by as SQL."""
    a = alert.c
    words = {"type": (a.type, AlertType), "severity": (a.severity, Severity), "subject_kind": (a.subject_kind, SubjectKind)}
    of_subject = {"agent_id": SubjectKind.AGENT, "customer_id": SubjectKind.CUSTOMER}
    if matcher.name in words:
        column, numbers = words[matcher.name]
        value: ColumnElement[Any] = case({each.value: each.name.lower() for each in numbers}, value=column, else_="")
    elif matcher.name in {"rule_id", "subject_id"}:
        value = a[matcher.name]
    elif matcher.name in of_subject:
        own = a.labels[matcher.name].astext
        value = case((a.subject_kind == of_subject[matcher.name], a.subject_id), else_=func.coalesce(own, ""))
    else:
        value = func.coalesce(a.labels[matcher.name].astext, "")
    picked = value.in_(sorted(matcher.values))
    return not_(picked) if matcher.negated else picked
