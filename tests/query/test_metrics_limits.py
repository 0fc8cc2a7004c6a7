"""What is too much, or cannot be asked, is refused with what would fit and the field's path."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import grpc
import pytest
from rapport.query.v1 import metrics_pb2 as pb

from services.query import metrics_limits, store_metrics
from services.query.metrics_limits import of_facts
from services.runtime.errors import InvalidArgument
from services.runtime.windows import Window, midnight, of_days
from tests.query.asking import day_start, named_fields, reason
from tests.query.conftest import Service
from tests.query.metrics_world import ask, values
from tests.query.rows import TODAY, ZONE, Rows, ago


async def refused(service: Service, *measures: str, **asked: Any) -> tuple[str, list[str], str]:
    """Return why a question is refused: the reason, the fields, the message."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await ask(service, *measures, **asked)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    return reason(error.value), named_fields(error.value), error.value.details() or ""


async def test_unknown_measures_are_named_one_by_one(service: Service) -> None:
    why = await refused(service, "totalConversations", "totalConversation", "misses", "")
    assert why[:2] == ("INVALID_FIELDS", ["measures[3]"])
    why = await refused(service, "totalConversations", "totalConversation", "misses", "revenue")
    assert why[:2] == ("UNKNOWN_MEASURE", ["measures[1]", "measures[3]"])


async def test_groups_are_ordered_by_a_measure_that_is_asked_for(service: Service) -> None:
    assert (await refused(service, "orders", order_by="misses"))[:2] == ("INVALID_FIELDS", ["order_by"])


@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        ({"dimensions": [1, 2, 14]}, ["measures[1]", "dimensions[1]", "dimensions[2]"]),
        ({"filter": {"platforms": [1], "agent_ids": ["1"]}}, ["measures[1]", "filter.platforms"]),
        ({"filter": {"customer_ids": ["c"]}}, ["measures[1]", "filter.customer_ids"]),
    ],
)
async def test_costs_are_known_all_in_all_and_by_agent_only(service: Service, asked: dict[str, Any], fields: list[str]) -> None:
    assert (await refused(service, "orders", "totalCost", **asked))[:2] == ("INVALID_FIELDS", fields)


async def test_a_series_has_so_many_parts(service: Service) -> None:
    fits = {"start": day_start(5), "granularity": pb.GRANULARITY_QUARTER_HOUR, "end": day_start(-36)}
    assert len((await ask(service, "orders", **fits)).total.series) == 41 * 96
    why = await refused(service, "orders", **fits | {"end": day_start(-37)})
    assert why[:2] == ("QUERY_TOO_LARGE", ["granularity"])
    assert "4,000 parts" in why[2]
    assert "a window that ends by 2026-06-25" in why[2]
    days = {"start": midnight(date(2016, 6, 1), ZONE), "end": day_start(-1), "granularity": pb.GRANULARITY_DAY}
    assert len((await ask(service, "orders", **days)).total.series) == 3641


async def test_facts_one_by_one_are_read_over_so_many_days(service: Service) -> None:
    long = {"start": day_start(399), "end": day_start(-1)}
    for asked in ({"dimensions": [5]}, {"filter": {"tags": ["x"]}}, {"filter": {"customer_ids": ["c"]}}):
        assert await ask(service, "orders", **long, **asked)
        why = await refused(service, "orders", **long | {"start": day_start(400)}, **asked)
        assert why[:2] == ("QUERY_TOO_LARGE", ["start_time"])
        assert "400 days" in why[2]
    # What rollups answer beyond is whole, the number of conversations, too.
    assert await ask(service, "misses", **long | {"start": day_start(2000)}, filter={"outcomes": [2]})
    assert (await refused(service, "successes", **long | {"start": day_start(400)}, filter={"outcomes": [1]}))[
        0
    ] == "QUERY_TOO_LARGE"
    # Rollups go back further; so do different customers, but not by agent and platform.
    years = long | {"start": day_start(2000)}
    assert await ask(service, "orders", "distinctCustomers", **years, dimensions=[1], granularity=pb.GRANULARITY_MONTH)
    assert await ask(service, "orders", **years, dimensions=[1, 2])
    assert (await refused(service, "distinctCustomers", **years, dimensions=[1, 2]))[0] == "QUERY_TOO_LARGE"


