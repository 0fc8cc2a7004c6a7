"""What changed, told of real facts: found, explained to the last digit, and nothing told where nothing changed."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from rapport.ingest.v1 import ingest_service_pb2
from rapport.insight.v1 import conversation_pb2, vocabulary_pb2
from rapport.query.v1 import filter_pb2, insight_pb2, metrics_pb2

from services.query.dimensions import Dimension
from services.query.insight_words import Cause, advice, sentence, title
from services.query.measures import MEASURES
from services.query.metrics import Value
from services.query.movements import Movement
from tests.fix_services import House
from tests.query.asking import day_start, named_fields, reason, stamp
from tests.query.conftest import Service
from tests.query.rows import NOW
from tests.scoring.telling import happened

AGENT, PLATFORM, INTENT = metrics_pb2.DIMENSION_AGENT, metrics_pb2.DIMENSION_PLATFORM, metrics_pb2.DIMENSION_INTENT
WHATSAPP = vocabulary_pb2.Platform.whatsapp
#: A week that is over, and the one before it.
WEEK = {"start_time": stamp(day_start(9)), "end_time": stamp(day_start(2))}


@pytest.fixture
def house(house: House) -> House:
    house.clock.now = NOW
    return house


async def insights(service: Service, **asked: Any) -> insight_pb2.ListInsightsResponse:
    return await service.stub.ListInsights(insight_pb2.ListInsightsRequest(**(WEEK | asked)))


async def record(house: House, talks: Iterable[dict[str, Any]]) -> None:
    """Record conversations of five minutes, and count them."""
    messages = [ParseDict(talk, conversation_pb2.ConversationInsight()) for talk in talks]
    for begin in range(0, len(messages), 500):
        batch = ingest_service_pb2.BatchRecordConversationsRequest(conversations=messages[begin : begin + 500])
        answer = await house.ingest.BatchRecordConversations(batch, house.caller)
        assert not answer.rejections, answer.rejections
    await house.drain()


def talk(number: int, at: datetime, agent: str, platform: str, intents: list[str], **more: Any) -> dict[str, Any]:
    told = {"conversation_id": f"talk-{number}", "agent_id": agent, "customer_id": f"c{number}", "platform": platform}
    times = {"start_time": at.isoformat(), "end_time": (at + timedelta(minutes=5)).isoformat()}
    return told | times | {"intents": [{"intent": intent} for intent in intents]} | more


def weeks(*, now: float = 0.05, before: float = 0.05, seed: int = 3) -> list[dict[str, Any]]:
    """Forty conversations on each of fourteen days; agent-2's, on whatsapp and about refunds, are escalated so often."""
    r = random.Random(seed)
    talks = []
    for day in range(14):
        for each in range(40):
            agent = f"agent-{each % 4}"
            often = now if day >= 7 else before
            refund = agent == "agent-2"
            rate = often if refund else 0.05
            intents = ["refund", "order"] if refund else r.choice([["order"], ["order", "refund"], []])
            at = day_start(16 - day) + timedelta(minutes=20 * each)
            platform = "whatsapp" if refund else r.choice(["web", "sms"])
            more = {"escalation": {"required": r.random() < rate}, "response_time_avg_ms": r.randrange(1000, 9000)}
            more |= {"customer_satisfaction_score": float(r.randrange(1, 6))}
            talks.append(talk(len(talks), at, agent, platform, intents, **more))
    return talks


def explained(insight: insight_pb2.Insight, dimension: Any) -> insight_pb2.Explanation:
    (found,) = [each for each in insight.explanations if each.dimension == dimension]
    return found


async def test_a_planted_change_is_found_and_explained(service: Service, house: House) -> None:
    await record(house, weeks(now=0.6))

    got = await insights(service)

    by_measure = {each.measure: each for each in got.insights}
    rate = by_measure["escalationRate"]
    assert rate.movement.difference > 10
    assert (rate.movement.n, rate.movement.better, rate.p_value < 0.001) == (280, False, True)
    for insight in got.insights:
        assert [each.dimension for each in insight.explanations] == [AGENT, PLATFORM, INTENT]
        for each in insight.explanations:
            whole = sum(one.contribution for one in each.contributions) + each.rest
            assert whole == pytest.approx(insight.movement.difference, abs=1e-9)
    firsts = [explained(rate, dimension).contributions[0] for dimension in (AGENT, PLATFORM, INTENT)]
    assert [first.value for first in firsts] == ["agent-2", "whatsapp", "refund"]
    assert all(first.contribution > 0.8 * rate.movement.difference and first.n == 70 for first in firsts)
    assert all(abs(first.mix_effect) < 0.1 * first.rate_effect for first in firsts)
    assert rate.sentence.startswith("Escalation rate rose from ")
    assert "mostly agent agent-2 (+" in rate.sentence
    assert "n = 280" in rate.sentence
    assert rate.recommendation == "Read what was escalated of agent agent-2, and give the agent what it lacked."
    assert [each.strength for each in got.insights] == sorted((each.strength for each in got.insights), reverse=True)
    assert {"averageResponseTime", "customerSatisfactionAvg"}.isdisjoint(by_measure)
    assert (got.quality.n, got.looked_at > 5) == (280, True)


