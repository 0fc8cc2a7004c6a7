"""SQL of what rules read one by one and not from sums: last ratings, follow-ups, grades, services' health, notifications.

Each returns, by subject, the value and how many facts it rests on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import DateTime, Double, case, cast, func, literal, literal_column, or_, select, true
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting.measures import MEASURES, SAMPLES, VALUE, Kept
from services.alerting.outages import Seen, Told
from services.alerting.reading_store import Found, among, periods
from services.alerting.readings import Span, Sums
from services.alerting.telling.attempts import TRIED_FOR, State
from services.alerting.uptime import HealthState
from services.runtime.tenancy import THIS_TENANT
from services.storage.schema import (
    agent,
    agent_state,
    alert,
    attempt,
    contribution,
    event,
    follow_up,
    grade_day,
    notification,
    probe,
    rule,
    tally_total_day,
)

#: The kind of contribution that a conversation makes; ingest.follow_up's status open; ingest.agent's state retired.
_CONVERSATION, _OPEN, _RETIRED = 1, 1, 4
#: Of grades: the days that they are over, and how old the newest may be.
_GRADED_DAYS, _GRADE_HOLDS = 30, timedelta(days=2)
_GRADES = {"A+": 7, "A": 6, "B+": 5, "B": 4, "C+": 3, "C": 2, "D": 1}
#: ingest.event's kind of a report of a service's health, and scoring's number of those that say it is down.
_HEALTH, _DOWNS = 22, 72
#: How long after it was made a notification may be given up: twice as long as it is tried, for nobody may be there to try it.
_TRIED_FOR = 2 * TRIED_FOR
#: The measures of notifications that failed.
_OF_FAILED = tuple(each.name for each in MEASURES.values() if each.kept is Kept.NOTIFICATIONS)


@dataclass(frozen=True, slots=True)
class Notable:
    """Ratings that matter to rules: above a value, below one, or of some customers whatever they are."""

    above: float
    below: float
    ids: Collection[str]


async def read_last_scores(conn: AsyncConnection, spans: Sequence[Span], ids: Collection[str] | None, notable: Notable) -> Found:
    """Return customers' notable last ratings in each span, and how many there are.

    Of the same moment the greatest conversation's is the last.
    """
    c, span = contribution.c, periods(spans)
    samples = func.count().over(partition_by=(span.c.place, c.customer_id))
    is_rating = (c.tenant_id == THIS_TENANT, c.kind == _CONVERSATION, c.csat_x100.is_not(None), c.customer_id != "")
    within = (c.at >= span.c.since, c.at < span.c.until)
    last = (
        select(span.c.place, c.customer_id, c.csat_x100, samples.label("samples"))
        .where(*is_rating, *within, *among(c.customer_id, ids))
        .ext(distinct_on(span.c.place, c.customer_id))
        .order_by(span.c.place, c.customer_id, c.at.desc(), c.fact_id.desc())
    ).subquery()
    # The same numbers as rules compare, so that none is lost by rounding.
    score, kept = cast(last.c.csat_x100, Double) / 100.0, among(last.c.customer_id, notable.ids)
    query = select(last).where(or_(score > notable.above, score < notable.below, *kept))
    found: Found = [{} for _ in spans]
    for row in await conn.execute(query):
        found[row.place - 1][row.customer_id] = _value(row.csat_x100 / 100, row.samples)
    return found


async def count_overdue(conn: AsyncConnection, now: datetime, ids: Collection[str] | None) -> dict[str, Sums]:
    """Return how many open follow-ups of each agent were due before now."""
    f = follow_up.c
    is_overdue = (f.tenant_id == THIS_TENANT, f.status == _OPEN, f.due < now, f.agent_id != "")
    query = select(f.agent_id, func.count().label("n")).where(*is_overdue, *among(f.agent_id, ids)).group_by(f.agent_id)
    return {row.agent_id: _value(row.n, row.n) for row in await conn.execute(query)}


async def read_grades(conn: AsyncConnection, today: date, ids: Collection[str] | None) -> dict[str, Sums]:
    """Return agents' newest grades that are not provisional and not too old, as numbers."""
    a, g = agent_state.c, grade_day.c
    of_agent = (g.tenant_id == THIS_TENANT, g.agent_id == a.agent_id, g.window_days == _GRADED_DAYS)
    good = (g.day >= today - _GRADE_HOLDS, ~g.provisional, g.grade.is_not(None))
    # One look into the index for each agent: the table has all agents' days of years.
    newest = select(g.grade, g.n).where(*of_agent, *good).order_by(g.day.desc()).limit(1).lateral("newest")
    query = select(a.agent_id, newest.c.grade, newest.c.n).select_from(agent_state.join(newest, true()))
    rows = await conn.execute(query.where(a.tenant_id == THIS_TENANT, *among(a.agent_id, ids)))
    return {row.agent_id: _value(_GRADES[row.grade], row.n) for row in rows}


