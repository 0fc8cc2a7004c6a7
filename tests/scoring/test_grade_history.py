"""Grades as the end of each day found them: taken once a day, made up for, and never changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import grpc
import psycopg
import pytest
from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.scoring import queue_store, snapshots
from services.scoring.snapshots import missing_days
from tests.fix_services import House
from tests.query.asking import reason
from tests.scoring.calling import Stub, serving, update
from tests.scoring.telling import rows, settled, talked

TODAY = date(2026, 11, 20)


def days(*numbers: int) -> list[date]:
    return [TODAY - timedelta(days=n) for n in numbers]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (TODAY - timedelta(days=1), []),
        (TODAY, []),
        (TODAY - timedelta(days=2), days(1)),
        (TODAY - timedelta(days=4), days(3, 2, 1)),
        (TODAY - timedelta(days=8), days(7, 6, 5, 4, 3, 2, 1)),
        (TODAY - timedelta(days=300), days(7, 6, 5, 4, 3, 2, 1)),
        (None, days(7, 6, 5, 4, 3, 2, 1)),
    ],
)
def test_days_are_made_up_for_but_not_more_than_seven(last: date | None, expected: list[date]) -> None:
    assert missing_days(last, TODAY) == expected


@pytest.fixture
async def stub(house: House) -> AsyncIterator[Stub]:
    async with serving(house) as served:
        yield served


async def take(house: House) -> None:
    """Take snapshots as the daily sweep does."""
    async with house.scoring_database.transaction("default") as conn:
        assert await queue_store.take_lease(conn)
        await snapshots.take(conn, house.clock())


async def history(stub: Stub, agent: str = "a", **more: object) -> pb.ListGradeHistoryResponse:
    answer: pb.ListGradeHistoryResponse = await stub.ListGradeHistory(pb.ListGradeHistoryRequest(agent_id=agent, **more))
    return answer


def kept(house: House) -> list[tuple[object, ...]]:
    return rows(house, "SELECT * FROM scoring.grade_day ORDER BY agent_id, window_days, day")


async def test_every_window_that_ends_with_yesterday_is_graded(house: House, stub: Stub) -> None:
    for ago in (0, 1, 5, 20, 80):
        await talked(house, f"c-{ago}", house.clock.now - timedelta(days=ago), "a", "k", customer_satisfaction_score=4)
    await settled(house)
    await take(house)
    newest = {w: (await history(stub, window_days=w, page_size=1)).snapshots[0] for w in (1, 7, 30, 90)}
    assert {w: (s.day, s.window_days, s.n) for w, s in newest.items()} == {
        1: ("2026-11-19", 1, 1),
        7: ("2026-11-19", 7, 2),
        30: ("2026-11-19", 30, 3),
        90: ("2026-11-19", 90, 4),
    }
    assert (await history(stub)).snapshots[0] == newest[30]


async def test_a_snapshot_is_what_grading_found(house: House, stub: Stub) -> None:
    yesterday = house.clock.now - timedelta(days=1)
    for name, rating in (("a", 5), ("b", 3)):
        for i in range(3):
            await talked(house, f"c-{name}-{i}", yesterday, name, f"k{i}", customer_satisfaction_score=rating)
    await settled(house)
    await take(house)
    window = pb.GradeAgentsRequest()
    window.start_time.FromJsonString("2026-10-21T00:00:00Z")
    window.end_time.FromJsonString("2026-11-20T00:00:00Z")
    for graded in (await stub.GradeAgents(window)).grades:
        found = (await history(stub, graded.agent_id, window_days=30)).snapshots[0]
        for field in ("grade", "score", "adjusted_score", "adjusted_interval", "rank", "provisional", "n", "coverage"):
            assert getattr(found, field) == getattr(graded, field), field
        assert (found.policy_version, found.adjusted_interval.level) == (1, 0.9)


async def test_grades_of_the_past_come_with_a_grade(house: House, stub: Stub) -> None:
    for ago in (1, 3):
        await talked(house, f"c-{ago}", house.clock.now - timedelta(days=ago), "a", "k", customer_satisfaction_score=4)
    await settled(house)
    await take(house)
    told = (await stub.GradeAgents(pb.GradeAgentsRequest(agent_ids=["a"], history_days=2))).history
    assert (list(told), len(told)) == (list((await history(stub, page_size=2)).snapshots), 2)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.GradeAgents(pb.GradeAgentsRequest(history_days=2))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_snapshot_stays_when_late_facts_arrive(house: House, stub: Stub) -> None:
    yesterday = house.clock.now - timedelta(days=1)
    await talked(house, "c-1", yesterday, "a", "k", customer_satisfaction_score=5)
    await settled(house)
    await take(house)
    before = kept(house)
    await talked(house, "c-2", yesterday, "a", "k", customer_satisfaction_score=1)
    await talked(house, "c-3", yesterday, "late", "k", customer_satisfaction_score=1)
    await settled(house)
    await take(house)
    house.clock.advance(hours=6)
    await house.sweeper.go_round()
    assert kept(house) == before
    # The control: asked anew, the same window says something else.
    window = pb.GradeAgentsRequest(agent_ids=["a"])
    window.start_time.FromJsonString("2026-11-19T00:00:00Z")
    window.end_time.FromJsonString("2026-11-20T00:00:00Z")
    (now,) = (await stub.GradeAgents(window)).grades
    (then,) = (await history(stub, window_days=1)).snapshots
    assert (now.n, then.n) == (2, 1)
    assert now.score < then.score
    # The day after, late facts are in the windows that hold them.
    house.clock.advance(days=1)
    await take(house)
    assert [s.n for s in (await history(stub, window_days=7)).snapshots] == [2, 1]


async def test_what_is_kept_stays_even_when_it_is_taken_again(house: House) -> None:
    await talked(house, "c-1", house.clock.now - timedelta(days=1), "a", "k", customer_satisfaction_score=5)
    await settled(house)
    await take(house)
    with psycopg.connect(house.url) as conn:
        conn.execute("DELETE FROM scoring.grade_day WHERE window_days <> 7 OR day < '2026-11-19'")
        conn.execute("UPDATE scoring.grade_day SET day = '2026-11-18', score = 1")
    await take(house)
    assert rows(house, "SELECT day::text, score FROM scoring.grade_day WHERE window_days = 7 AND day < '2026-11-19'") == [
        ("2026-11-18", 1.0)
    ]


async def test_days_that_the_service_was_down_are_made_up_for(house: House, stub: Stub) -> None:
    for ago in range(1, 12):
        await talked(house, f"c-{ago}", house.clock.now - timedelta(days=ago), "a", "k", customer_satisfaction_score=4)
    await settled(house)
    await house.sweeper.go_round()
    assert [s.day for s in (await history(stub, window_days=1)).snapshots] == [str(d) for d in days(1, 2, 3, 4, 5, 6, 7)]
    for day in range(3):
        house.clock.advance(days=1)
        await talked(house, f"later-{day}", house.clock.now, "a", "k", customer_satisfaction_score=4)
    house.clock.advance(days=1)
    await settled(house)
    await house.sweeper.go_round()
    found = (await history(stub, window_days=1)).snapshots
    assert [s.day for s in found[:5]] == [str(d) for d in days(-3, -2, -1, 1, 2)]
    weeks = (await history(stub, window_days=7)).snapshots
    assert [(s.day, s.n) for s in weeks[:3]] == [("2026-11-23", 6), ("2026-11-22", 6), ("2026-11-21", 6)]


async def test_a_day_is_the_tenants(house: House, stub: Stub) -> None:
    """Half past two in the morning in Kolkata is still the day before in UTC."""
    with psycopg.connect(house.url) as conn:
        conn.execute(
            "INSERT INTO ingest.tenant_settings (tenant_id, reporting_currency, time_zone, attribution_window_days, version, "
            "updated_at) VALUES ('default', 'INR', 'Asia/Kolkata', 7, 1, now())"
        )
    house.clock.now = datetime(2026, 11, 20, 2, 30, tzinfo=ZoneInfo("Asia/Kolkata"))
    await talked(house, "c-1", house.clock.now - timedelta(hours=3), "a", "k")
    await talked(house, "c-2", house.clock.now - timedelta(hours=1), "a", "k")
    await settled(house)
    await take(house)
    assert [(s.day, s.n) for s in (await history(stub, window_days=1)).snapshots] == [("2026-11-19", 1)]


async def test_a_snapshot_cites_the_policy_in_force_when_its_day_ended(house: House, stub: Stub) -> None:
    for day in range(4):
        await talked(house, f"c-{day}", house.clock.now, "a", "k", customer_satisfaction_score=4)
        if day in {1, 3}:
            await update(stub, {"revenueTarget": 100 + day}, "revenue_target")
        house.clock.advance(days=1 if day < 3 else 0)
    await settled(house)
    await take(house)
    found = (await history(stub, window_days=1)).snapshots
    assert [(s.day, s.policy_version) for s in found] == [("2026-11-22", 2), ("2026-11-21", 2), ("2026-11-20", 1)]
    house.clock.advance(days=1)
    await take(house)
    assert [s.policy_version for s in (await history(stub, window_days=1)).snapshots] == [3, 2, 2, 1]


async def test_history_comes_page_by_page(house: House, stub: Stub) -> None:
    for ago in range(1, 8):
        await talked(house, f"c-{ago}", house.clock.now - timedelta(days=ago), "a", "k")
    await settled(house)
    await take(house)
    pages, token = [], ""
    while not pages or token:
        answer = await history(stub, window_days=7, page_size=3, page_token=token)
        pages.append([s.day for s in answer.snapshots])
        token = answer.next_page_token
    assert pages == [
        ["2026-11-19", "2026-11-18", "2026-11-17"],
        ["2026-11-16", "2026-11-15", "2026-11-14"],
        ["2026-11-13"],
    ]
    assert (await history(stub, window_days=7, page_size=7)).next_page_token == ""


async def test_a_token_is_good_for_its_own_history_only(house: House, stub: Stub) -> None:
    for ago in (1, 2, 3):
        for name in ("a", "b"):
            await talked(house, f"c-{name}-{ago}", house.clock.now - timedelta(days=ago), name, "k")
    await settled(house)
    await take(house)
    token = (await history(stub, window_days=7, page_size=1)).next_page_token
    assert (await history(stub, window_days=7, page_size=1, page_token=token)).snapshots
    for agent, window in (("b", 7), ("a", 1), ("a", 0)):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await history(stub, agent, window_days=window, page_token=token)
        assert (refused.value.code(), reason(refused.value)) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_PAGE_TOKEN")


async def test_an_agent_never_heard_of_is_not_found_and_one_not_yet_graded_has_no_history(house: House, stub: Stub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as missing:
        await history(stub, "nobody")
    assert (missing.value.code(), reason(missing.value)) == (grpc.StatusCode.NOT_FOUND, "AGENT_NOT_FOUND")
    await talked(house, "c-1", house.clock.now, "a", "k")
    await settled(house)
    await take(house)
    assert (await history(stub)) == pb.ListGradeHistoryResponse()
