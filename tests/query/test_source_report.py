"""What each of the seven sources adds, next to the period before."""

from __future__ import annotations

from datetime import UTC, timedelta

import grpc
import pytest
from rapport.query.v1 import metrics_pb2

from services.query.source_reports import SOURCES
from tests.fix_services import House
from tests.query.asking import named_fields, reason
from tests.query.conftest import Service
from tests.query.rows import NOW
from tests.query.sourcing import (
    BEFORE,
    BEGIN,
    DAY,
    LONG_BEFORE,
    WIDGET,
    WIZARD,
    appointment,
    became,
    figures,
    paid,
    report,
    source,
    spent,
    value,
)  # fmt: skip
from tests.scoring.telling import happened, talked


@pytest.fixture
def house(house: House) -> House:
    house.clock.now = NOW
    return house


async def test_the_wizards_agents(service: Service, house: House) -> None:
    for agent, at in (("old", LONG_BEFORE), ("old", DAY), ("new", DAY), ("new", DAY + timedelta(hours=1)), ("then", BEFORE)):
        await happened(house, "agent_configured", {"name": agent}, at, agent=agent, source=WIZARD)
    await house.drain()
    got = await report(service)
    assert figures(got, "agentWizard") == {"agentsCreated": (1, 1), "agentsChanged": (2, 0)}
    wizard = source(got, "agentWizard")
    assert (wizard.events, wizard.last_event.ToDatetime(UTC)) == (3, DAY + timedelta(hours=1))
    assert [each.source for each in got.sources] == list(SOURCES)
    assert not any(each.HasField("last_event") for each in got.sources[1:])


async def test_the_calendars_appointments(service: Service, house: House) -> None:
    await appointment(house, "p", BEFORE, 10, "NO_SHOW")
    await appointment(house, "p2", BEFORE, 6)
    for name, hours, more in (
        ("k", 2, ["RESCHEDULED", "RESCHEDULED", "COMPLETED"]), ("n", 4, ["NO_SHOW"]), ("c", 24, ["CANCELLED"]), ("open", 10, []),
        ("backdated", -5, []), ("unscheduled", None, []),
    ):  # fmt: skip
        await appointment(house, name, DAY, hours, *more)
    await house.drain()

    got = await report(service)

    told = figures(got, "calendar")
    assert (told["appointmentsBooked"], told["reschedules"]) == ((6, 2), (2, 0))
    assert (told["meanLeadTime"], told["medianLeadTime"]) == ((36_000, 28_800), (25_200, 28_800))
    mean = value(got, "calendar", "meanLeadTime")
    assert (mean.n, mean.interval.low < 36_000 < mean.interval.high) == (4, True)
    assert (told["appointmentsKept"], told["noShows"], told["cancellations"]) == ((1, 0), (1, 1), (1, 0))


async def test_payments(service: Service, house: House) -> None:
    for name, units in (("c1", 100), ("c2", 200), ("c3", 300), ("c4", 400)):
        await paid(house, name, DAY, units)
    await paid(house, "old", BEFORE, 1000)
    await paid(house, "euro", DAY, 7, currency="EUR")
    await paid(house, "failed", DAY, 9999, status="FAILED")
    await paid(house, "pending", DAY, 9999, status="PENDING")
    for name, original, units in (("r1", "c1", 50), ("r2", "c1", 50), ("r3", "old", 1000)):
        await paid(house, name, DAY, units, original)
    await paid(house, "r4", DAY, 400, "c4", status="PENDING")
    await house.drain()

    got = await report(service)

    told = figures(got, "payments")
    assert (told["charges"], told["refunds"], told["failedCharges"]) == ((5, 1), (3, 0), (1, 0))
    assert (told["chargedAmount"], told["refundedAmount"]) == ((1000, 1000), (1100, 0))
    # Two refunds gave one charge back; the other is of a charge of the period before.
    assert told["refundRate"] == (20, 100)
    assert value(got, "payments", "refundRate").n == 5
    assert [(m.currency_code, m.units) for m in got.quality.unconverted] == [("EUR", 7)]
    service.rows.rate("EUR", DAY.date(), "100")
    got = await report(service)
    assert (figures(got, "payments")["chargedAmount"], len(got.quality.unconverted)) == ((1700, 1000), 0)


