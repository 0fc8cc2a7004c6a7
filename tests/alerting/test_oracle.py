"""Alerts are those that plain Python over the facts finds: none missed, none too many, once an episode."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.alerting import measuring
from services.alerting.conditions import Absence, Anomaly, BurnRate, Change, Target
from services.alerting.measures import PLATFORMS
from services.alerting.readings import spans
from services.alerting.rules import Comparison, NoData, SubjectKind
from tests.alerting import oracle
from tests.alerting.house import House
from tests.alerting.measured import Measured, rule
from tests.alerting.oracle import Alerts, Facts, Talk

DAY_S, HOUR_S = 86_400, 3_600
BELOW = Comparison.BELOW
AGENTS, CUSTOMERS = [f"agent {i}" for i in range(3)], [f"customer {i}" for i in range(6)]
WORDS = {"web": 4, "voice": 6}
SUBJECTS = {
    SubjectKind.AGENT: AGENTS,
    SubjectKind.CUSTOMER: CUSTOMERS,
    SubjectKind.PLATFORM: list(PLATFORMS.values()),
    SubjectKind.TENANT: [""],
}
BEGIN = datetime(2026, 3, 20, 5, tzinfo=UTC)
PAST, PLAYED = timedelta(days=60), timedelta(days=12)

RULES: list[tuple[Any, Any]] = [
    (rule("mean", "averageResponseTime", fire_at=30_000, clear_at=25_000, window_s=6 * HOUR_S, min_samples=2),
     oracle.mean_response),
    (rule("mean-for", "averageResponseTime", fire_at=30_000, window_s=6 * HOUR_S, for_s=4 * HOUR_S, keep_firing_s=8 * HOUR_S),
     oracle.mean_response),
    (rule("escalations", "escalationRate", fire_at=25, min_samples=4, subject_kind=SubjectKind.PLATFORM), oracle.escalations),
    (rule("quiet", "totalConversations", comparison=BELOW, fire_at=3, window_s=3 * HOUR_S, keep_firing_s=HOUR_S,
          subject_kind=SubjectKind.TENANT, no_data=NoData.UNCHANGED), oracle.busy),
    (rule("idle", "totalConversations", comparison=BELOW, fire_at=1, window_s=12 * HOUR_S), oracle.idle),
    (rule("deserted", "totalConversations", comparison=BELOW, fire_at=1, window_s=2 * HOUR_S, for_s=HOUR_S,
          subject_kind=SubjectKind.PLATFORM), oracle.deserted),
    (rule("collapse", "totalConversations", comparison=BELOW, fire_at=-70, clear_at=-30, window_s=DAY_S // 2, min_samples=8,
          condition=Change(weeks=2)), oracle.collapse),
    (rule("score", "latestSatisfaction", comparison=BELOW, fire_at=3, subject_kind=SubjectKind.CUSTOMER), oracle.last_score),
    (rule("score-change", "customerSatisfactionAvg", comparison=BELOW, fire_at=-15, min_samples=3, condition=Change(weeks=2)),
     oracle.score_change),
    (rule("count-change", "totalConversations", comparison=BELOW, fire_at=-25, window_s=7 * DAY_S, condition=Change(weeks=4),
          subject_kind=SubjectKind.TENANT), oracle.count_change),
    (rule("silence", "totalConversations", fire_at=10, condition=Absence(expected_within_s=3 * DAY_S)), oracle.silence),
    (rule("burning", "conversationCompletionRate", fire_at=2, subject_kind=SubjectKind.TENANT,
          condition=BurnRate(90, short_window_s=2 * HOUR_S)), oracle.burning),
    (rule("falls", "totalConversations", comparison=BELOW, fire_at=4, condition=Anomaly()), oracle.falls),
    (rule("pace", "totalRevenue", comparison=BELOW, fire_at=90, clear_at=95, condition=Target(), subject_kind=SubjectKind.TENANT),
     oracle.pace),
]  # fmt: skip


def talks(chance: random.Random) -> list[Talk]:
    """Return the conversations of 72 days: fewer at night and in the last days, some known late, some of bad days."""
    found: list[Talk] = []
    for quarter in range(int((PAST + PLAYED) / oracle.QUARTER)):
        at = BEGIN - PAST + quarter * oracle.QUARTER + timedelta(seconds=chance.randrange(900))
        is_bad, is_late = chance.random() < 0.15, at > BEGIN + timedelta(days=4)
        for agent in AGENTS:
            rate = (0.02 if at.hour < 6 else 0.22) * (0.5 if is_late and agent == AGENTS[0] else 1)
            rate *= 0 if agent == AGENTS[2] and BEGIN + timedelta(days=6) < at < BEGIN + timedelta(days=10) else 1
            if chance.random() < rate:
                found.append(_talk(chance, at, agent, is_bad=is_bad))
    return found


def _talk(chance: random.Random, at: datetime, agent: str, *, is_bad: bool) -> Talk:
    return Talk(
        at=at,
        quarter=oracle.quarter(at),
        known_at=at + timedelta(hours=chance.choice([0, 0, 0, 0, 1, 30])),
        agent=agent,
        customer=chance.choice(CUSTOMERS),
        platform=chance.choice(list(WORDS)),
        response_ms=chance.randrange(10_000, 80_000 if is_bad else 45_000),
        score=chance.choice([1, 2, 3] if is_bad else [2, 3, 4, 4, 5, 5, 5]),
        is_completed=chance.random() < (0.5 if is_bad else 0.9),
        is_escalated=chance.random() < (0.5 if is_bad else 0.12),
        paid=chance.choice([0, 0, 100]),
    )


async def write(measured: Measured, told: list[Talk]) -> None:
    """Write conversations as scoring counts them."""
    counts = [
        {"conversations": 1, "ended": 1, "completed": int(t.is_completed), "escalated": int(t.is_escalated), "csat_n": 1,
         "csat_x100": 100 * t.score, "response_n": 1, "response_ms": t.response_ms} for t in told
    ]  # fmt: skip
    await measured.know(*{t.agent for t in told})
    await measured.count_all((t.at, t.agent, WORDS[t.platform], n) for t, n in zip(told, counts, strict=True))
    await measured.earn_all((t.at, str(t.paid), t.agent, WORDS[t.platform]) for t in told if t.paid)
    await measured.rate_all((t.at, t.agent, t.customer, t.score) for t in told)


async def play(house: House, tenant: str, zone: str, seed: int, rules: list[tuple[Any, Any]] = RULES) -> list[Alerts]:
    """Let facts become known over 12 days, evaluate from time to time, and return what the alerts should have been."""
    chance, measured, facts = random.Random(seed), Measured(house.url, tenant, zone), Facts(zone, target=60_000)
    await measured.settings()
    await measured.rules(*(each for each, _ in rules))
    put = "INSERT INTO alerting.target (tenant_id, agent_id, month, amount, currency) VALUES (%s, '', %s, %s, 'USD')"
    await measured.execute(put, [(tenant, f"2026-{month:02}-01", facts.target) for month in (3, 4)])
    expected = [Alerts(each, find) for each, find in rules]
    waiting = sorted(talks(chance), key=lambda t: t.known_at)
    now = BEGIN
    while now < BEGIN + PLAYED:
        known = [t for t in waiting if t.known_at <= now]
        waiting = waiting[len(known) :]
        async with measured.at_once():
            await write(measured, known)
        facts.talks += known
        house.clock.now = now
        await house.evaluate()
        for each in expected:
            each.look(facts, SUBJECTS[each.rule.subject_kind], now)
        now += timedelta(minutes=chance.randrange(180, 480), seconds=chance.randrange(60))
    return expected


async def made(house: House, tenant: str, rule_id: str) -> list[tuple[Any, ...]]:
    """Return whom a rule's alerts concerned, when they fired, and when they were over."""
    return await house.facts.rows(
        "SELECT subject_id, fired_at, resolved_at FROM alerting.alert WHERE tenant_id = %s AND rule_id = %s ORDER BY 1, 2",
        tenant,
        rule_id,
    )


@pytest.mark.parametrize(
    ("tenant", "zone", "seed"), [("default", "UTC", 1), ("other", "America/New_York", 2), ("a", "Asia/Kathmandu", 3)]
)
async def test_alerts_are_those_that_the_facts_make(house: House, tenant: str, zone: str, seed: int):
    for each in await play(house, tenant, zone, seed):
        assert await made(house, tenant, each.rule.rule_id) == each.all(), each.rule.rule_id
        assert each.all(), f"nothing was to be found by {each.rule.rule_id}"


async def test_control_days_of_another_zone_are_noticed(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(measuring, "spans", lambda rule, now, _: spans(rule, now, "UTC"))
    in_days = [each for each in RULES if each[0].rule_id in {"count-change", "falls"}]
    expected = await play(house, "other", "America/New_York", 2, in_days)
    assert [await made(house, "other", each.rule.rule_id) for each in expected] != [each.all() for each in expected]