async def test_movements_are_what_query_metrics_answers(service: Service, house: House) -> None:
    await record(house, weeks(now=0.6))
    got = await insights(service)
    names = [each.measure for each in got.insights]
    asked = metrics_pb2.QueryMetricsRequest(measures=names, compare_with_previous=True, **WEEK)
    same = (await service.stub.QueryMetrics(asked)).total.measures
    assert names
    assert [each.movement for each in got.insights] == list(same)


async def test_where_nothing_changed_nothing_is_told(service: Service, house: House) -> None:
    """The control of the planted change: the same tenant, the same seed, without it."""
    await record(house, weeks())
    got = await insights(service)
    assert list(got.insights) == []
    assert got.looked_at > 5


async def test_a_change_for_the_better_needs_no_advice(service: Service, house: House) -> None:
    await record(house, weeks(now=0.05, before=0.6))
    got = await insights(service, measures=["escalationRate"])
    (only,) = got.insights
    assert (only.movement.better, only.recommendation, got.looked_at) == (True, "", 1)
    assert only.sentence.startswith("Escalation rate fell from ")


async def test_a_conversation_counts_once_by_the_first_of_its_intents(service: Service, house: House) -> None:
    await record(house, weeks(now=0.9, before=0.4))
    got = await insights(service, measures=["escalations"])
    (only,) = got.insights
    by_intent = {each.value: each for each in explained(only, INTENT).contributions}
    # Others name refunds, too, but second.
    agent = explained(only, AGENT).contributions[0]
    assert (agent.value, by_intent["refund"].n, by_intent["refund"].contribution) == ("agent-2", agent.n, agent.contribution)
    assert only.movement.difference == sum(each.contribution for each in by_intent.values()) + explained(only, INTENT).rest


async def test_only_the_facts_that_are_meant(service: Service, house: House) -> None:
    await record(house, weeks(now=0.6))
    others = filter_pb2.FactFilter(agent_ids=["agent-0", "agent-1", "agent-3"])
    got = await insights(service, filter=others)
    assert (list(got.insights), got.quality.n) == ([], 210)
    refunds = await insights(service, filter=filter_pb2.FactFilter(platforms=[WHATSAPP]), measures=["escalationRate"])
    assert (refunds.insights[0].movement.n, refunds.quality.n) == (70, 70)
    # With one group only there is nobody to name.
    assert "mostly" not in refunds.insights[0].sentence


async def test_what_is_left_out_is_told(service: Service, house: House) -> None:
    await record(house, weeks(now=0.6))
    got = await insights(service, limit=1)
    assert len(got.insights) == 1
    caveats = "\n".join(got.caveats)
    assert "Too few, or on too few days, to tell a change from chance: " in caveats
    assert "noShowRate" in caveats
    assert "responseTimeP50" in caveats
    assert "Totals of money are not compared, since a few large amounts move them: totalRevenue, totalCost." in caveats
    assert "revenuePerConversation" in next(c for c in got.caveats if "it is not known how far chance moves them" in c)
    assert "more changed by less: the limit is 1." in caveats
    few = await insights(service, measures=["noShows"])
    assert (list(few.caveats), few.looked_at) == (["Too few, or on too few days, to tell a change from chance: noShows."], 0)
    every = await insights(service, measures=["customerSatisfactionAvg"])
    assert (list(every.caveats), every.looked_at) == ([], 1)


