"""What an answer says besides its numbers: order and limit, comparison, intervals, quality, and who is not in it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from math import sqrt
from typing import Any

import pytest
from rapport.ingest.v1 import ingest_service_pb2 as ingest_pb
from rapport.insight.v1 import conversation_pb2, event_pb2
from rapport.query.v1 import metrics_pb2 as pb

from services.query.measures import MEASURES
from tests.query.asking import day_start, stamp
from tests.query.conftest import Service
from tests.query.metrics_oracle import Oracle, midnights
from tests.query.metrics_world import ask, counted, populate, record, values
from tests.query.rows import INSTAGRAM, TODAY, WHATSAPP, Rows, ago
from tests.query.test_metrics import FIRST, LAST, NAMES, compare_all


def talk(number: int, at: datetime, customer: str = "c1", **fields: Any) -> conversation_pb2.ConversationInsight:
    given = {"agent_id": "a", "platform": 1, "message_count": 1} | fields
    message = conversation_pb2.ConversationInsight(conversation_id=f"talk-{number}", customer_id=customer, **given)
    message.start_time.FromDatetime(at)
    return message


def shown(answer: pb.QueryMetricsResponse, measure: int = 0) -> dict[tuple[str, ...], float]:
    return {tuple(group.values): group.measures[measure].value for group in answer.groups}


async def test_groups_come_largest_first_and_those_beyond_the_limit_are_counted(service: Service, rows: Rows) -> None:
    for agent, n, rated in (("b", 5, 0), ("a", 5, 1), ("c", 9, 2), ("d", 1, 1)):
        rows.counts(agent, ago(hours=1), n=n, csat_n=rated, csat_x100=100 * rated)
    both = "totalConversations", "customerSatisfactionAvg"

    by_first = await ask(service, *both, dimensions=[1], limit=3)
    by_rating = await ask(service, *both, dimensions=[1], order_by="customerSatisfactionAvg")

    assert list(shown(by_first).items()) == [(("c",), 9), (("a",), 5), (("b",), 5)]
    assert by_first.groups_omitted == 1
    # Equal ones in the order of their words, undefined ones last.
    assert [g.values[0] for g in by_rating.groups] == ["a", "c", "d", "b"]
    assert (by_rating.groups_omitted, values(by_rating.total)["totalConversations"]) == (0, 20)
    assert values(by_rating.groups[-1])["customerSatisfactionAvg"] is None


async def test_a_series_has_the_parts_of_the_shown_groups_only(service: Service, rows: Rows) -> None:
    rows.counts("1", ago(days=1), n=3)
    rows.counts("2", ago(days=0), n=2)
    days = {"start": day_start(2), "end": day_start(-1), "granularity": pb.GRANULARITY_DAY}

    answer = await ask(service, "totalConversations", dimensions=[1], limit=1, **days)

    assert [part.measures[0].value for part in answer.total.series] == [0, 3, 2]
    (group,) = answer.groups
    assert (group.values, answer.groups_omitted) == (["1"], 1)
    assert [part.measures[0].value for part in group.series] == [0, 3, 0]
    assert (group.series[0].start, group.series[0].end) == (stamp(day_start(2)), stamp(day_start(1)))
    assert not any(part.measures[0].HasField("previous") for part in group.series)


async def test_a_period_is_compared_with_the_one_before(service: Service, rows: Rows) -> None:
    rows.counts("1", ago(days=1), n=6, escalated=3)
    rows.counts("1", ago(days=31), n=4, escalated=3)
    rows.counts("2", ago(days=31), n=1)
    rows.money("1", ago(days=1), "10")

    names = "totalConversations", "escalationRate", "totalRevenue", "customerSatisfactionAvg"
    answer = await ask(service, *names, dimensions=[1], compare_with_previous=True)

    total = {each.measure: each for each in answer.total.measures}
    talks, rate, revenue, rating = (total[name] for name in names)
    assert (talks.value, talks.previous, talks.difference, talks.relative, talks.HasField("better")) == (6, 5, 1, 20, False)
    assert (rate.value, rate.previous, rate.difference, rate.better) == (50, 60, -10, True)
    assert rate.relative == pytest.approx(-100 / 6)
    # From nothing there is no relative change; what is undefined is compared with nothing.
    assert (revenue.previous, revenue.difference, revenue.HasField("relative"), revenue.better) == (0, 10, False, True)
    assert not any(rating.HasField(field) for field in ("value", "previous", "difference", "relative", "better"))
    # An agent of the period before alone is no group of this one.
    (group,) = answer.groups
    assert (group.values, group.measures[0].previous) == (["1"], 4)
    assert list(answer.quality.missing) == []


@pytest.mark.parametrize("zone", ["", "Asia/Kathmandu"])
async def test_a_period_that_is_no_longer_kept_is_missing(service: Service, zone: str) -> None:
    window = {"start": day_start(20), "end": day_start(-1)} if zone == "" else {"time_zone": zone}
    if zone == "":
        window["end"] -= timedelta(hours=3)
    asked = {"compare_with_previous": True, **window}
    answer = await ask(service, "totalConversations", **asked)
    assert list(answer.quality.missing) == ["previous"]
    assert not answer.total.measures[0].HasField("previous")
    # The control: one that is kept.
    asked |= {"start": day_start(8) if zone == "" else midnights(date(2026, 5, 10), TODAY, zone)[0]}
    answer = await ask(service, "totalConversations", **asked)
    assert (list(answer.quality.missing), answer.total.measures[0].previous) == ([], 0)


async def test_rates_and_means_say_where_the_true_value_lies(service: Service, rows: Rows) -> None:
    rows.counts(
        "1", ago(hours=1), n=10, escalated=3, csat_n=4, csat_x100=1300, csat_x100_sq=43 * 10**4, response_n=1, response_ms=9
    )
    names = (
        "escalationRate",
        "customerSatisfactionAvg",
        "averageResponseTime",
        "totalConversations",
        "averageConversationDuration",
    )

    rate, rating, once, count, length = (await ask(service, *names)).total.measures

    # Wilson's interval of 3 of 10, as tables have it.
    assert (rate.value, rate.n, rate.interval.level) == (30, 10, 0.95)
    assert (rate.interval.low, rate.interval.high) == (pytest.approx(10.779, abs=1e-3), pytest.approx(60.322, abs=1e-3))
    # Ratings 3, 3, 3 and 4: mean 3.25, variance 0.25, and Student's t of three degrees of freedom.
    half = 3.182446305 * sqrt(0.25 / 4)
    assert (rating.value, rating.n) == (3.25, 4)
    assert (rating.interval.low, rating.interval.high) == (pytest.approx(3.25 - half), pytest.approx(3.25 + half))
    # One value says nothing of how values differ; sums rest on themselves; lengths' squares are not kept.
    assert (once.value, once.n, once.HasField("interval")) == (9, 1, False)
    assert (count.HasField("n"), count.HasField("interval")) == (False, False)
    assert (length.n, length.HasField("interval")) == (10, False)


async def test_money_without_a_rate_is_apart(service: Service, rows: Rows) -> None:
    rows.counts("1", ago(hours=1), n=4)
    rows.counts("2", ago(hours=1), INSTAGRAM, n=2)
    rows.money("1", ago(hours=1), "100")
    rows.money("1", ago(hours=1), "7", currency="USD", orders=2)
    rows.money("2", ago(hours=1), "30", platform=INSTAGRAM)
    names = "totalRevenue", "orders", "averageOrderValue", "revenuePerConversation"

    answer = await ask(service, *names, dimensions=[1])

    told = {tuple(g.values): values(g) for g in answer.groups}
    assert told["1",] == dict(zip(names, [100, 3, 100, None], strict=True))
    assert told["2",] == dict(zip(names, [30, 1, 30, 15], strict=True))
    assert values(answer.total) == dict(zip(names, [130, 4, 65, None], strict=True))
    assert [(m.currency_code, m.units) for m in answer.quality.unconverted] == [("USD", 7)]
    # Orders are counted whatever they are worth: nothing is left out of them.
    assert not (await ask(service, "orders")).quality.unconverted


async def test_nothing_at_all(service: Service) -> None:
    answer = await ask(service, *NAMES[:20], dimensions=[1, 5], granularity=pb.GRANULARITY_WEEK, compare_with_previous=True)
    assert (list(answer.groups), answer.groups_omitted, answer.quality.n) == ([], 0, 0)
    for told in answer.total.measures:
        is_count = MEASURES[told.measure].unit == 1
        assert (told.HasField("value"), told.value, told.HasField("relative")) == (is_count, 0, False)
    assert len(answer.total.series) == 5


async def test_a_single_fact(service: Service, database_url: str) -> None:
    async with counted(service, database_url) as house:
        await record(house, [talk(1, datetime(2026, 11, 1, 23, 30, tzinfo=UTC), response_time_avg_ms=1000)])
    bounds = midnights(date(2026, 11, 2), date(2026, 11, 3), "Europe/Berlin")
    names = "totalConversations", "responseTimeP50", "responseTimeP99", "distinctCustomers", "durationP50"
    answer = await ask(service, *names, dimensions=[8, 14], start=bounds[0], end=bounds[1])
    (group,) = answer.groups
    assert (list(group.values), answer.quality.n) == (["", ""], 1)
    assert (
        values(group)
        == values(answer.total)
        == dict(zip(names, [1, pytest.approx(1000, rel=0.02), pytest.approx(1000, rel=0.02), 1, None], strict=True))
    )
    assert (group.measures[1].n, group.measures[4].n) == (1, 0)
    before = await ask(service, *names, start=bounds[0] - timedelta(days=1), end=bounds[0])
    assert values(before.total)["totalConversations"] == 0


async def test_values_are_the_contracts_words(service: Service, database_url: str) -> None:
    at = datetime(2026, 11, 3, tzinfo=UTC)
    missed = event_pb2.SyncEvent(event_id="e", source=2)
    missed.occurred_at.FromDatetime(at)
    missed.appointment.appointment_id, missed.appointment.status = "p", event_pb2.APPOINTMENT_STATUS_NO_SHOW
    async with counted(service, database_url) as house:
        ended = talk(1, at, resolution=1)
        ended.end_time.FromDatetime(at + timedelta(minutes=1))
        await record(house, [ended], [missed])
    by = [pb.DIMENSION_PLATFORM, pb.DIMENSION_RESOLUTION, pb.DIMENSION_OUTCOME]
    answer = await ask(service, "totalConversations", "noShows", dimensions=by)
    assert [list(group.values) for group in answer.groups] == [
        ["whatsapp", "RESOLUTION_RESOLVED", "OUTCOME_SUCCESS"],
        ["", "", "OUTCOME_NO_SHOW"],
    ]
    sources = await ask(service, "noShows", "totalConversations", dimensions=[pb.DIMENSION_SOURCE])
    assert shown(sources) == {("EVENT_SOURCE_CALENDAR",): 1, ("",): 0}


async def test_a_conversation_counts_in_each_of_its_tags_but_once_in_all(service: Service, database_url: str) -> None:
    at = datetime(2026, 11, 3, tzinfo=UTC)
    async with counted(service, database_url) as house:
        await record(house, [talk(1, at, tags=["x", "y"]), talk(2, at, tags=["x"]), talk(3, at)])
    answer = await ask(service, "totalConversations", dimensions=[pb.DIMENSION_TAG])
    assert shown(answer) == {("x",): 2, ("",): 1, ("y",): 1}
    assert values(answer.total) == {"totalConversations": 3}


async def test_erased_customers_still_count_where_nothing_is_known(service: Service, database_url: str) -> None:
    async with counted(service, database_url) as house:
        await populate(house, service, 9)
        bounds = midnights(FIRST, LAST, "Europe/Berlin")
        window = {"start": bounds[0], "end": bounds[-1]}
        names = [name for name in NAMES if name != "distinctCustomers"][:20]
        before = await ask(service, *names, dimensions=[1], limit=1000, **window)
        tagged = await ask(service, "totalConversations", "distinctCustomers", dimensions=[5], **window)
        await house.ingest.EraseCustomer(ingest_pb.EraseCustomerRequest(customer_id="customer-2"), house.caller)
        await house.drain()
        assert house.differences() == []

    after = await ask(service, *names, dimensions=[1], limit=1000, **window)
    by_tag = await ask(service, "totalConversations", "distinctCustomers", dimensions=[5], **window)

    assert (after.total, after.groups) == (before.total, before.groups)
    assert values(by_tag.total)["totalConversations"] == values(tagged.total)["totalConversations"]
    assert shown(by_tag)["",] > shown(tagged)["",]
    assert sum(shown(by_tag).values()) < sum(shown(tagged).values())
    compare_all(Oracle(database_url), after, names, [1], bounds, has_series=False)
    # Different customers are told of the tenant's days also when they were erased; among those of a tag they are nobody.
    whole = values(tagged.total)["distinctCustomers"]
    assert whole is not None
    assert values(by_tag.total)["distinctCustomers"] == whole
    assert sum(shown(by_tag, 1).values()) < sum(shown(tagged, 1).values())


async def test_tenants_are_apart(service: Service, rows: Rows, database_url: str) -> None:
    other = Rows(database_url, "other")
    for written, n in ((rows, 2), (other, 5)):
        written.counts("1", ago(hours=1), n=n)
        written.money("1", ago(hours=1), str(n))
        written.times("1", ago(hours=1), 100 + n, n)
        written.presence(1, "", TODAY, n)
        written.cost(str(n), TODAY, TODAY + timedelta(days=1), agent_id="1")
        for number in range(n):
            written.contribution(f"f{number}", ago(hours=1), customer_id=f"c{number}", platform=WHATSAPP)
            written.conversation(f"f{number}", ago(hours=1), tags=["t"])
    other.conn.close()
    for question in ({"dimensions": [1]}, {"dimensions": [5]}, {"dimensions": [9]}, {"time_zone": "UTC"}, {}):
        names = ["totalConversations", "totalRevenue", "distinctCustomers", "responseTimeP50"]
        names += [] if question.get("dimensions", [1]) != [1] else ["totalCost"]
        total = values((await ask(service, *names, **question)).total)
        assert total["totalConversations"] == 2
        assert total["distinctCustomers"] == 2
        assert total.get("totalCost") in (2, None)
        assert total["totalRevenue"] in (2, 0)
