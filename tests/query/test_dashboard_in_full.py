"""What an agent has still before it, and what became of it; a dashboard of some platforms or industries."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rapport.metrics.v1 import agent_pb2
from rapport.query.v1 import query_service_pb2

from tests.query.asking import day_start, stamp
from tests.query.conftest import Service
from tests.query.rows import INSTAGRAM, NOW, TODAY, WHATSAPP, Rows, ago

BOOKED, RESCHEDULED, COMPLETED, CANCELLED, OPEN, DONE = 1, 2, 3, 4, 1, 2
LATER = NOW + timedelta(days=2)


async def ask(service: Service, **asked: object) -> agent_pb2.AgentDashboard:
    return await service.stub.GetDashboard(query_service_pb2.GetDashboardRequest(agent_id="1", **asked))


@pytest.fixture
def asha(rows: Rows) -> Rows:
    """Agent 1 with one conversation on each of two platforms, in the trade of finance on one."""
    rows.agent("1", industry="retail")
    rows.agent("2")
    rows.counts("1", ago(hours=1), n=1, booked=3, kept=2, no_show=1, cancelled=4, positive=1)
    rows.counts("1", ago(hours=1), INSTAGRAM, n=1, negative=1)
    rows.conversation("v1", ago(hours=1), intents=["buy"], emotions=["glad"], follow_up_required=True)
    rows.conversation("v2", ago(hours=1), platform=INSTAGRAM, industry="finance", intents=["ask"], customer_id="c2")
    rows.conversation("theirs", ago(hours=1), agent_id="2")
    return rows


async def test_appointments(service: Service, asha: Rows) -> None:
    for number, (status, at, names) in enumerate((
        (BOOKED, LATER, {"agent_id": "1"}), (RESCHEDULED, LATER, {"conversation_id": "v1"}),
        (BOOKED, LATER, {"agent_id": "1", "conversation_id": "theirs"}),
        (BOOKED, ago(days=1), {"agent_id": "1"}), (CANCELLED, LATER, {"agent_id": "1"}), (BOOKED, None, {"agent_id": "1"}),
        (BOOKED, LATER, {"conversation_id": "theirs"}), (BOOKED, LATER, {"agent_id": "2", "conversation_id": "v1"}),
        (COMPLETED, LATER, {"agent_id": "1"}), (BOOKED, LATER, {}),
    )):  # fmt: skip
        asha.insert("ingest.appointment", appointment_id=f"a{number}", status=status, scheduled_for=at, **names)

    found = (await ask(service)).appointments

    assert (found.booked, found.kept, found.no_show, found.cancelled, found.upcoming) == (3, 2, 1, 4, 3)
    assert (await ask(service, platforms=[WHATSAPP])).appointments.upcoming == 2
    assert (await ask(service, platforms=[0])).appointments.upcoming == 1
    assert (await ask(service, industries=["retail"])).appointments.upcoming == 3


async def test_follow_ups_are_due_or_not(service: Service, asha: Rows) -> None:
    for number, (status, due, names) in enumerate((
        (OPEN, LATER, {"agent_id": "1"}), (OPEN, None, {"conversation_id": "v2"}), (OPEN, NOW, {"agent_id": "1"}),
        (OPEN, ago(days=400), {"conversation_id": "v1"}), (DONE, ago(days=1), {"agent_id": "1"}),
        (OPEN, ago(days=1), {"agent_id": "2"}),
    )):  # fmt: skip
        asha.insert("ingest.follow_up", follow_up_id=f"f{number}", status=status, due=due, **names)

    got = await ask(service)

    assert (got.open_follow_ups, got.overdue_follow_ups) == (2, 2)
    of_finance = await ask(service, industries=["finance"])
    assert (of_finance.open_follow_ups, of_finance.overdue_follow_ups) == (1, 0)


async def test_grades_of_the_past(service: Service, asha: Rows) -> None:
    service.scoring.snapshot("1", str(TODAY - timedelta(days=1)), grade="A", score=91.0)
    service.scoring.snapshot("1", str(TODAY - timedelta(days=2)), grade="B", score=81.0)
    assert [(p.date, p.grade) for p in (await ask(service)).grade_history] == [
        (str(TODAY - timedelta(days=2)), "B"), (str(TODAY - timedelta(days=1)), "A"),
    ]  # fmt: skip


async def test_all_days_of_a_long_window_are_told(service: Service, asha: Rows) -> None:
    got = await ask(service, start_time=stamp(day_start(599)), end_time=stamp(day_start(-1)))
    assert (len(got.days), got.days[-1].conversations) == (600, 2)


async def test_the_performance_in_it_has_changes_and_platforms(service: Service, asha: Rows) -> None:
    got = await ask(service)
    assert list(got.performance.changes) == list(got.changes)
    assert list(got.performance.platforms) == list(got.platforms)
    assert (len(got.performance.days), len(got.performance.grade_history)) == (0, 0)


@pytest.mark.parametrize("asked", [{"platforms": [INSTAGRAM]}, {"industries": ["finance"]}])
async def test_everything_in_it_is_of_the_same_part(service: Service, asha: Rows, asked: dict[str, object]) -> None:
    asha.counts("2", ago(hours=1), n=1)
    asha.contribution("v2", ago(hours=1), customer_id="c2", platform=INSTAGRAM, sentiment=3)
    for customer_id in ("c1", "c2"):
        asha.customer(customer_id, TODAY, TODAY)

    got = await ask(service, **asked)

    assert (got.performance.quality.n, [p.platform for p in got.platforms]) == (1, [INSTAGRAM])
    assert (got.sentiment_mix.positive, got.sentiment_mix.negative) == (0, 1)
    assert ([i.name for i in got.intents], len(got.emotions), len(got.follow_ups)) == (["ask"], 0, 0)
    (scored,) = [r for r in service.scoring.requests if r.DESCRIPTOR.name == "ScoreCustomersRequest"]
    assert list(scored.customer_ids) == ["c2"]
    whole = await ask(service)
    assert whole.performance.quality.n == 2