async def test_groups_and_their_parts_are_limited(service: Service, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    for agent in range(6):
        rows.counts(str(agent), ago(hours=1), n=1)
    monkeypatch.setattr(metrics_limits, "MOST_ROWS", 20)
    week = {"start": day_start(6), "end": day_start(-1), "granularity": pb.GRANULARITY_DAY, "dimensions": [1]}
    why = await refused(service, "totalConversations", **week)
    assert why[:2] == ("QUERY_TOO_LARGE", ["limit"])
    assert "at most 20 parts together, and 6 of 7 are 42: 2 groups would fit" in why[2]
    answer = await ask(service, "totalConversations", **week, limit=2)
    assert (len(answer.groups), answer.groups_omitted) == (2, 4)
    monkeypatch.setattr(metrics_limits, "MOST_ROWS", 5)
    why = await refused(service, "totalConversations", dimensions=[1])
    assert why[:2] == ("QUERY_TOO_LARGE", ["dimensions"])
    assert "at most 5 groups" in why[2]
    # No statement answers without end, whatever it is that there is so much of.
    monkeypatch.setattr(store_metrics, "MOST_READ", 3)
    why = await refused(service, "totalConversations", dimensions=[1])
    assert (why[:2], "at most 3 sums" in why[2]) == (("QUERY_TOO_LARGE", ["dimensions"]), True)


async def test_facts_that_retention_deleted_are_not_taken_for_none(service: Service, rows: Rows) -> None:
    rows.counts("1", ago(days=20), n=3)
    horizon = TODAY - timedelta(days=10)
    rows.insert("ingest.horizon", day=horizon, at=midnight(horizon, ZONE), after_change=0)
    # Rollups are kept for good.
    assert values((await ask(service, "totalConversations")).total) == {"totalConversations": 3}
    why = await refused(service, "totalConversations", dimensions=[5])
    assert why[:2] == ("UNSUPPORTED_WINDOW", ["start_time"])
    assert "those before 2026-05-10 are no longer kept" in why[2]
    answer = await ask(
        service, "totalConversations", dimensions=[5], compare_with_previous=True, start=day_start(9), end=day_start(-1)
    )
    assert list(answer.quality.missing) == ["previous"]


async def test_by_outcome_rollups_tell_all_that_retention_deleted(service: Service, rows: Rows) -> None:
    """The number of conversations, too: facts would tell of none."""
    for measure, n in ((2, 3), (4, 1), (9, 5)):
        rows.add("scoring.tally_total_day", {"bucket": TODAY - timedelta(days=20), "platform": 1, "measure": measure}, n=n)
    horizon = TODAY - timedelta(days=10)
    rows.insert("ingest.horizon", day=horizon, at=midnight(horizon, ZONE), after_change=0)
    for outcomes, misses, n in (([2], 3, 3), ([2, 4, 9], 9, 4), ([9], 5, 0)):
        answer = await ask(service, "misses", filter={"outcomes": outcomes})
        assert (values(answer.total), answer.quality.n) == ({"misses": misses}, n)
    why = await refused(service, "successes", filter={"outcomes": [1]})
    assert why[:2] == ("UNSUPPORTED_WINDOW", ["start_time"])


def test_a_window_that_nobody_began_begins_with_what_is_kept() -> None:
    month, kept = of_days(date(2026, 5, 1), date(2026, 6, 1), ZONE), midnight(date(2026, 5, 20), ZONE)
    assert of_facts(month, None) == of_facts(month, month.start) == month
    assert of_facts(month, kept, is_given=False) == of_days(date(2026, 5, 20), date(2026, 6, 1), ZONE)
    # Of the days of another time zone the first that is kept whole.
    other = of_days(date(2026, 5, 1), date(2026, 6, 1), "UTC")
    assert of_facts(other, kept, is_given=False) == of_days(date(2026, 5, 20), date(2026, 6, 1), "UTC")
    hours = Window(month.start, midnight(date(2026, 5, 20), ZONE) + timedelta(hours=2), ZONE, None)
    assert of_facts(hours, kept, is_given=False) == Window(kept, hours.end, ZONE, None)
    for window, is_given in ((month, True), (of_days(date(2026, 5, 1), date(2026, 5, 20), ZONE), False)):
        with pytest.raises(InvalidArgument, match="those before 2026-05-20 are no longer kept"):
            of_facts(window, kept, is_given=is_given)
