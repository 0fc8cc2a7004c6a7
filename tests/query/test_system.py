"""How the whole tenant did."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rapport.alerting.v1 import alert_pb2
from rapport.insight.v1 import vocabulary_pb2
from rapport.query.v1 import query_service_pb2

from tests.query.asking import day_start, stamp
from tests.query.conftest import Service
from tests.query.rows import INSTAGRAM, NOW, TODAY, WHATSAPP, Rows, ago

Request = query_service_pb2.GetSystemPerformanceRequest


@pytest.fixture
def sample(rows: Rows) -> Rows:
    """Three agents with a conversation each, as in the sample, and nine more that were only reported as active."""
    for number, platform, amount in ((1, WHATSAPP, "1200"), (2, WHATSAPP, "2500"), (3, INSTAGRAM, "800")):
        at = ago(hours=number)
        rows.counts(str(number), at, platform, n=1, conversions=1, response_n=1, response_ms=35_000, csat_n=1, csat_x100=400)
        rows.money(str(number), at, amount, platform=platform)
    rows.presence(1, "", TODAY, 3)
    rows.presence(3, str(WHATSAPP), TODAY, 2)
    rows.presence(3, str(INSTAGRAM), TODAY, 1)
    for number in range(1, 13):
        rows.agent(str(number), state=1)
    return rows


async def test_the_sample(service: Service, sample: Rows) -> None:
    got = await service.stub.GetSystemPerformance(Request())

    overall = got.overall_metrics
    assert (overall.total_active_agents, overall.total_customers, overall.total_conversations) == (12, 3, 3)
    assert (overall.total_revenue, overall.currency, overall.average_response_time_ms) == (4500, "INR", 35_000)
    assert (overall.customer_satisfaction_avg, overall.conversion_rate, overall.escalation_rate) == (4, 100, 0)
    assert (overall.conversation_completion_rate, overall.system_uptime, overall.revenue_without_platform) == (100, 99.5, 0)
    assert set(got.platform_distribution) == {"whatsapp", "instagram"}
    whatsapp, instagram = got.platform_distribution["whatsapp"], got.platform_distribution["instagram"]
    assert (whatsapp.active_users, whatsapp.conversations, whatsapp.revenue, whatsapp.conversion_rate) == (2, 2, 3700, 100)
    assert (instagram.active_users, instagram.conversations, instagram.revenue, instagram.conversion_rate) == (1, 1, 800, 100)
    assert (got.quality.n, got.quality.policy_version, list(got.quality.missing)) == (3, 0, [])
    assert {each.DESCRIPTOR.name for each in service.scoring.requests} == {"ListEarnersRequest"}


async def test_which_agents_are_active(service: Service, sample: Rows) -> None:
    # Paused although it works; working and never reported; configured, never reported and not working; not working in the window.
    sample.conn.execute("UPDATE ingest.agent SET state = 2 WHERE agent_id = '1'")
    sample.agent("unreported")
    sample.counts("unreported", ago(hours=1), n=1)
    sample.agent("configured", name="Configured")
    sample.agent("long ago")
    sample.counts("long ago", ago(days=50), n=1)

    got = await service.stub.GetSystemPerformance(Request())

    assert got.overall_metrics.total_active_agents == 12


async def test_revenue_of_nobody_counts_but_belongs_to_no_platform(service: Service, sample: Rows) -> None:
    sample.money("", ago(hours=1), "-100.5", platform=0, orders=0)
    sample.money("", ago(hours=1), "7", platform=0, currency="JPY")

    got = await service.stub.GetSystemPerformance(Request())

    assert (got.overall_metrics.total_revenue, got.overall_metrics.revenue_without_platform) == (4399.5, -100.5)
    assert sum(platform.revenue for platform in got.platform_distribution.values()) == 4500
    assert set(got.platform_distribution) == {"whatsapp", "instagram"}
    assert [(m.currency_code, m.units) for m in got.quality.unconverted] == [("JPY", 7)]


async def test_an_empty_window_has_no_rates(service: Service, sample: Rows) -> None:
    service.alerting.uptime = None

    got = await service.stub.GetSystemPerformance(Request(start_time=stamp(day_start(90)), end_time=stamp(day_start(60))))

    present = {field.name for field, _ in got.overall_metrics.ListFields()}
    # Agents reported as active are so whatever the window; nothing else is there.
    assert present == {"total_active_agents", "total_customers", "new_customers", "currency"}
    assert got.overall_metrics.total_customers == 0
    assert not got.platform_distribution


async def test_open_alerts_without_the_watchdog(service: Service, sample: Rows) -> None:
    service.alerting.fire("response-time", "1", message="Agent response time above threshold", value=35_000, fired_at=stamp(NOW))
    service.alerting.fire("watchdog", None, type=vocabulary_pb2.AlertType.system)
    service.alerting.fire("response-time", "2", state=alert_pb2.ALERT_STATE_RESOLVED)

    got = await service.stub.GetSystemPerformance(Request())

    (alert,) = got.real_time_alerts
    assert (alert.type, alert.severity) == (vocabulary_pb2.AlertType.performance, vocabulary_pb2.Severity.medium)
    assert (alert.message, alert.agent_id, alert.value) == ("Agent response time above threshold", "1", 35_000)
    assert not alert.HasField("customer_id")
    assert alert.fired_at == stamp(NOW)


async def test_more_alerts_than_are_told_are_not_hidden(service: Service, sample: Rows) -> None:
    service.alerting.next_page_token = "more"
    got = await service.stub.GetSystemPerformance(Request())
    assert list(got.quality.missing) == ["older_alerts"]


async def test_uptime_is_of_the_window(service: Service, sample: Rows) -> None:
    await service.stub.GetSystemPerformance(Request(start_time=stamp(day_start(6)), end_time=stamp(day_start(-1))))
    asked = [r for r in service.alerting.requests if r.DESCRIPTOR.name == "GetSystemHealthRequest"]
    assert [(r.start_time, r.end_time) for r in asked] == [(stamp(day_start(6)), stamp(day_start(-1)))]


async def test_while_alerting_is_down_the_rest_still_answers(service: Service, sample: Rows) -> None:
    await service.alerting_server.stop()

    got = await service.stub.GetSystemPerformance(Request(), timeout=20)

    assert got.overall_metrics.total_revenue == 4500
    assert not got.overall_metrics.HasField("system_uptime")
    assert list(got.quality.missing) == ["alerts", "uptime"]


async def test_while_alerting_hangs_the_rest_answers_within_the_deadline(service: Service, sample: Rows) -> None:
    service.alerting.delay_s = 30
    got = await service.stub.GetSystemPerformance(Request(), timeout=10)
    assert list(got.quality.missing) == ["alerts", "uptime"]
    assert got.quality.n == 3


async def test_quarters_of_an_hour(service: Service, sample: Rows) -> None:
    sample.contribution("f1", ago(hours=1), agent_id="1", customer_id="a", platform=WHATSAPP)
    sample.contribution("f2", ago(hours=2), agent_id="2", customer_id="a", platform=WHATSAPP)
    sample.contribution("f3", ago(hours=2), agent_id="2", customer_id="a", platform=INSTAGRAM)
    sample.contribution("f4", ago(hours=2), agent_id="2", kind=2, customer_id="buyer", conversations=0)
    sample.conn.execute("DELETE FROM scoring.agent_day; DELETE FROM scoring.revenue_day; DELETE FROM ingest.agent")
    end = NOW.replace(minute=0)

    got = await service.stub.GetSystemPerformance(Request(start_time=stamp(end - timedelta(hours=2)), end_time=stamp(end)))

    assert (got.overall_metrics.total_conversations, got.overall_metrics.total_customers) == (2, 1)
    assert got.overall_metrics.total_active_agents == 2
    assert got.platform_distribution["whatsapp"].active_users == 1


@pytest.mark.parametrize("agents", [1, 40])
async def test_the_number_of_statements_does_not_grow(service: Service, sample: Rows, agents: int) -> None:
    for number in range(agents):
        sample.counts(f"more {number}", ago(hours=1), WHATSAPP + number % 5, n=1)
        sample.money(f"more {number}", ago(hours=1), "1", platform=WHATSAPP + number % 5)
    with service.statements() as sent:
        await service.stub.GetSystemPerformance(Request())
    assert len(sent) == 11