async def count_failed(conn: AsyncConnection, spans: Sequence[Span]) -> Found:
    """Return how many of the tenant's notifications failed in each span: when, their last attempts tell.

    Not counted are tests, and what tells of an alert about failed notifications: it goes where the others failed, and would
    keep its own alert going.
    """
    n, a, told, r, span = notification.c, attempt.c, alert.c, rule.c, periods(spans)
    since = min(each.since for each in spans) - _TRIED_FOR
    last = (
        select(a.at)
        .where(a.tenant_id == n.tenant_id, a.notification_id == n.notification_id)
        .order_by(a.number.desc())
        .limit(1)
        .lateral("last")
    )
    of_failed = (
        select(literal(1))
        .where(told.tenant_id == n.tenant_id, told.alert_id == func.any(n.alert_ids))
        .where(r.tenant_id == n.tenant_id, r.rule_id == told.rule_id, r.body["measure"].astext.in_(_OF_FAILED))
    )
    failed = (n.tenant_id == THIS_TENANT, n.state == int(State.FAILED), n.created_at >= since, n.route_id != "")
    within = (last.c.at >= span.c.since, last.c.at < span.c.until)
    query = select(span.c.place, func.count()).select_from(notification.join(last, true()).join(span, true()))
    query = query.where(*failed, *within, ~of_failed.exists()).group_by(span.c.place)
    found: Found = [{} for _ in spans]
    for place, count in await conn.execute(query):
        found[place - 1][""] = _value(count, count)
    return found


async def list_seen(conn: AsyncConnection) -> list[Seen]:
    """Return what probes found of each service last, and when they last found it good.

    One that they never did was good until the first of its quarters of an hour that are kept. Of quarters of before these moments
    were kept it is known only where the last probe was good; others count as good at their beginning.
    """
    p, oldest = probe.c, probe.alias().c
    # Few looks into the index for each service: the table has every quarter of an hour of weeks.
    first = select(func.min(p.service).label("service")).cte("services", recursive=True)
    following = select(func.min(p.service)).where(p.service > first.c.service).scalar_subquery()
    services = first.union_all(select(following).where(first.c.service.is_not(None)))
    of_service = select(probe).where(p.service == services.c.service).order_by(p.bucket.desc()).limit(1)
    began = select(func.min(oldest.bucket)).where(oldest.service == services.c.service).correlate(services).scalar_subquery()
    newest = of_service.lateral("newest")
    good = of_service.where((p.good > 0) | (p.bucket == began)).lateral("good")
    last = case((good.c.state == HealthState.UP, good.c.checked_at), else_=good.c.bucket)
    good_at = func.coalesce(good.c.good_at, last)
    query = select(services.c.service, newest.c.state, newest.c.checked_at, good_at)
    return [Seen(*row) for row in await conn.execute(query.select_from(services.join(newest, true()).join(good, true())))]


async def list_told(conn: AsyncConnection) -> list[Told]:
    """Return the services that were reported as down after they were last reported as up, and since when; or else as up."""
    e, t = event.c, tally_total_day.c
    # Where scoring counted none that a service is down, none are read; a tenant's day may begin 14 hours before that of UTC.
    downs = (t.tenant_id == THIS_TENANT, t.measure == _DOWNS, t.n > 0)
    first = select(cast(func.min(t.bucket) - 1, DateTime(timezone=True))).where(*downs).scalar_subquery()
    # In these words reports are found by their index, and not among all other events.
    service, state = (e.body.op("->>")(literal_column(f"'{name}'")).label(name) for name in ("service", "state"))
    is_report = (e.tenant_id == THIS_TENANT, e.kind == literal_column(str(_HEALTH)), e.occurred_at >= first)
    is_up, is_down = (state == str(int(each)) for each in (HealthState.UP, HealthState.DOWN))
    up_at = func.max(e.occurred_at).filter(is_up).over(partition_by=service).label("up_at")
    said = select(service, is_down.label("is_down"), e.occurred_at, up_at).where(*is_report).subquery().c
    down_at = func.min(said.occurred_at).filter(said.is_down, (said.up_at.is_(None)) | (said.occurred_at > said.up_at))
    told_at = func.coalesce(down_at, func.max(said.up_at))
    query = select(said.service, told_at, down_at.is_not(None)).group_by(said.service).having(told_at.is_not(None))
    return [Told(*row) for row in await conn.execute(query)]


async def list_agents(conn: AsyncConnection, ids: Collection[str] | None = None) -> set[str]:
    """Return every agent, of all or of some, that a fact names and that is not gone for good."""
    a, s = agent.c, agent_state.c
    gone = select(literal(1)).where(a.tenant_id == THIS_TENANT, a.agent_id == s.agent_id, a.state == _RETIRED).exists()
    known = (s.tenant_id == THIS_TENANT, s.agent_id != "", ~gone, *among(s.agent_id, ids))
    return set((await conn.execute(select(s.agent_id).where(*known))).scalars())


def as_sums(values: Iterable[tuple[str, float]]) -> dict[str, Sums]:
    """Return values of one fact each."""
    return {subject: _value(value, 1) for subject, value in values}


def _value(value: float, samples: int) -> Sums:
    return {VALUE: value, SAMPLES: samples}
