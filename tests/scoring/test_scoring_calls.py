"""ScoringService's answers, the worker's quarantine, and the daily sweep, on a real database."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from google.protobuf.json_format import ParseDict
from rapport.ingest.v1 import ingest_service_pb2 as ingest_pb
from rapport.insight.v1 import vocabulary_pb2
from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.runtime.database import Database
from services.runtime.errors import DeadlineExceeded, FailedPrecondition, InvalidArgument, NotFound
from services.scoring import draining
from services.scoring.draining import Drain
from services.scoring.worker import Worker
from tests.fix_services import House


async def record(house: House, *changes: dict[str, Any]) -> str:
    """Record conversations of one agent and customer, an hour before now unless they say otherwise; return the token."""
    start = (house.clock.now - timedelta(hours=1)).isoformat()
    good = {"agentId": "a-1", "customerId": "k-1", "platform": "web", "startTime": start, "customerSatisfactionScore": 4}
    told = [good | {"conversationId": f"c-{i}"} | c for i, c in enumerate(changes)]
    request = ParseDict({"conversations": told}, ingest_pb.BatchRecordConversationsRequest())
    answer = await house.ingest.BatchRecordConversations(request, house.caller)
    assert not answer.rejections
    return answer.consistency_token


async def test_a_window_counts_the_conversations_that_began_in_it(house: House) -> None:
    now = house.clock.now
    await record(
        house, {}, {"startTime": (now - timedelta(days=29)).isoformat()}, {"startTime": (now - timedelta(days=31)).isoformat()}
    )
    await house.drain()
    answer = await house.scoring.GradeAgents(pb.GradeAgentsRequest(), house.caller)
    assert [(g.agent_id, g.n) for g in answer.grades] == [("a-1", 2)]
    assert (answer.quality.n, answer.policy.version, answer.quality.policy_version) == (2, 1, 1)
    recent = pb.GradeAgentsRequest()
    recent.start_time.FromDatetime(now - timedelta(hours=2))
    recent.end_time.FromDatetime(now)
    assert [g.n for g in (await house.scoring.GradeAgents(recent, house.caller)).grades] == [1]


async def test_an_agent_never_heard_of_is_not_found_and_one_without_conversations_has_no_grade(house: House) -> None:
    with pytest.raises(NotFound):
        await house.scoring.GradeAgents(pb.GradeAgentsRequest(agent_ids=["nobody"]), house.caller)
    await record(house, {"startTime": (house.clock.now - timedelta(days=90)).isoformat()})
    await house.drain()
    (grade,) = (await house.scoring.GradeAgents(pb.GradeAgentsRequest(agent_ids=["a-1"]), house.caller)).grades
    assert (grade.n, grade.HasField("grade"), grade.HasField("score"), grade.HasField("rank")) == (0, False, False, False)


async def test_the_score_before_is_that_of_the_window_before(house: House) -> None:
    now = house.clock.now
    await record(
        house, {}, {"customerSatisfactionScore": 2, "startTime": (now - timedelta(days=40)).isoformat()}, {"agentId": "a-2"}
    )
    await house.drain()
    before = pb.GradeAgentsRequest(agent_ids=["a-1"])
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    before.start_time.FromDatetime(today - timedelta(days=59))
    before.end_time.FromDatetime(today - timedelta(days=29))
    (then,) = (await house.scoring.GradeAgents(before, house.caller)).grades
    for size in (0, 10):
        answer = await house.scoring.GradeAgents(pb.GradeAgentsRequest(with_previous=True, page_size=size), house.caller)
        first, second = sorted(answer.grades, key=lambda g: g.agent_id)
        assert first.previous_score == pytest.approx(then.score)
        assert first.score != pytest.approx(then.score)
        assert not second.HasField("previous_score")
        assert answer.graded == 2
    in_full = pb.GradeAgentsRequest(agent_ids=["a-1"], with_previous_grades=True)
    assert list((await house.scoring.GradeAgents(in_full, house.caller)).previous_grades) == [then]
    one = await house.scoring.GradeAgents(pb.GradeAgentsRequest(agent_ids=["a-1"]), house.caller)
    assert len(one.previous_grades) == 0
    assert (one.graded, one.grades[0].HasField("previous_score"), len(one.benchmarks)) == (2, False, 0)
    quarters = pb.GradeAgentsRequest(with_previous=True)
    quarters.start_time.FromDatetime(now - timedelta(days=30))
    quarters.end_time.FromDatetime(now)
    assert not any(g.HasField("previous_score") for g in (await house.scoring.GradeAgents(quarters, house.caller)).grades)


async def test_a_read_given_a_token_waits_for_its_write(house: House) -> None:
    token = await record(house, {})
    asked = asyncio.create_task(house.scoring.GradeAgents(pb.GradeAgentsRequest(consistency_token=token), house.caller))
    await asyncio.sleep(0.1)
    assert not asked.done()
    await house.drain()
    assert (await asked).quality.n == 1


async def test_a_read_that_cannot_wait_longer_fails_instead_of_answering_older(house: House) -> None:
    class Hurried:
        def time_remaining(self) -> float:
            return 0.05

    token = await record(house, {})
    with pytest.raises(DeadlineExceeded) as late:
        await house.scoring.GradeAgents(pb.GradeAgentsRequest(consistency_token=token), Hurried())
    assert late.value.reason == "NOT_YET_APPLIED"
    with pytest.raises(InvalidArgument):
        await house.scoring.GradeAgents(pb.GradeAgentsRequest(consistency_token=token[:-2] + "AA"), house.caller)


async def test_a_change_that_cannot_be_counted_is_set_aside_and_the_others_go_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = draining.count

    async def poisoned(conn: Any, changes: Any, *told: Any) -> None:
        await real(conn, changes, *told)
        if any(c.entity_id == "c-3" for c in changes):
            raise ZeroDivisionError("a defect")

    monkeypatch.setattr(draining, "count", poisoned)
    token = await record(house, *({} for _ in range(7)))
    await house.drain()
    with psycopg.connect(house.url) as conn:
        assert conn.execute("SELECT entity_id, error FROM scoring.quarantine").fetchall() == [("c-3", "ZeroDivisionError")]
        assert conn.execute("SELECT count(*) FROM ingest.change").fetchone() == (0,)
    assert [g.n for g in (await house.scoring.GradeAgents(pb.GradeAgentsRequest(), house.caller)).grades] == [6]
    with pytest.raises(FailedPrecondition) as stuck:
        await house.scoring.GradeAgents(pb.GradeAgentsRequest(consistency_token=token), house.caller)
    assert stuck.value.reason == "CHANGE_QUARANTINED"


async def test_only_the_change_that_failed_is_set_aside(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older change may be committed between the failure and its setting aside."""
    await record(house, {}, {})
    real, innocent = Drain._set_aside, "innocent"

    async def overtaken(drain: Drain, tenant: str, change: Any, error: str) -> int:
        with psycopg.connect(house.url) as conn:
            conn.execute(
                "INSERT INTO ingest.change (tenant_id, change_id, kind, entity_id) OVERRIDING SYSTEM VALUE "
                "VALUES ('default', 0, 4, %s)",
                [innocent],
            )
        return await real(drain, tenant, change, error)

    async def poisoned(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(draining, "count", poisoned)
    monkeypatch.setattr(Drain, "_set_aside", overtaken)
    await Worker(house.scoring_database, house.clock, 1).drain("default")
    with psycopg.connect(house.url) as conn:
        assert conn.execute("SELECT entity_id FROM scoring.quarantine").fetchall() == [("c-0",)]
        assert (innocent,) in conn.execute("SELECT entity_id FROM ingest.change").fetchall()


async def test_two_workers_count_everything_once(house: House, database_url: str) -> None:
    await record(house, *({} for _ in range(300)))
    other = Database(database_url, "rapport_scoring")
    workers = [Worker(house.scoring_database, house.clock, 20), Worker(other, house.clock, 20)]
    for _ in range(30):
        await asyncio.gather(*(w.drain("default") for w in workers))
    await house.drain()
    await other.close()
    assert house.differences() == []
    assert [g.n for g in (await house.scoring.GradeAgents(pb.GradeAgentsRequest(), house.caller)).grades] == [300]


async def test_time_alone_changes_a_segment_and_the_sweep_notes_it(house: House) -> None:
    now = house.clock.now
    days = [now - timedelta(days=d) for d in (28, 21, 14, 7, 0)]
    await record(house, *({"startTime": day.isoformat()} for day in days))
    await house.drain()
    await house.sweeper.go_round()
    asked = pb.ScoreCustomersRequest(customer_ids=["k-1"])
    (regular,) = (await house.scoring.ScoreCustomers(asked, house.caller)).scores
    house.clock.advance(days=200)
    await house.sweeper.go_round()
    (risky,) = (await house.scoring.ScoreCustomers(asked, house.caller)).scores
    assert (regular.segment, risky.segment) == (vocabulary_pb2.CustomerSegment.regular, vocabulary_pb2.CustomerSegment.at_risk)
    assert risky.churn_risk > regular.churn_risk
    with psycopg.connect(house.url) as conn:
        moves = conn.execute("SELECT previous, segment FROM scoring.segment_transition ORDER BY at").fetchall()
    assert moves == [(None, 4), (4, 2)]
    with pytest.raises(NotFound):
        await house.scoring.ScoreCustomers(pb.ScoreCustomersRequest(customer_ids=["nobody"]), house.caller)


async def test_the_sweep_drops_quarters_of_an_hour_that_are_too_old(house: House) -> None:
    await record(house, {})
    await house.drain()
    house.clock.advance(days=36)
    await house.sweeper.go_round()
    with psycopg.connect(house.url) as conn:
        assert conn.execute("SELECT count(*) FROM scoring.agent_interval").fetchone() == (0,)
        assert conn.execute("SELECT sum(conversations) FROM scoring.agent_day").fetchone() == (1,)
