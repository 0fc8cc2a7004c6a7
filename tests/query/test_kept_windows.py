"""What only facts one by one can tell is refused, or begins later, where retention has deleted them: never told too small."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from rapport.query.v1 import drill_down_pb2, insight_pb2, metrics_pb2, query_service_pb2, report_pb2, vocabulary_pb2

from services.query.questions import MOST_FACT_DAYS
from tests.fix_services import House
from tests.query.asking import day_start, named_fields, reason, stamp
from tests.query.conftest import Service
from tests.query.rows import NOW, WHATSAPP, Rows, ago
from tests.scoring.telling import talked

RETAIL = vocabulary_pb2.Trade.Value.Value("retail")
#: Whatever is answered from facts one by one and tells how many there are.
CALLS = pytest.mark.parametrize(("call", "request_"), [
    ("GetIndustryReport", report_pb2.GetIndustryReportRequest(industry=RETAIL)),
    ("GetSourceReport", report_pb2.GetSourceReportRequest()),
    ("ListInsights", insight_pb2.ListInsightsRequest()),
    ("GetStageFunnel", drill_down_pb2.GetStageFunnelRequest()),
    ("ListConversations", drill_down_pb2.ListConversationsRequest()),
])  # fmt: skip


async def ask(service: Service, call: str, request: Any, start: datetime | None = None, end: datetime | None = None) -> Any:
    asked = type(request)()
    asked.CopyFrom(request)
    for field, moment in (("start_time", start), ("end_time", end)):
        if moment is not None:
            getattr(asked, field).CopyFrom(stamp(moment))
    return await getattr(service.stub, call)(asked)


async def refused(service: Service, call: str, request: Any, **window: datetime) -> tuple[str, list[str], str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ask(service, call, request, **window)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    return reason(caught.value), named_fields(caught.value), caught.value.details() or ""


def delete_before(rows: Rows, days_ago: int) -> None:
    """Tell, as retention does, that facts are deleted before a day that began so many days before today."""
    at = day_start(days_ago)
    rows.insert("ingest.horizon", day=(NOW if days_ago == 0 else ago(days=days_ago)).date(), at=at, after_change=0)


@CALLS
async def test_a_default_window_begins_with_what_is_kept(service: Service, rows: Rows, call: str, request_: Any) -> None:
    whole = (await ask(service, call, request_)).quality.window
    assert whole.start == stamp(day_start(29))
    delete_before(rows, 19)
    got = (await ask(service, call, request_)).quality
    assert (got.window.start, got.window.end) == (stamp(day_start(19)), whole.end)
    # With an end alone, too; and part of a day's quarters.
    for end in (day_start(9), ago(days=3, minutes=7)):
        assert (await ask(service, call, request_, end=end)).quality.window.start == stamp(day_start(19))
    why = await refused(service, call, request_, end=day_start(19))
    assert (why[:2], "those before 2026-05-01 are no longer kept" in why[2]) == (("UNSUPPORTED_WINDOW", ["start_time"]), True)


@CALLS
async def test_a_window_that_begins_before_what_is_kept_is_refused(
    service: Service, rows: Rows, call: str, request_: Any
) -> None:
    delete_before(rows, 19)
    why = await refused(service, call, request_, start=day_start(20))
    assert why[:2] == ("UNSUPPORTED_WINDOW", ["start_time"])
    assert "those before 2026-05-01 are no longer kept: ask for a window that begins there, or later" in why[2]
    # As it is told.
    assert (await ask(service, call, request_, start=day_start(19))).quality.window.start == stamp(day_start(19))


@CALLS
async def test_facts_are_read_over_so_many_days(service: Service, call: str, request_: Any) -> None:
    assert await ask(service, call, request_, start=day_start(MOST_FACT_DAYS - 1))
    why = await refused(service, call, request_, start=day_start(MOST_FACT_DAYS))
    assert (why[:2], "at most 400 days" in why[2]) == (("QUERY_TOO_LARGE", ["start_time"]), True)


async def test_a_trade_is_told_of_days_that_are_all_there(service: Service, house: House) -> None:
    """What is deleted is in QueryMetrics still; over what is kept both say the same."""
    house.clock.now = NOW
    sale: Any = {"conversion_event": {"type": "purchase", "value": 100, "currency": "INR"}, "industry": "retail"}
    for days_ago in (2, 25):
        await talked(house, f"t{days_ago}", day_start(days_ago), "a", "c", **sale)
    await house.drain()
    delete_before(service.rows, 19)
    service.rows.conn.execute("DELETE FROM scoring.contribution WHERE at < (SELECT at FROM ingest.horizon)")

    got = await ask(service, "GetIndustryReport", report_pb2.GetIndustryReportRequest(industry=RETAIL))
    (revenue,) = [each.value for each in got.figures if each.name == "revenue"]

    asked = metrics_pb2.QueryMetricsRequest(measures=["totalRevenue"], start_time=got.quality.window.start)
    (same,) = (await service.stub.QueryMetrics(asked)).total.measures
    assert (revenue.value, same.value, list(got.quality.missing)) == (100, 100, ["previous"])
    (month,) = (await service.stub.QueryMetrics(metrics_pb2.QueryMetricsRequest(measures=["totalRevenue"]))).total.measures
    assert month.value == 200
    assert got.quality.window.start.ToDatetime(UTC) == day_start(19)


#: The five answers, of an industry: no rollup tells them apart.
ANSWERS = pytest.mark.parametrize(("call", "request_"), [
    ("GetAgentPerformance", query_service_pb2.GetAgentPerformanceRequest(agent_id="1", industries=["retail"])),
    ("GetDashboard", query_service_pb2.GetDashboardRequest(agent_id="1", industries=["retail"])),
    ("GetSystemPerformance", query_service_pb2.GetSystemPerformanceRequest(industries=["retail"])),
    ("CompareAgents", query_service_pb2.CompareAgentsRequest(industries=["retail"])),
])  # fmt: skip


@ANSWERS
async def test_an_industry_is_told_of_what_is_kept(service: Service, rows: Rows, call: str, request_: Any) -> None:
    rows.agent("1")
    delete_before(rows, 19)
    assert (await ask(service, call, request_)).quality.window.start == stamp(day_start(19))
    for start in (20, 29):
        why = await refused(service, call, request_, start=day_start(start))
        assert why[:2] == ("UNSUPPORTED_WINDOW", ["start_time"])
    assert (await refused(service, call, request_, start=day_start(400), end=day_start(-1)))[0] == "QUERY_TOO_LARGE"


@ANSWERS
async def test_a_period_before_that_facts_do_not_tell_is_missing(service: Service, rows: Rows, call: str, request_: Any) -> None:
    rows.agent("1")
    delete_before(rows, 19)
    told = [list((await ask(service, call, request_, start=day_start(days))).quality.missing) for days in (9, 10)]
    assert told == ([[], []] if call == "CompareAgents" else [[], ["previous"]])


async def test_different_customers_that_only_facts_tell_are_absent_where_these_are_not_kept(service: Service, rows: Rows) -> None:
    """The control: of whole days of all platforms presence tells them, however long ago."""
    rows.agent("1")
    rows.counts("1", ago(days=25), WHATSAPP, n=3)
    rows.presence(2, "1", ago(days=25).date(), 3)
    delete_before(rows, 19)

    async def customers(days: int, **more: Any) -> tuple[int, bool, bool]:
        request = query_service_pb2.GetAgentPerformanceRequest(agent_id="1", **more)
        got = await ask(service, "GetAgentPerformance", request, start=day_start(days - 1))
        (change,) = [each for each in got.changes if each.measure == "distinctCustomers"] or [None]
        told = got.conversation_metrics.HasField("distinct_customers")
        return got.conversation_metrics.total_conversations, told, change is not None and change.HasField("previous")

    assert await customers(30) == (3, True, True)
    assert await customers(30, platforms=[WHATSAPP]) == (3, False, False)
    assert await customers(15, platforms=[WHATSAPP]) == (0, True, False)
    assert await customers(5, platforms=[WHATSAPP]) == (0, True, True)
