"""Lists of alerts."""

from __future__ import annotations

from datetime import timedelta

import grpc
import pytest
from rapport.alerting.v1 import alert_pb2
from rapport.alerting.v1 import alerting_service_pb2 as pb
from rapport.alerting.v1.rule_pb2 import PutRuleRequest

from services.alerting import alert_store
from services.alerting.defaults import defaults_after
from services.alerting.filters import AlertFilter
from tests.alerting.house import House, failure_of
from tests.alerting.rules import DAY_S, rule

Filter = alert_pb2.AlertFilter


async def three_alerts(house: House) -> None:
    """Alerts of agent a, customer c (resolved) and customer d, in this order."""
    await house.facts.conversation("slow", house.clock(), agent="a", customer="b", response_ms=40_000)
    await house.evaluate()
    house.clock.move(timedelta(minutes=1))
    await house.score("c", 1)
    house.clock.move(timedelta(minutes=1))
    await house.score("d", 1)
    await house.score("c", 5)


async def test_the_newest_come_first(house: House):
    await three_alerts(house)
    async with house.stub() as stub:
        alerts = (await stub.ListAlerts(pb.ListAlertsRequest())).alerts
    assert [a.customer_id or a.agent_id for a in alerts] == ["d", "c", "a"]
    resolved, performance = alerts[1], alerts[2]
    assert (resolved.state, resolved.value, resolved.revision) == (alert_pb2.ALERT_STATE_RESOLVED, 5, 4)
    assert resolved.resolved_at.ToDatetime(house.clock.now.tzinfo) == house.clock.now
    assert (performance.value, performance.threshold) == (40_000, 30_000)
    assert performance.message == "Agent response time above threshold"
    assert performance.HasField("agent_id")
    assert not performance.HasField("customer_id")
    assert not performance.HasField("resolved_at")


async def test_alerts_say_in_words_and_units_what_was_found_and_what_to_do(house: House):
    todo = {"description": "Ask who is ill.", "runbook_url": "https://wiki.example.com/slow"}
    async with house.stub() as stub:
        await stub.PutRule(PutRuleRequest(rule=rule(window=7 * DAY_S, **todo)))
        await three_alerts(house)
        by_rule = {a.rule_id: a for a in (await stub.ListAlerts(pb.ListAlertsRequest())).alerts}
    slow, resolved = by_rule["slow"], by_rule["customer-satisfaction"]
    assert slow.summary == "mean response time 40 s over 7 d, above 30 s (from 1 fact)"
    assert (slow.measure, slow.condition, slow.unit, slow.measured_unit) == (
        "averageResponseTime", "threshold", "milliseconds", "milliseconds",
    )  # fmt: skip
    assert (slow.window.seconds, slow.samples, slow.HasField("measured")) == (7 * DAY_S, 1, False)
    assert (slow.description, slow.runbook_url) == tuple(todo.values())
    given = {each.rule_id: each.description for each in defaults_after(0)}
    assert resolved.summary.startswith("last rating ")
    assert (resolved.description, resolved.runbook_url) == (given["customer-satisfaction"], "")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(types=[1]), ["a"]),
        (Filter(severities=[3]), ["d", "c"]),
        (Filter(agent_ids=["a", "c"]), ["a"]),
        (Filter(customer_ids=["a", "c"]), ["c"]),
        (Filter(customer_ids=["c"], agent_ids=["a"]), []),
        (Filter(states=[alert_pb2.ALERT_STATE_FIRING]), ["d", "a"]),
        (Filter(rule_ids=["customer-satisfaction"], states=[alert_pb2.ALERT_STATE_FIRING]), ["d"]),
    ],
)
async def test_filters(house: House, wanted, found):
    await three_alerts(house)
    async with house.stub() as stub:
        answer = await stub.ListAlerts(pb.ListAlertsRequest(filter=wanted))
    assert [a.customer_id or a.agent_id for a in answer.alerts] == found


async def test_the_databases_filter_and_the_streams_are_the_same(house: House):
    await three_alerts(house)
    async with house.database.transaction("default") as conn:
        everything = await alert_store.list_alerts(conn, AlertFilter(), None, 100)
        for field, values in (
            ("types", (1, 3)),
            ("severities", (2, 3)),
            ("states", (1, 2)),
            ("agent_ids", ("a", "c")),
            ("customer_ids", ("a", "c")),
            ("rule_ids", ("customer-satisfaction", "other")),
        ):
            for value in values:
                wanted = AlertFilter(**{field: frozenset({value})})
                assert await alert_store.list_alerts(conn, wanted, None, 100) == [a for a in everything if wanted.matches(a)]


async def test_pages_follow_each_other_whatever_fires_or_changes_meanwhile(house: House):
    for i in range(7):
        await house.score(f"c{i}", 1)
    async with house.stub() as stub:
        seen, token = [], ""
        while True:
            page = await stub.ListAlerts(pb.ListAlertsRequest(page_size=3, page_token=token))
            seen.append([a.alert_id for a in page.alerts])
            token = page.next_page_token
            if not token:
                break
            house.clock.move(timedelta(seconds=1))
            await house.score("c0", 1.5 if len(seen) % 2 else 2)
            await house.score(f"new {len(seen)}", 1)
        everything = [a.alert_id for a in (await stub.ListAlerts(pb.ListAlertsRequest())).alerts]
    assert [len(page) for page in seen] == [3, 3, 1]
    assert sorted(i for page in seen for i in page) == sorted(everything[2:])


async def test_a_page_token_is_good_for_its_own_request_only(house: House):
    await three_alerts(house)
    async with house.stub() as stub:
        token = (await stub.ListAlerts(pb.ListAlertsRequest(page_size=1))).next_page_token
        for request in (
            pb.ListAlertsRequest(page_token=token, filter=Filter(types=[1])),
            pb.ListAlertsRequest(page_token=token + "A"),
            pb.ListAlertsRequest(page_token="nonsense"),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.ListAlerts(request)
            assert failure_of(refused.value)[:2] == ("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN")


async def test_another_tenants_alerts_are_not_listed(house: House):
    await house.score("theirs", 1, tenant="other")
    async with house.stub() as stub:
        assert not (await stub.ListAlerts(pb.ListAlertsRequest())).alerts
