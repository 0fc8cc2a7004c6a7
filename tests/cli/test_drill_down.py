"""`rapport facts`, `conversations`, `conversation`, `timeline`, `funnel`, `customers`, `agents` and `follow-ups`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from rapport.metrics.v1.common_pb2 import Window
from rapport.query.v1 import drill_down_pb2 as pb
from rapport.query.v1 import filter_pb2

from services.cli.layout import OUT
from tests.cli.conftest import House, Rapport, squeezed
from tests.cli.query_servicer import Query
from tests.cli.servicers import status

WINDOW = {"n": 3, "window": {"start": "2026-04-21T18:30:00Z", "end": "2026-05-21T18:30:00Z", "timeZone": "Asia/Kolkata"}}
FACT = {
    "kind": "FACT_KIND_APPOINTMENT", "factId": "p1", "at": "2026-05-03T10:00:00Z", "agentId": "1", "customerId": "c1",
    "platform": "whatsapp", "outcome": "OUTCOME_NO_SHOW", "quantity": "1",
}  # fmt: skip
PAYMENT = {
    "kind": "FACT_KIND_TRANSACTION", "factId": "t1", "at": "2026-05-02T10:00:00Z", "quantity": "1",
    "amount": {"currencyCode": "EUR", "units": "-19", "nanos": -990000000},
}  # fmt: skip
TALK = {
    "conversationId": "talk", "agentId": "1", "customerId": "c1", "platform": "whatsapp", "startTime": "2026-05-03T10:00:00Z",
    "endTime": "2026-05-03T10:10:00Z", "duration": 600, "messageCount": 12, "customerMessages": 6, "agentResponses": 5,
    "responseTimeAvg": "35000", "customerSatisfactionScore": 4.35,
    "conversionEvent": {"type": "purchase", "value": 1200, "currency": "INR"},
    "sentiment": {"overall": "positive", "emotions": ["joy"]}, "intents": [{"intent": "buy"}, {"intent": "ask"}],
    "escalation": {"required": True, "reason": "wants a person", "resolvedBy": "Ada"}, "followUpActions": ["call"],
    "customerJourney": {"stage": "decision", "touchpointSequence": ["web"]}, "revision": "7", "resolution": "RESOLUTION_RESOLVED",
}  # fmt: skip
BARE = {"conversationId": "bare", "agentId": "2", "customerId": "c2", "platform": "web"}
ANSWERS = {
    "ListFacts": {"facts": [FACT, PAYMENT], "total": "5", "erased": "3", "quality": WINDOW},
    "ListConversations": {"conversations": [TALK, BARE], "total": "7", "nextPageToken": "more", "quality": WINDOW},
    "GetConversation": {"conversation": TALK, "counted": FACT | {"outcome": "OUTCOME_SUCCESS"}, "related": [PAYMENT],
                        "recordedAt": "2026-05-03T10:11:00Z"},
    "GetCustomerTimeline": {"entries": [
        {"at": "2026-05-03T10:00:00Z", "title": "Charge of 120.00 USD settled", "agentId": "1", "platform": "whatsapp",
         "amount": {"currencyCode": "USD", "units": "120"}},
        {"at": "2026-05-02T10:00:00Z", "title": "Became at risk: has probably left", "segment": "at_risk"},
    ], "profile": {"name": "Ada"}},
    "GetStageFunnel": {"stages": [
        {"stage": "awareness", "customers": "40", "conversations": "50"},
        {"stage": "consideration", "customers": "10", "conversionRate": 25.0,
         "interval": {"low": 14.2, "high": 40.2, "level": 0.95},
         "medianDays": 2.5, "conversations": "12"},
    ], "quality": WINDOW},
    "ListCustomers": {"customers": [
        {"customerId": "c1", "name": "Ada", "segment": "at_risk", "churnRisk": 0.8, "pAlive": 0.3,
         "predictedLifetimeValue": 1234.5,
         "engagementDays": 4, "orders": 2, "firstEngaged": "2026-01-01", "lastEngaged": "2026-02-01"},
        {"customerId": "c2"},
    ], "total": "2", "quality": {"n": 2}},
    "ListAgents": {"agents": [
        {"agentId": "1", "name": "Bot", "state": "AGENT_STATE_ACTIVE", "stateSince": "2026-05-01T00:00:00Z", "industry": "retail",
         "platforms": ["whatsapp", "web"], "languages": ["en"], "template": "shop"},
        {"agentId": "2"},
    ], "total": "9", "nextPageToken": "more"},
    "ListFollowUps": {"followUps": [
        {"followUpId": "f1", "state": "FOLLOW_UP_STATE_OVERDUE", "action": "call", "due": "2026-05-01T00:00:00Z",
         "assignee": "Ada",
         "agentId": "1", "customerId": "c1", "conversationId": "talk", "openedAt": "2026-04-30T00:00:00Z"},
        {"followUpId": "f2", "state": "FOLLOW_UP_STATE_OPEN", "openedAt": "2026-04-30T00:00:00Z"},
    ], "total": "2"},
}  # fmt: skip
COMMANDS = {
    "ListFacts": ("facts", "noShows"), "ListConversations": ("conversations",), "GetConversation": ("conversation", "talk"),
    "GetCustomerTimeline": ("timeline", "c1"), "GetStageFunnel": ("funnel",), "ListCustomers": ("customers",),
    "ListAgents": ("agents",), "ListFollowUps": ("follow-ups",),
}  # fmt: skip


@pytest.fixture(autouse=True)
def answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The query service answers what stands above."""

    def method(answer: Message) -> Any:
        async def answered(self: Query, request: Message, context: Any) -> Message:
            return await self._answer(request, context, answer)

        return answered

    for name, told in ANSWERS.items():
        made = getattr(pb, f"{name}Response")()
        monkeypatch.setattr(Query, name, method(ParseDict(told, made)))


