"""A rule that is tried on the past finds what it would have found, had it been there."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from google.type.money_pb2 import Money
from rapport.alerting.v1 import rule_pb2 as pb

from tests.alerting.house import House
from tests.alerting.past import START, prepare, timestamp
from tests.alerting.rollups import QUARTER, Rollups, random_quarter
from tests.alerting.rules import DAY_S, rule

HOUR_S = 60 * 60
#: An agent comes, and a platform, after so many quarters of an hour.
NEW_AFTER, VOICE = 40, 6
ABOVE, BELOW = pb.COMPARISON_ABOVE, pb.COMPARISON_BELOW
RULES = {
    each.rule_id: each
    for each in (
        rule("mean", fire_at=20_000, clear_at=15_000, window=2 * HOUR_S, min_samples=3),
        rule("lasting", fire_at=20_000, window=2 * HOUR_S, for_duration=HOUR_S, keep_firing_for=HOUR_S),
        rule("unchanged", fire_at=20_000, window=HOUR_S, no_data=pb.NO_DATA_UNCHANGED),
        rule("missed", measure="totalConversations", comparison=BELOW, fire_at=0.5, window=HOUR_S, no_data=pb.NO_DATA_WRONG),
        rule("some", measure="totalConversations", fire_at=3, window=HOUR_S, subject_ids=["b", "nobody"]),
        rule("rate", subject_kind=4, measure="escalationRate", fire_at=25, window=3 * HOUR_S),
        rule("revenue", measure="totalRevenue", fire_at=50, window=4 * HOUR_S),
        rule("worth", subject_kind=3, measure="revenuePerConversation", comparison=BELOW, fire_at=5, window=6 * HOUR_S),
        rule("change", subject_kind=3, measure="conversionRate", comparison=BELOW, fire_at=-20, window=6 * HOUR_S,
             change=pb.Change(weeks=2)),
        rule("weekly-change", measure="totalConversations", fire_at=5, window=7 * DAY_S, change=pb.Change()),
        rule("absence", measure="totalConversations", fire_at=2, absence=pb.Absence(expected_within=Duration(seconds=DAY_S))),
        rule("silent", subject_kind=6, measure="receivedFacts", fire_at=3, absence=pb.Absence(), no_data=pb.NO_DATA_UNCHANGED),
        rule("burn", subject_kind=3, measure="escalationRate", fire_at=2, window=6 * HOUR_S, burn_rate=pb.BurnRate(objective=90)),
        rule("drift", measure="totalConversations", fire_at=5, anomaly=pb.Anomaly()),
        rule("target", measure="totalRevenue", comparison=BELOW, fire_at=100, clear_at=102, target=pb.Target()),
        rule("whole-target", subject_kind=3, measure="totalRevenue", comparison=BELOW, fire_at=100, target=pb.Target(from_day=0)),
        rule("rating", subject_kind=2, measure="latestSatisfaction", comparison=BELOW, fire_at=3, window=5 * HOUR_S),
        rule("idle", measure="totalConversations", comparison=BELOW, fire_at=1, window=2 * HOUR_S),
        rule("idle-platform", subject_kind=4, measure="conversionsGenerated", comparison=BELOW, fire_at=1, window=HOUR_S),
        rule("idle-tenant", subject_kind=3, measure="totalConversations", comparison=BELOW, fire_at=1, window=HOUR_S),
        rule("idle-source", subject_kind=6, measure="receivedFacts", comparison=BELOW, fire_at=1, window=2 * HOUR_S),
        rule("collapse", measure="totalConversations", comparison=BELOW, fire_at=-90, window=3 * HOUR_S, min_samples=8,
             change=pb.Change(weeks=2)),
        rule("named", measure="totalConversations", comparison=BELOW, fire_at=1, window=HOUR_S, subject_ids=["b", "nobody"],
             no_data=pb.NO_DATA_WRONG),
        rule("missed-mean", comparison=BELOW, fire_at=0, window=HOUR_S, no_data=pb.NO_DATA_WRONG),
    )
}  # fmt: skip


async def put_rules(stub) -> None:
    for each in RULES.values():
        await stub.PutRule(pb.PutRuleRequest(rule=each))
    for agent, units in (("a", 300), ("b", 9_800), ("", 30_360)):
        amount = Money(currency_code="USD", units=units)
        await stub.PutTarget(pb.PutTargetRequest(target=pb.RevenueTarget(agent_id=agent, month="2026-10", amount=amount)))


async def lived(house: House, rollups: Rollups, quarters: int, seed: int) -> None:
    """Let facts arrive as they happen, a quarter of an hour after the other, and evaluate them as each is over."""
    r = random.Random(seed)
    await house.evaluate()
    for n in range(quarters):
        happened = random_quarter(r, house.clock.now)
        if n == NEW_AFTER:
            happened.counts["new", VOICE] = (1, 1, 0, 0, 1, 100)
        await rollups.write([happened])
        house.clock.move(QUARTER)
        await house.evaluate()


async def made(house: House, rule_id: str) -> list[tuple[str, datetime, datetime | None, float | None, float | None]]:
    """Return the alerts that were made: of whom, when they fired and ended, and with which value and baseline."""
    rows = await house.facts.rows(
        "SELECT a.subject_id, a.fired_at, a.resolved_at, (l.after ->> 'value')::float8, (l.after ->> 'baseline')::float8"
        " FROM alerting.alert AS a JOIN alerting.alert_log AS l USING (tenant_id, alert_id)"
        " WHERE a.rule_id = %s AND l.kind = 2",
        rule_id,
    )
    return sorted(rows, key=lambda row: (row[1], row[0]))


def found(answer: pb.BacktestRuleResponse) -> list[tuple[str, datetime, datetime | None, float | None, float | None]]:
    return [
        (
            f.subject_id,
            f.fired_at.ToDatetime(UTC),
            f.resolved_at.ToDatetime(UTC) if f.HasField("resolved_at") else None,
            f.value if f.HasField("value") else None,
            f.baseline if f.HasField("baseline") else None,
        )
        for f in answer.firings
    ]


@pytest.mark.timeout(300)
async def test_a_backtest_tells_what_the_worker_did_as_the_same_facts_arrived(house: House):
    rollups = await prepare(house)
    async with house.stub() as stub:
        await put_rules(stub)
        await lived(house, rollups, 32 * 4, seed=2)
        house.clock.move(timedelta(seconds=1))
        differences = {}
        for rule_id, tried in RULES.items():
            answer = await stub.BacktestRule(pb.BacktestRuleRequest(rule=tried, start_time=timestamp(START)))
            expected = await made(house, rule_id)
            assert expected, f"{rule_id} must fire for this to show anything"
            if found(answer) != expected:
                differences[rule_id] = (found(answer), expected)
            assert answer.total == len(answer.firings) == sum(week.firings for week in answer.weeks)
            assert [week.week for week in answer.weeks] == ["2026-10-19", "2026-10-26"]
    assert not differences
    told = {(rule_id, subject) for rule_id in RULES for subject, *_ in await made(house, rule_id)}
    assert {("idle", "new"), ("idle-platform", "voice"), ("missed-mean", "new"), ("named", "b")} <= told
    assert not {subject for _, subject in told} & {"nobody", "sms"}, "of whom nothing is known, nothing is said"
