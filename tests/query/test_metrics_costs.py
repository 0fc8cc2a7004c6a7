"""What things cost, as a measure: by the share of days, all in all and by agent."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from rapport.query.v1 import metrics_pb2 as pb
from rapport.query.v1 import query_service_pb2

from services.runtime.windows import midnight
from tests.query.asking import day_start, stamp
from tests.query.conftest import Service
from tests.query.metrics_world import ask, values
from tests.query.rows import TODAY, ZONE, Rows, ago

MAY, JUNE = date(2026, 5, 1), date(2026, 6, 1)
WEEK = {"start": midnight(date(2026, 5, 4), ZONE), "end": midnight(date(2026, 5, 11), ZONE)}


async def test_costs_by_agent_and_day(service: Service, rows: Rows) -> None:
    rows.cost("3100", MAY, JUNE, agent_id="1")
    rows.cost("310", MAY, JUNE)
    rows.cost("31", MAY, JUNE, agent_id="2", currency="USD")
    rows.cost("9", date(2026, 1, 1), date(2026, 2, 1), agent_id="3")
    rows.counts("3", midnight(date(2026, 5, 5), ZONE), n=1)
    rows.counts("4", midnight(date(2026, 5, 5), ZONE), n=1)

    answer = await ask(
        service,
        "totalCost",
        "totalConversations",
        dimensions=[1],
        granularity=pb.GRANULARITY_DAY,
        compare_with_previous=True,
        **WEEK,
    )

    assert values(answer.total)["totalCost"] == 770
    assert [part.measures[0].value for part in answer.total.series] == [110] * 7
    assert answer.total.measures[0].previous == 330  # three days of May
    # What was spent on an agent at another time is 0 now; what nobody knows of is undefined, and so is what has no rate.
    assert {g.values[0]: values(g)["totalCost"] for g in answer.groups} == {"1": 700, "": 70, "3": 0, "2": None, "4": None}
    assert [(m.currency_code, m.units) for m in answer.quality.unconverted] == [("USD", 7)]
    one = await ask(service, "totalCost", filter={"agent_ids": ["1"]}, **WEEK)
    assert values(one.total) == {"totalCost": 700}


async def test_a_measure_of_costs_is_what_the_other_answers_say(service: Service, rows: Rows) -> None:
    rows.agent("1")
    rows.cost("1000.01", MAY, JUNE, agent_id="1")
    rows.cost("77", TODAY, JUNE, currency="USD")
    rows.rate("USD", TODAY, "80.5")
    for start, end in ((day_start(29), day_start(-1)), (day_start(1) + timedelta(hours=3), day_start(0) + timedelta(hours=7))):
        asked = query_service_pb2.GetSystemPerformanceRequest(start_time=stamp(start), end_time=stamp(end))
        system = await service.stub.GetSystemPerformance(asked)
        answer = await ask(service, "totalCost", start=start, end=end)
        assert values(answer.total)["totalCost"] == pytest.approx(system.overall_metrics.total_cost, rel=1e-12)


async def test_without_any_costs_there_is_no_cost(service: Service, rows: Rows) -> None:
    rows.counts("1", ago(hours=1), n=1)
    assert values((await ask(service, "totalCost")).total) == {"totalCost": None}
    rows.cost("9", date(2026, 1, 1), date(2026, 2, 1))
    assert values((await ask(service, "totalCost")).total) == {"totalCost": 0}
    assert values((await ask(service, "totalCost", filter={"agent_ids": ["1"]})).total) == {"totalCost": None}


async def test_costs_of_a_day_of_another_zone(service: Service, rows: Rows) -> None:
    rows.cost("96", TODAY - timedelta(days=1), TODAY + timedelta(days=1))
    # Midnight in Kathmandu is a quarter of an hour before that in Kolkata.
    day = {"start": midnight(TODAY, "Asia/Kathmandu"), "end": midnight(TODAY + timedelta(days=1), "Asia/Kathmandu")}
    answer = await ask(service, "totalCost", time_zone="Asia/Kathmandu", granularity=pb.GRANULARITY_HOUR, **day)
    assert values(answer.total) == {"totalCost": 48}
    assert [part.measures[0].value for part in answer.total.series] == [pytest.approx(2)] * 24