async def test_billing(service: Service, house: House) -> None:
    for number in range(4):
        await talked(house, f"t{number}", DAY, "a", "c")
    await spent(house, "MODEL_USAGE", 100, DAY, units=3000.0, unit="tokens")
    await spent(house, "MODEL_USAGE", 20, DAY, units=1000.0, unit="Tokens")
    await spent(house, "MESSAGING", 40, DAY, units=8.0, unit="text-messages sent")
    month = {"period_start": (BEGIN - timedelta(days=15)).isoformat(), "period_end": (BEGIN + timedelta(days=15)).isoformat()}
    await spent(house, "SEAT", 300, BEGIN, **month)
    await house.drain()

    got = await report(service)

    told = figures(got, "billing")
    assert (told["totalCost"], told["modelUsageCost"], told["messagingCost"]) == ((310, 150), (120, 0), (40, 0))
    assert (told["seatCost"], told["acquisitionCost"], told["costPerConversation"]) == ((150, 150), (None, None), (77.5, None))
    assert (told["tokensPerConversation"], told["textMessagesSentPerConversation"]) == ((1000, None), (2, None))
    assert value(got, "billing", "costPerConversation").n == 4
    # A part of the costs says too little of what a conversation costs.
    await spent(house, "OTHER", 1, DAY, currency="EUR")
    await house.drain()
    got = await report(service)
    assert (figures(got, "billing")["totalCost"], figures(got, "billing")["costPerConversation"]) == ((310, 150), (None, None))
    assert [m.currency_code for m in got.quality.unconverted] == ["EUR"]


async def test_the_widget(service: Service, house: House) -> None:
    for action, count, at in (("IMPRESSION", 1000, DAY), ("OPENED", 50, DAY), ("DEPLOYED", 1, DAY), ("IMPRESSION", 10, BEFORE)):
        body = {"widget_id": "w", "action": f"WIDGET_ACTION_{action}", "count": count}
        await happened(house, "widget_activity", body, at, agent="a", source=WIDGET)  # type: ignore[arg-type]
    for number, platform in enumerate(("web", "web", "sms")):
        await talked(house, f"t{number}", DAY, "a", "c", platform=platform)
    await house.drain()
    got = await report(service)
    told = figures(got, "widget")
    assert (told["widgetImpressions"], told["widgetOpens"], told["widgetOpenRate"]) == ((1000, 10), (50, 0), (5, 0))
    assert (told["webConversations"], told["webConversationRate"]) == ((2, 0), (4, None))
    rates = [value(got, "widget", name) for name in ("widgetOpenRate", "webConversationRate")]
    assert [(each.n, each.HasField("interval")) for each in rates] == [(1000, False), (50, False)]


async def test_insights(service: Service, house: House) -> None:
    for customer, platform, at in (
        ("c1", "web", DAY), ("c1", "sms", DAY), ("c1", "sms", DAY), ("c2", "web", DAY), ("c3", "web", BEFORE), ("c3", "sms", DAY),
    ):  # fmt: skip
        await happened(house, "interaction", {"platform": platform, "consent": True}, at, customer=customer)
    await happened(house, "risk_assessment", {"outcome": "ASSESSMENT_OUTCOME_APPROVED"}, DAY)
    await happened(house, "compliance_check", {"rule": "kyc", "result": "COMPLIANCE_RESULT_PASSED"}, DAY)
    await happened(house, "consultation", {"kind": "loan"}, DAY)
    await happened(house, "cart_activity", {"cart_id": "k", "action": "CART_ACTION_ABANDONED"}, DAY)
    due = {"follow_up_id": "f", "status": "FOLLOW_UP_STATUS_OPEN", "due": (DAY + timedelta(hours=1)).isoformat()}
    await happened(house, "follow_up", due, DAY)
    await house.drain()

    got = await report(service)

    told = figures(got, "insights")
    assert (told["interactions"], told["consents"], told["customersTouched"]) == ((5, 1), (5, 1), (3, 1))
    several = value(got, "insights", "onSeveralPlatforms")
    assert (several.value, several.n, several.previous) == (pytest.approx(100 / 3), 3, 0)
    assert (told["cartsStarted"], told["cartAbandonmentRate"]) == ((1, 0), (100, None))
    assert (told["followUpsOpened"], told["overdueFollowUps"]) == ((1, 0), (1, 0))
    assert (told["riskAssessments"], told["complianceChecks"], told["consultations"]) == ((1, 0), (1, 0), (1, 0))
    assert source(got, "insights").events == 10


