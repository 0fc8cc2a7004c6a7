"""What is told of a rule that is tried on the past, and which pasts are refused."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from rapport.alerting.v1 import rule_pb2 as pb
from sqlalchemy import event

from services.alerting import backtest_store, backtesting, servicer_backtests
from tests.alerting.house import House, failure_of
from tests.alerting.past import START, prepare, timestamp
from tests.alerting.rollups import QUARTER
from tests.alerting.rules import DAY_S, rule

HOUR_S = 60 * 60


async def answer(house: House, tried: pb.Rule, **other) -> pb.BacktestRuleResponse:
    async with house.stub() as stub:
        return await stub.BacktestRule(pb.BacktestRuleRequest(rule=tried, **other))


async def refused(house: House, tried: pb.Rule, **other) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await answer(house, tried, **other)
    return failure_of(error.value)[:2]


async def slow(house: House, agent: str, at: datetime) -> None:
    await house.facts.conversation(f"{agent} {at}", at, agent=agent, response_ms=40_000)


async def test_values_of_one_subject_are_told_where_it_has_any(house: House):
    now = house.clock.now = house.clock.now.replace(minute=0, second=0)
    await slow(house, "a", now - timedelta(minutes=50))
    await slow(house, "b", now - timedelta(minutes=40))
    tried = rule(window=1800)
    told = await answer(house, tried, start_time=timestamp(now - timedelta(hours=1)), series_of="a")
    assert [(p.HasField("value"), p.firing) for p in told.points] == [(False, False), (True, True), (True, True), (False, False)]
    assert told.points[1].value == told.points[1].measured == 40_000
    assert not told.points[1].HasField("baseline")
    assert (told.subjects, told.total, [f.subject_id for f in told.firings]) == (2, 2, ["a", "b"])
    assert not (await answer(house, tried)).points, "nobody's were asked for"
    whole = rule(subject_kind=3, fire_at=50_000)
    told = await answer(house, whole, start_time=timestamp(now - timedelta(hours=1)))
    assert (len(told.points), told.total, told.subjects) == (4, 0, 1), "the tenant's are told without being asked for"


async def test_a_rule_is_tried_on_the_last_28_days_that_rests_or_not(house: House):
    old, new = (house.clock.now - timedelta(days=days) for days in (28.5, 20))
    await slow(house, "a", old)
    await slow(house, "b", new)
    told = await answer(house, rule(window=900, disabled=True))
    assert [(f.subject_id, f.resolved_at.ToDatetime(UTC) - f.fired_at.ToDatetime(UTC)) for f in told.firings] == [("b", QUARTER)]
    assert [(w.week, w.firings, w.subjects) for w in told.weeks] == [
        ("2026-04-06", 0, 0),
        ("2026-04-13", 1, 1),
        ("2026-04-20", 0, 0),
        ("2026-04-27", 0, 0),
        ("2026-05-04", 0, 0),
    ]
    async with house.stub() as stub:
        assert "slow" not in [v.rule.rule_id for v in (await stub.ListRules(pb.ListRulesRequest())).rules], "it is not put"


async def test_days_before_quarters_are_kept_are_told_by_day(house: House):
    await prepare(house)
    start = timestamp(START - timedelta(days=50))
    told = await answer(house, rule(fire_at=20_000, window=2 * DAY_S), start_time=start, series_of="b")
    midnights = [point.time.ToDatetime(UTC).hour for point in told.points]
    assert (len(midnights), set(midnights)) == (50, {22})
    rows = await house.facts.rows(
        "SELECT bucket, sum(response_ms), sum(response_n) FROM scoring.agent_day WHERE agent_id = 'b' GROUP BY bucket"
    )
    days = {day: (took, n) for day, took, n in rows}
    for point in told.points:
        today = (point.time.ToDatetime(UTC) + timedelta(hours=12)).date()
        sums = [days.get(today - timedelta(days=n), (0, 0)) for n in (1, 2)]
        took, n = sum(s[0] for s in sums), sum(s[1] for s in sums)
        assert (point.value if point.HasField("value") else None) == (float(took / n) if n else None)


@pytest.mark.parametrize(
    ("tried", "days", "reason"),
    [
        (rule(), -1, "UNSUPPORTED_WINDOW"),
        (rule(), 0, "UNSUPPORTED_WINDOW"),
        (rule(), 367, "UNSUPPORTED_WINDOW"),
        (rule(window=HOUR_S), 36, "UNSUPPORTED_WINDOW"),
        (rule(window=7 * DAY_S), 30, None),
        (rule(window=30 * HOUR_S), 34.9, "UNSUPPORTED_WINDOW"),
        (rule(measure="totalConversations", fire_at=6, absence=pb.Absence()), 30, "UNSUPPORTED_WINDOW"),
        (rule(measure="totalConversations", fire_at=6, absence=pb.Absence()), 27, None),
        (rule(measure="escalationRate", burn_rate=pb.BurnRate(objective=99), fire_at=2, window=12 * DAY_S), 30, None),
        (rule(measure="escalationRate", burn_rate=pb.BurnRate(objective=99), fire_at=2), 40, "UNSUPPORTED_WINDOW"),
        (rule(subject_kind=2, measure="latestSatisfaction", comparison=2, fire_at=3, window=HOUR_S), 366, None),
        (rule(subject_kind=6, measure="receivedFacts", window=DAY_S), 36, "UNSUPPORTED_WINDOW"),
        (rule(measure="grade"), 28, "INVALID_RULE"),
        (rule(subject_kind=5, measure="downMinutes"), 28, "INVALID_RULE"),
        (rule(measure="happiness"), 28, "INVALID_RULE"),
    ],
)
async def test_periods_that_the_rules_windows_do_not_allow_are_refused(house: House, tried, days, reason):
    start = timestamp(house.clock.now - timedelta(days=days))
    if reason is None:
        assert (await answer(house, tried, start_time=start)).total == 0
    else:
        assert await refused(house, tried, start_time=start) == ("INVALID_ARGUMENT", reason)


async def test_a_past_of_too_many_rows_is_refused(house: House, monkeypatch):
    for agent in ("a", "b", "c"):
        await slow(house, agent, house.clock.now - timedelta(hours=2))
    monkeypatch.setattr(backtest_store, "MOST_ROWS", 2)
    assert await refused(house, rule()) == ("INVALID_ARGUMENT", "QUERY_TOO_LARGE")
    assert (await answer(house, rule(subject_ids=["a", "b"]))).total == 2


async def test_a_past_that_takes_too_long_is_refused(house: House, monkeypatch):
    await slow(house, "a", house.clock.now - timedelta(hours=2))
    assert (await answer(house, rule())).total == 1
    monkeypatch.setattr(backtesting, "MOST_SUMS", 1)
    assert await refused(house, rule()) == ("INVALID_ARGUMENT", "QUERY_TOO_LARGE")


async def test_another_tenants_past_is_not_seen(house: House):
    at = house.clock.now - timedelta(hours=2)
    await house.facts.conversation("theirs", at, agent="a", response_ms=40_000, tenant="other")
    told = await answer(house, rule(), series_of="a")
    assert (told.total, told.subjects) == (0, 0)
    assert not any(point.HasField("value") for point in told.points)


async def test_no_more_statements_for_many_subjects(house: House):
    tried = rule(measure="revenuePerConversation", fire_at=1, window=HOUR_S)
    counts = []
    for agents in (1, 50):
        await house.facts.rows(
            "INSERT INTO scoring.revenue_interval (tenant_id, agent_id, bucket, platform, currency, orders, amount)"
            " SELECT 'default', 'agent ' || n, %s, 1, 'USD', 1, 5 FROM generate_series(1, %s) AS n ON CONFLICT DO NOTHING",
            house.clock.now - timedelta(hours=3),
            agents,
        )
        statements: list[str] = []
        engine = house.database._engine.sync_engine

        def note(*told, into=statements):
            into.append(told[2])

        event.listen(engine, "before_cursor_execute", note)
        await answer(house, tried)
        event.remove(engine, "before_cursor_execute", note)
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 6


async def test_one_backtest_is_at_work_at_a_time(house: House, monkeypatch):
    at_work, most = 0, 0
    replayed = servicer_backtests.try_on

    def counted(*told):
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        time.sleep(0.05)
        found = replayed(*told)
        at_work -= 1
        return found

    monkeypatch.setattr(servicer_backtests, "try_on", counted)
    async with house.stub() as stub:
        asked = pb.BacktestRuleRequest(rule=rule())
        await asyncio.gather(*[stub.BacktestRule(asked) for _ in range(4)])
    assert (most, at_work) == (1, 0)


async def test_days_with_a_count_of_nothing_are_told_by_day(house: House):
    await prepare(house)
    # The agent comes on 3 September, and rests after the 5th.
    days = [datetime(2026, 9, day, tzinfo=UTC).date() for day in (3, 5)]
    put = (
        "INSERT INTO scoring.agent_day (tenant_id, agent_id, bucket, platform, conversations) VALUES ('default', 'new', %s, 1, 2)"
    )
    for day in days:
        await house.facts.rows(put, day)
    await house.facts.rows(
        "INSERT INTO scoring.agent_state (tenant_id, agent_id) VALUES ('default', 'new'), ('default', 'nobody')"
    )
    tried = rule(measure="totalConversations", comparison=pb.COMPARISON_BELOW, fire_at=1, window=DAY_S, subject_ids=["new"])
    span = {"start_time": timestamp(START - timedelta(days=55)), "end_time": timestamp(START - timedelta(days=45))}
    told = await answer(house, tried, series_of="new", **span)
    found = [(p.time.ToDatetime(UTC).date().isoformat()[5:], p.value) for p in told.points if p.HasField("value")]
    assert found[:4] == [("09-03", 2), ("09-04", 0), ("09-05", 2), ("09-06", 0)]
    assert [f.fired_at.ToDatetime(UTC).date().isoformat() for f in told.firings] == ["2026-09-04", "2026-09-06"]