async def test_facts_and_the_number_they_add_up_to(house: House, rapport: Rapport) -> None:
    result = await rapport("facts", "noShows", "--where", "agent=1", "--where", "agent=2", "--where", "outcome=no_show")
    assert result.exit_code == 0, result.stderr
    told = squeezed(result.stdout)
    assert told[0] == "noShows: 5"
    assert "2026-05-03 10:00:00 UTC appointment p1 1 c1 whatsapp no show 1 —" in told
    assert "2026-05-02 10:00:00 UTC transaction t1 — — — — 1 -19.99 EUR" in told
    assert "Of customers who were erased: 3" in told
    assert house.query.calls == [
        pb.ListFactsRequest(
            measure="noShows",
            page_size=50,
            filter=filter_pb2.FactFilter(agent_ids=["1", "2"], outcomes=[filter_pb2.OUTCOME_NO_SHOW]),
        )
    ]


@pytest.mark.parametrize(("where", "filtered"), [
    ("platform=whatsapp", {"platforms": [1]}), ("platform=", {"platforms": [0]}), ("source=payments", {"sources": [3]}),
    ("resolution=abandoned", {"resolutions": [2]}), ("conversion=purchase", {"conversion_types": [2]}),
    ("stage=decision", {"stages": [3]}),
    ("segment=at_risk", {"segments": [2]}), ("tag=a=b", {"tags": ["a=b"]}), ("industry=", {"industries": [""]}),
    ("escalation=too slow", {"escalation_reasons": ["too slow"]}), ("customer=c1", {"customer_ids": ["c1"]}),
    ("sentiment=negative", {"sentiments": [3]}), ("emotion=joy", {"emotions": ["joy"]}), ("intent=buy", {"intents": ["buy"]}),
])  # fmt: skip
async def test_what_is_meant_by_where(house: House, rapport: Rapport, where: str, filtered: dict[str, Any]) -> None:
    await rapport("funnel", "--where", where, "--where", where)
    assert house.query.calls == [pb.GetStageFunnelRequest(filter=filter_pb2.FactFilter(**filtered))]


async def test_conversations(house: House, rapport: Rapport) -> None:
    words = ("--rated-at-most", 3, "--escalated", "--no-follow-up", "--limit", 2)
    told = squeezed((await rapport("conversations", *words)).stdout)
    assert "2026-05-03 10:00:00 UTC talk 1 c1 whatsapp 4.35 35.0 s yes purchase, 1,200.00 INR" in told
    assert "— bare 2 c2 web — — no —" in told
    assert {"7 in all", "There are more; ask for more with --limit."} <= set(told)
    assert house.query.calls == [
        pb.ListConversationsRequest(
            satisfaction_at_most=3, escalated=True, follow_up_required=False, page_size=2, filter=filter_pb2.FactFilter()
        )
    ]


async def test_a_conversation(house: House, rapport: Rapport) -> None:
    told = squeezed((await rapport("conversation", "talk")).stdout)
    for line in (
        "Conversation talk", "agent / customer 1 / c1", "duration 10 min", "messages 12: 6 of the customer, 5 of the agent",
        "escalated yes: wants a person, settled by Ada", "to be done call", "intents buy, ask", "tone positive, joy",
        "stage decision → web", "Counts at 2026-05-03 10:00:00 UTC: success, —", "recorded 2026-05-03 10:11:00 UTC · revision 7",
    ):  # fmt: skip
        assert line in told
    assert any("transaction t1" in line for line in told)