async def test_only_the_agents_that_are_asked_for(service: Service, house: House) -> None:
    for agent in ("a", "b"):
        await talked(house, f"talk-{agent}", DAY, agent, "c")
        await happened(house, "agent_configured", {"name": agent}, DAY, agent=agent, source=WIZARD)
        await became(house, "ACTIVE", DAY, agent)
        await appointment(house, f"appointment-{agent}", DAY, 2, agent=agent)
        # An event is its conversation's agent's, too.
        await happened(house, "interaction", {"platform": "web"}, DAY, conversation=f"talk-{agent}", customer=agent)
    await spent(house, "SEAT", 10, DAY)
    await house.drain()
    got, everybody = await report(service, agent_ids=["a"]), await report(service)
    names = {"agentWizard": "agentsCreated", "calendar": "appointmentsBooked", "insights": "customersTouched"}
    for word, name in names.items():
        assert (figures(got, word)[name][0], figures(everybody, word)[name][0]) == (1, 2)
        assert (source(got, word).events, source(everybody, word).events) == (1, 2)
    hours = [figures(answer, "myAgents")["activeHours"][0] for answer in (got, everybody)]
    assert hours[1] == 2 * hours[0]
    costs = [figures(await report(service, agent_ids=[agent]), "billing")["totalCost"][0] for agent in ("a", "b")]
    assert (costs, got.quality.n) == ([10, None], 1)


async def test_an_agent_that_no_fact_names_is_not_found(service: Service, house: House) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await report(service, agent_ids=["nobody"])
    assert (reason(caught.value), named_fields(caught.value)) == ("AGENT_NOT_FOUND", ["agent_ids[0]"])


async def test_the_number_of_statements_does_not_grow(service: Service, house: House) -> None:
    async def asked() -> int:
        with service.statements() as sent:
            await report(service)
        return len(sent)

    before = await asked()
    for number in range(5):
        await talked(house, f"t{number}", DAY, f"a{number}", f"c{number}")
        await paid(house, f"p{number}", DAY, 1, agent=f"a{number}")
        await became(house, "ACTIVE", DAY, f"a{number}")
        await appointment(house, f"ap{number}", DAY, 1)
        await spent(house, "SEAT", 1, DAY)
    await house.drain()
    assert await asked() == before == 13


@pytest.mark.parametrize("which", [{}, {"agent_ids": ["a"]}, {"agent_ids": ["idle"]}])
async def test_costs_are_what_query_metrics_answers(service: Service, house: House, which: dict[str, list[str]]) -> None:
    """Where costs are known, but none falls, they are 0; where none ever was reported nobody knows."""

    async def costs() -> list[metrics_pb2.MeasureValue]:
        told = await report(service, **which)
        asked = metrics_pb2.QueryMetricsRequest(measures=["totalCost"], compare_with_previous=True)
        asked.filter.agent_ids.extend(which.get("agent_ids", []))
        (same,) = (await service.stub.QueryMetrics(asked)).total.measures
        assert value(told, "billing", "totalCost") == same
        return [value(told, "billing", name) for name in ("totalCost", "seatCost", "otherCost", "costPerConversation")]

    for agent in ("a", "idle"):
        await talked(house, f"talk-{agent}", DAY, agent, "c")
    await house.drain()
    assert not any(each.HasField("value") for each in await costs())
    await spent(house, "SEAT", 10, LONG_BEFORE)
    await house.drain()
    is_known = which != {"agent_ids": ["idle"]}
    assert [(each.HasField("value"), each.value) for each in await costs()] == [
        (k, 0) for k in (is_known, is_known, False, is_known)
    ]
    await spent(house, "OTHER", 7, DAY, currency="EUR")
    await house.drain()
    # A currency without a rate is known neither as 0.
    assert not any(each.HasField("value") for each in (await costs())[::2])
