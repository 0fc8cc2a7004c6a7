"""What happened with a customer, in plain words."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from google.type.money_pb2 import Money
from rapport.insight.v1 import profile_pb2, vocabulary_pb2
from rapport.insight.v1.conversation_pb2 import ConversationInsight
from rapport.insight.v1.event_pb2 import SyncEvent
from rapport.query.v1 import drill_down_pb2 as pb
from rapport.query.v1 import filter_pb2

from services.query.timeline import Happening, title, told_money
from tests.fix_services import House
from tests.query.asking import named_fields, reason, stamp
from tests.query.conftest import Service
from tests.query.drilling import NOW, pages, tell
from tests.query.rows import Rows


def event(hour: int, number: int = 0, **told: Any) -> SyncEvent:
    given = {"eventId": f"{hour}.{number}", "source": "EVENT_SOURCE_PAYMENTS", "occurredAt": f"2026-11-12T{hour:02}:00:00Z"}
    return ParseDict(given | {"customerId": "c1"} | told, SyncEvent())


def charge(transaction_id: str, status: str, units: int, kind: str = "CHARGE", **more: Any) -> dict[str, Any]:
    return {"transactionId": transaction_id, "kind": f"TRANSACTION_KIND_{kind}", "status": f"TRANSACTION_STATUS_{status}",
            "amount": {"currencyCode": "USD", "units": str(units)}} | more  # fmt: skip


TALK = {
    "conversationId": "talk", "agentId": "a1", "customerId": "c1", "platform": "whatsapp", "startTime": "2026-11-12T00:00:00Z",
    "endTime": "2026-11-12T00:10:00Z", "customerSatisfactionScore": 4.5,
}  # fmt: skip
EVENTS = [
    event(1, transaction=charge("t1", "SETTLED", 120), agentId="a1"),
    event(2, transaction=charge("t2", "FAILED", 1234)),
    event(3, transaction=charge("t3", "SETTLED", 20, "REFUND", originalTransactionId="t1")),
    event(4, appointment={"appointmentId": "p", "status": "APPOINTMENT_STATUS_BOOKED", "service": "haircut"}),
    event(5, appointment={"appointmentId": "p", "status": "APPOINTMENT_STATUS_NO_SHOW"}),
    event(6, cartActivity={"cartId": "k", "action": "CART_ACTION_CREATED"}),
    event(
        7, followUp={"followUpId": "f", "status": "FOLLOW_UP_STATUS_OPEN", "action": "call back", "due": "2026-11-12T08:00:00Z"}
    ),
    event(9, interaction={"platform": "web", "page": "/prices", "consent": True}),
    event(10, complianceCheck={"rule": "KYC", "result": "COMPLIANCE_RESULT_FAILED"}),
    event(11, cost={"category": "COST_CATEGORY_ACQUISITION", "amount": {"currencyCode": "USD", "units": "12"}}),
    event(12, customerProfile={"name": "Ada", "email": "ada@example.org"}),
    event(13, transaction=charge("pending", "PENDING", 5)),
    event(14, consultation={"kind": "investment"}, customerId="c2"),
]
TOLD = [
    (12, "Profile told", 8), (11, "Cost of 12.00 USD", 8), (10, "Compliance check failed: KYC", 8), (9, "Consent given", 9),
    (9, "Interaction on the web: /prices", 8), (8, "Follow-up overdue: call back", 7), (7, "Follow-up opened: call back", 6),
    (6, "Cart started, abandoned", 5), (5, "Appointment missed: haircut", 4), (4, "Appointment booked: haircut", 3),
    (3, "Refund of 20.00 USD settled", 2), (2, "Charge of 1,234.00 USD failed", 2), (1, "Charge of 120.00 USD settled", 2),
    (0, "Conversation on WhatsApp, rated 4.5", 1),
]  # fmt: skip


@pytest.fixture
def rows(database_url: str) -> Any:
    written = Rows(database_url)
    yield written
    written.conn.close()


@pytest.fixture
async def life(house: House, service: Service, rows: Rows) -> Rows:
    """One of everything, and a step between segments in the middle of it."""
    service.now = NOW
    await tell(house, [ParseDict(TALK, ConversationInsight())], EVENTS)
    rows.insert(
        "scoring.segment_transition",
        customer_id="c1", at=NOW.replace(day=12, hour=9), previous=4, segment=2, reason="has probably left",
    )  # fmt: skip
    return rows


async def timeline(service: Service, customer_id: str = "c1", **asked: Any) -> list[pb.TimelineEntry]:
    found: list[pb.TimelineEntry] = []
    async for page in pages(service.stub.GetCustomerTimeline, pb.GetCustomerTimelineRequest(customer_id=customer_id, **asked)):
        found += page.entries
    return found


async def test_everything_is_told_the_newest_first(service: Service, life: Rows) -> None:
    got = await timeline(service)
    steps = [entry for entry in got if entry.HasField("segment")]
    facts = [entry for entry in got if not entry.HasField("segment")]
    assert [(e.at.ToDatetime().hour, e.title, e.kind) for e in facts] == TOLD
    # Among what is of the same moment the step between segments is told last.
    assert (steps, got.index(steps[0])) == ([
        pb.TimelineEntry(
            at=stamp(NOW.replace(day=12, hour=9)), title="Became at risk: has probably left",
            segment=vocabulary_pb2.CustomerSegment.at_risk,
        )
    ], 5)  # fmt: skip


async def test_entries_are_of_the_facts(service: Service, life: Rows) -> None:
    got = {entry.title: entry for entry in await timeline(service)}
    paid = got["Charge of 120.00 USD settled"]
    # The customer's conversation was the last before it, but the agent names itself.
    assert (paid.fact_id, paid.agent_id, paid.amount, paid.outcome) == (
        "t1", "a1", Money(currency_code="USD", units=120), filter_pb2.OUTCOME_SUCCESS,
    )  # fmt: skip
    assert got["Refund of 20.00 USD settled"].amount.units == -20
    failed = got["Charge of 1,234.00 USD failed"]
    assert (failed.HasField("amount"), failed.outcome) == (False, filter_pb2.OUTCOME_FAILED_CHARGE)
    assert not got["Cost of 12.00 USD"].HasField("amount")
    talk = got["Conversation on WhatsApp, rated 4.5"]
    assert (talk.fact_id, talk.platform, talk.agent_id) == ("talk", vocabulary_pb2.Platform.whatsapp, "a1")
    assert got["Compliance check failed: KYC"].fact_id == "3/10.0"


@pytest.mark.parametrize("page_size", [1, 2, 4, 5, 6, 14, 15])
async def test_pages_neither_repeat_nor_skip(service: Service, life: Rows, page_size: int) -> None:
    assert await timeline(service, page_size=page_size) == await timeline(service)


async def test_what_comes_meanwhile_moves_no_page(house: House, service: Service, life: Rows) -> None:
    whole = await timeline(service)
    shown: list[pb.TimelineEntry] = []
    async for page in pages(service.stub.GetCustomerTimeline, pb.GetCustomerTimelineRequest(customer_id="c1", page_size=6)):
        shown += page.entries
        if len(shown) == 6:
            await tell(house, None, [event(15, consultation={"kind": "new"})])
    assert shown == whole


async def test_who_it_is(service: Service, life: Rows) -> None:
    got = await service.stub.GetCustomerTimeline(pb.GetCustomerTimelineRequest(customer_id="c1", page_size=1))
    assert got.profile == profile_pb2.CustomerProfile(name="Ada", email="ada@example.org")
    other = await service.stub.GetCustomerTimeline(pb.GetCustomerTimelineRequest(customer_id="c2"))
    assert (other.profile, [e.title for e in other.entries]) == (profile_pb2.CustomerProfile(), ["Consultation: investment"])


async def test_nobody_knows_somebody_elses_customer(service: Service, life: Rows, database_url: str) -> None:
    other = Rows(database_url, "other")
    other.customer("theirs", None, None)
    other.contribution("f", NOW, customer_id="theirs")
    other.conn.close()
    for customer_id in ("theirs", "nobody"):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await timeline(service, customer_id)
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
        assert (reason(refused.value), named_fields(refused.value)) == ("CUSTOMER_NOT_FOUND", ["customer_id"])


async def test_tokens_are_of_a_customer(service: Service, life: Rows) -> None:
    first = await service.stub.GetCustomerTimeline(pb.GetCustomerTimelineRequest(customer_id="c1", page_size=1))
    for customer_id, token in (("c2", first.next_page_token), ("c1", "AAAA" + first.next_page_token[4:])):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await service.stub.GetCustomerTimeline(pb.GetCustomerTimelineRequest(customer_id=customer_id, page_token=token))
        assert reason(refused.value) == "INVALID_PAGE_TOKEN"


async def test_statements_are_few(service: Service, life: Rows) -> None:
    counts = set()
    for size in (1, 1000):
        with service.statements() as sent:
            await service.stub.GetCustomerTimeline(pb.GetCustomerTimelineRequest(customer_id="c1", page_size=size))
        counts.add(len(sent))
    assert counts == {4}


NOTHING = Happening(
    at=NOW, kind=8, fact_id="f", agent_id="", platform=0, outcome=None, quantity=None, measure=None, csat_x100=None, amount=None,
    currency=None, is_refund=False, told_amount=None, told_currency=None, about=None, segment=None,
)  # fmt: skip


@pytest.mark.parametrize(("told", "words"), [
    ({"kind": 1}, "Conversation"),
    ({"kind": 1, "platform": 4, "csat_x100": 500, "outcome": 3}, "Conversation on the web, rated 5, unanswered"),
    ({"kind": 1, "platform": 5, "outcome": 1, "amount": Decimal("19.9"), "currency": "EUR"},
     "Conversation on SMS, led to a purchase of 19.90 EUR"),
    ({"kind": 2, "outcome": 1}, "Charge settled"), ({"kind": 3}, "Appointment booked"),
    ({"kind": 4, "outcome": 1}, "Appointment kept"), ({"kind": 4, "outcome": 7}, "Appointment cancelled"),
    ({"kind": 5}, "Cart started"), ({"kind": 5, "outcome": 1}, "Cart started, checked out"),
    ({"kind": 7, "outcome": 1, "about": "call"}, "Follow-up done: call"),
    ({"measure": 22, "quantity": 2000}, "Widget shown 2,000 times"),
    ({"measure": 23, "quantity": 1}, "Widget opened"), ({"measure": 30, "platform": 9}, "Interaction on another channel"),
    ({"measure": 99, "quantity": 1}, "Event"), ({}, "Cost"),
    ({"kind": 0, "segment": 3}, "Became a high-value customer"),
    ({"kind": 0, "segment": 1, "about": "new"}, "Became a new customer: new"),
])  # fmt: skip
def test_words(told: dict[str, Any], words: str) -> None:
    assert title(replace(NOTHING, **told)) == words


@pytest.mark.parametrize(("amount", "currency", "words"), [
    ("1200", "JPY", "1,200 JPY"), ("1200", "INR", "1,200.00 INR"), ("1.125", "KWD", "1.125 KWD"), ("1E+3", "EUR", "1,000.00 EUR"),
    ("999999999999.999", "KWD", "999,999,999,999.999 KWD"), ("0.00012", "USD", "0.00012 USD"), ("2.50000", "USD", "2.50 USD"),
])  # fmt: skip
def test_money(amount: str, currency: str, words: str) -> None:
    assert told_money(Decimal(amount), currency) == words