async def test_a_window_that_goes_on_is_compared_with_as_much_of_the_one_before(service: Service, house: House) -> None:
    """Half of the conversations since this morning were escalated; yesterday all were, but late in the day only."""
    per_hour = {0: 40, 1: 20}
    talks = []
    for days_ago, count in per_hour.items():
        for hour in range(24 if days_ago else 15):
            for minute in range(count):
                at = day_start(days_ago) + timedelta(hours=hour, minutes=minute)
                required = hour >= 16 if days_ago else minute % 2 == 0
                talks.append(talk(len(talks), at, "a", "web", [], escalation={"required": required}))
    await record(house, talks)
    today = {"start_time": stamp(day_start(0)), "end_time": stamp(day_start(-1))}
    got = await insights(service, **today, measures=["escalationRate", "completedConversations"])
    (only,) = got.insights
    assert (only.movement.value, only.movement.previous, only.movement.n, only.movement.better) == (50, 0, 600, False)
    assert got.caveats[0].startswith("The window is not over")
    assert list(got.caveats)[1:] == [
        "Compared without the last 24 hours, of which it is not known yet how they come out: completedConversations.",
        "Numbers are compared from seven whole days on, of the window and of the period before: completedConversations.",
    ]
    # The control: with all of yesterday it is less of a difference.
    service.now = day_start(-1)
    whole = await insights(service, **today, measures=["escalationRate"])
    assert (whole.insights[0].movement.previous, list(whole.caveats)) == (pytest.approx(100 / 3), [])


async def test_what_has_no_part_in_a_measure_is_no_group_of_it(service: Service, house: House) -> None:
    """All talk on whatsapp; a consent was given on another platform, and is asked about as well."""
    talks = weeks(now=0.6)
    await record(house, [each | {"platform": "whatsapp"} for each in talks])
    await happened(house, "interaction", {"platform": "sms", "consent": True}, day_start(5), customer="c1", agent="agent-2")
    await house.drain()
    got = await insights(service, measures=["escalationRate", "consents"])
    (only,) = got.insights
    assert "mostly agent agent-2" in only.sentence
    assert "platform" not in only.sentence


async def test_without_a_period_before_nothing_is_compared(service: Service, house: House) -> None:
    await record(house, weeks(now=0.6))
    service.rows.insert("ingest.horizon", day=day_start(12).date(), at=day_start(12), after_change=0)
    got = await insights(service)
    assert (list(got.insights), got.looked_at, list(got.quality.missing)) == ([], 0, ["previous"])
    assert got.caveats == ["The period before is no longer kept: there is nothing to compare with."]


async def test_a_window_to_come_has_nothing(service: Service, house: House) -> None:
    await record(house, weeks(now=0.6))
    got = await insights(service, start_time=stamp(day_start(-10)), end_time=stamp(day_start(-20)))
    assert (len(got.insights), got.looked_at) == (0, 0)


async def test_unknown_measures_are_refused(service: Service) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await insights(service, measures=["escalationRate", "happiness"])
    assert (reason(caught.value), named_fields(caught.value)) == ("UNKNOWN_MEASURE", ["measures[1]"])


async def test_the_number_of_statements_does_not_grow(service: Service, house: House) -> None:
    async def asked() -> int:
        with service.statements() as sent:
            await insights(service)
        return len(sent)

    before = await asked()
    await record(house, weeks(now=0.6))
    assert (await asked(), before) == (before, 5)


def movement(measure: str, now: Value, before: float, z: float = 5.0) -> Movement:
    return Movement(MEASURES[measure], now, Value(before), z)


def test_sentences() -> None:
    rate = movement("escalationRate", Value(12.4, 950, (10.4, 14.6)), 8.1, 3.0)
    causes = [Cause(Dimension.AGENT, "agent-7", 2.15, 0.5), Cause(Dimension.PLATFORM, "", 1.1, 0.3)]
    assert sentence(rate, causes) == (
        "Escalation rate rose from 8.1 % to 12.4 % (n = 950, 95 % between 10.4 % and 14.6 %, p = 0.003), "
        "mostly agent agent-7 (+2.1 points) and no platform (+1.1 points)."
    )
    time = movement("averageResponseTime", Value(35_200, 40), 900, -9.0)
    cause = Cause(Dimension.INTENT, "refund", 12_000, 0.35)
    assert sentence(time, [cause]) == (
        'Average response time rose from 900 ms to 35.2 s (n = 40, p < 0.001), partly intent "refund" (+12.0 s).'
    )
    rating = movement("customerSatisfactionAvg", Value(4.25, 60), 4.5)
    assert sentence(rating, []) == "Customer satisfaction fell from 4.50 to 4.25 (n = 60, p < 0.001)."
    count = movement("orders", Value(1200), 1500)
    assert sentence(count, [Cause(Dimension.PLATFORM, "web", -300, 1)]) == (
        "Orders fell from 1,500 to 1,200 (p < 0.001), mostly platform web (-300)."
    )
    assert advice(MEASURES["averageResponseTime"], cause).startswith('Find out what makes answers about "refund" slow')
    assert title(MEASURES["conversationCompletionRate"]) == "Conversation completion rate"