async def test_a_timeline(house: House, rapport: Rapport) -> None:
    told = squeezed((await rapport("timeline", "c1", "--limit", 9)).stdout)
    assert told[0] == "Customer c1 · Ada"
    assert "2026-05-03 10:00:00 UTC Charge of 120.00 USD settled 1 whatsapp 120.00 USD" in told
    assert "2026-05-02 10:00:00 UTC Became at risk: has probably left — — —" in told
    assert house.query.calls == [pb.GetCustomerTimelineRequest(customer_id="c1", page_size=9)]


async def test_the_funnel_of_the_tenants_days(house: House, rapport: Rapport) -> None:
    house.query.window.CopyFrom(ParseDict(WINDOW["window"], Window()))
    told = squeezed((await rapport("funnel", "--days", 7)).stdout)
    assert "awareness 40 ████████████████████ — — — 50" in told
    assert "consideration 10 █████░░░░░░░░░░░░░░░ 25.0 % 14.2 to 40.2 % 2 d 12" in told
    _, second = house.query.calls
    assert second.start_time.ToJsonString() == "2026-05-14T18:30:00Z"


async def test_customers(house: House, rapport: Rapport) -> None:
    words = ("--segment", "at_risk", "--segment", "", "--risk", 0.5, "--value", 10, "--agent", "1", "--order", "churn_risk")
    told = squeezed((await rapport("customers", *words)).stdout)
    assert "c1 Ada at risk 80% 30% 1,234.50 — 4 2 2026-01-01 2026-02-01" in told
    assert "c2 — — — — — — 0 0 — —" in told
    assert house.query.calls == [
        pb.ListCustomersRequest(
            segments=[2, 0], churn_risk_at_least=0.5, predicted_value_at_least=10, agent_ids=["1"],
            order=pb.CUSTOMER_ORDER_CHURN_RISK, page_size=50,
        )
    ]  # fmt: skip


async def test_agents(house: House, rapport: Rapport) -> None:
    told = squeezed((await rapport("agents", "--state", "active", "--state", "", "--industry", "retail")).stdout)
    assert "1 Bot active 2026-05-01 00:00:00 UTC retail whatsapp, web en shop" in told
    assert "2 — — — — — — —" in told
    assert house.query.calls == [pb.ListAgentsRequest(states=[1, 0], industries=["retail"], page_size=100)]


async def test_follow_ups(house: House, rapport: Rapport) -> None:
    told = squeezed((await rapport("follow-ups", "--state", "overdue", "--agent", "1", "--assignee", "Ada")).stdout)
    assert "2026-05-01 00:00:00 UTC overdue f1 call Ada 1 c1 talk 2026-04-30 00:00:00 UTC" in told
    assert "— open f2 — — — — — 2026-04-30 00:00:00 UTC" in told
    assert house.query.calls == [pb.ListFollowUpsRequest(states=[2], agent_ids=["1"], assignee="Ada", page_size=50)]


@pytest.mark.parametrize("name", COMMANDS)
async def test_json_is_what_the_http_surface_answers(rapport: Rapport, name: str) -> None:
    told = json.loads((await rapport(*COMMANDS[name], "--json")).stdout)
    answer = getattr(pb, f"{name}Response")()
    assert ParseDict(told, answer) == ParseDict(ANSWERS[name], getattr(pb, f"{name}Response")())


@pytest.mark.parametrize("width", [80, 99])
@pytest.mark.parametrize("name", COMMANDS)
async def test_lines_keep_to_a_narrow_terminal(rapport: Rapport, monkeypatch: pytest.MonkeyPatch, name: str, width: int) -> None:
    monkeypatch.setattr(OUT, "width", width)
    shown = (await rapport(*COMMANDS[name])).stdout.splitlines()
    assert max(len(line.rstrip()) for line in shown) <= width
    assert len(shown) > 2


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_refusal_is_told_in_a_line(house: House, rapport: Rapport, name: str) -> None:
    house.query.failure = status("INVALID_ARGUMENT", "UNKNOWN_MEASURE", "no measure of this name has rows")
    result = await rapport(*COMMANDS[name])
    assert result.exit_code == 1
    assert "no measure of this name has rows" in result.stderr


@pytest.mark.parametrize("words", [
    ("facts",), ("facts", "x", "--where", "agent"), ("facts", "x", "--where", "nonsense=1"),
    ("funnel", "--where", "stage=nowhere"),
    ("facts", "x", "--limit", "1001"), ("conversations", "--rated-at-most", "6"), ("customers", "--order", "luck"),
    ("customers", "--risk", "2"), ("agents", "--state", "asleep"), ("follow-ups", "--state", "unspecified"),
    ("facts", "x", "--days", "3", "--start", "2026-05-01"),
])  # fmt: skip
async def test_wrong_usage_exits_with_two(house: House, rapport: Rapport, words: tuple[str, ...]) -> None:
    assert (await rapport(*words)).exit_code == 2
    assert not house.query.calls
