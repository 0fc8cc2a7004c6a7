"""What all lists of what lies behind numbers promise, while facts come in, go and wait to be counted."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from rapport.ingest.v1 import ingest_service_pb2
from rapport.insight.v1.conversation_pb2 import ConversationInsight
from rapport.query.v1 import drill_down_pb2 as pb
from rapport.query.v1 import filter_pb2

from services.ingest.retention import Retention
from services.query import cursors
from services.query.drill_down import Page
from services.query.paging import Pages
from services.runtime.tenancy import set_tenant
from tests.facts import Facts
from tests.fix_services import House
from tests.query.asking import reason, stamp
from tests.query.conftest import Service
from tests.query.drilling import NOW, pages, tell
from tests.query.rows import NOW as ROWS_NOW
from tests.query.rows import Rows, ago
from tests.scoring.test_rollups import record

ALL = {"start_time": stamp(NOW.replace(month=10, day=1, hour=0)), "end_time": stamp(NOW.replace(month=12, day=1, hour=0))}


@pytest.fixture
def rows(database_url: str) -> Any:
    written = Rows(database_url)
    yield written
    written.conn.close()


async def number(service: Service, measure: str, **which: Any) -> tuple[int, int, int]:
    """Return what the rows come to, the part of erased ones, and the total."""
    quantities = 0
    request = pb.ListFactsRequest(measure=measure, filter=filter_pb2.FactFilter(**which), page_size=1000, **ALL)
    async for page in pages(service.stub.ListFacts, request):
        quantities += sum(fact.quantity for fact in page.facts)
    return quantities, page.erased, page.total


async def test_what_retention_deleted_is_in_the_total_still(house: House, service: Service) -> None:
    service.now = NOW
    settings = ingest_service_pb2.TenantSettings(retention_days=20)
    await house.ingest.UpdateTenantSettings(ingest_service_pb2.UpdateTenantSettingsRequest(settings=settings), house.caller)
    await record(house, Facts(1), random.Random(1), rounds=14)
    await house.drain()
    before = {m: await number(service, m) for m in ("totalConversations", "misses", "orders", "interactions")}
    assert all((listed, erased) == (total, 0) for listed, erased, total in before.values())

    await Retention(house.ingest_database, house.clock).go_round()
    await house.sweeper.go_round()

    after = {m: await number(service, m) for m in before}
    assert all(after[m][2] == before[m][2] for m in before)
    assert all(listed < total for listed, _, total in after.values())
    # By what rollups are not kept by, only facts can tell: none are left to tell of all days.
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await number(service, "totalConversations", stages=[5])
    assert reason(refused.value) == "UNSUPPORTED_WINDOW"


async def test_pages_of_facts_neither_repeat_nor_skip_while_facts_come_in(house: House, service: Service) -> None:
    def talk(conversation_id: str, day: int) -> ConversationInsight:
        told = {"conversationId": conversation_id, "agentId": "a", "customerId": "c", "platform": "web"}
        return ParseDict(told | {"startTime": f"2026-11-{day:02}T09:00:00Z"}, ConversationInsight())

    service.now = NOW
    await tell(house, [talk(f"{day:02}-{n}", day) for day in (3, 13) for n in range(5)])
    shown: list[str] = []
    async for page in pages(service.stub.ListFacts, pb.ListFactsRequest(measure="totalConversations", page_size=3)):
        shown += [fact.fact_id for fact in page.facts]
        if len(shown) == 3:
            await tell(house, [talk("newest", 14), talk("13-5", 13), talk("oldest", 2)])
            # The window is the first page's, though the day is another.
            service.now = NOW.replace(day=21)
        assert page.quality.window.end == stamp(NOW.replace(day=21, hour=0))
    assert shown == [*(f"13-{n}" for n in (4, 3, 2, 1, 0)), *(f"03-{n}" for n in (4, 3, 2, 1, 0)), "oldest"]


async def test_pages_go_on_when_the_window_has_grown_too_old_to_be_asked_for(service: Service, rows: Rows) -> None:
    """A window of quarters of an hour begins within the last 35 days; ten minutes later it would be refused."""
    rows.settings()
    start, end = ago(days=34, hours=23, minutes=52), ago(days=30, minutes=7)
    for number in range(4):
        rows.contribution(f"t{number}", start + (number + 1) * (end - start) / 5)
        rows.conversation(f"t{number}", start + (number + 1) * (end - start) / 5)
    window = {"start_time": stamp(start), "end_time": stamp(end), "page_size": 2}
    for call, request in (
        (service.stub.ListFacts, pb.ListFactsRequest(measure="totalConversations", **window)),
        (service.stub.ListConversations, pb.ListConversationsRequest(**window)),
    ):
        service.now = ROWS_NOW
        shown = []
        async for page in pages(call, request):
            shown.append(page.quality.window)
            service.now = ROWS_NOW + timedelta(minutes=10)
        assert len(shown) == 2
        assert (shown[0].start, shown[0].end) == (shown[1].start, shown[1].end) == (stamp(start), stamp(end))
        request.page_token = ""
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(request)
        assert reason(refused.value) == "UNSUPPORTED_WINDOW"


async def test_nobody_sees_another_tenants_facts(service: Service, rows: Rows, database_url: str) -> None:
    other = Rows(database_url, "other")
    for table in (rows, other):
        table.contribution("f", ago(days=1))
    other.contribution("g", ago(days=1))
    other.conn.close()
    got = await service.stub.ListFacts(
        pb.ListFactsRequest(measure="totalConversations", filter=filter_pb2.FactFilter(sources=[0]), page_size=1)
    )
    assert ([fact.fact_id for fact in got.facts], got.total, got.next_page_token) == (["f"], 1, "")


@pytest.mark.parametrize(("call", "request_"), [
    ("ListFacts", pb.ListFactsRequest(measure="orders")), ("ListConversations", pb.ListConversationsRequest()),
    ("GetConversation", pb.GetConversationRequest(conversation_id="v")), ("ListCustomers", pb.ListCustomersRequest()),
    ("GetCustomerTimeline", pb.GetCustomerTimelineRequest(customer_id="c1")), ("ListAgents", pb.ListAgentsRequest()),
    ("ListFollowUps", pb.ListFollowUpsRequest()), ("GetStageFunnel", pb.GetStageFunnelRequest()),
])  # fmt: skip
async def test_every_call_waits_for_the_write_it_is_told_of(service: Service, rows: Rows, call: str, request_: Any) -> None:
    rows.conversation("v", ago(days=1))
    rows.customer("c1", None, None)
    rows.insert("ingest.change", kind=1, entity_id="v")
    change = rows.conn.execute("SELECT max(change_id) FROM ingest.change").fetchall()[0][0]
    set_tenant("default")
    asked = type(request_)()
    asked.CopyFrom(request_)
    asked.consistency_token = service.tokens.issue(change, change)

    with pytest.raises(grpc.aio.AioRpcError) as late:
        await getattr(service.stub, call)(asked, timeout=0.3)
    assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    # It is the token that makes it wait.
    await getattr(service.stub, call)(request_, timeout=20)
    rows.conn.execute("DELETE FROM ingest.change")
    await getattr(service.stub, call)(asked, timeout=20)


@pytest.mark.parametrize(("call", "request_"), [
    ("ListFacts", pb.ListFactsRequest()), ("ListFacts", pb.ListFactsRequest(measure="orders", page_size=1001)),
    ("ListConversations", pb.ListConversationsRequest(satisfaction_at_most=0.5)),
    ("GetConversation", pb.GetConversationRequest()), ("ListCustomers", pb.ListCustomersRequest(churn_risk_at_least=1.5)),
    ("ListFollowUps", pb.ListFollowUpsRequest(states=[0])),  # type: ignore[list-item]  # its number
])  # fmt: skip
async def test_what_the_contract_forbids_is_refused(service: Service, call: str, request_: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await getattr(service.stub, call)(request_)
    assert reason(refused.value) == "INVALID_FIELDS"


def test_a_token_is_good_for_one_tenant_and_one_question() -> None:
    signer = Pages([b"key"]).signer
    request = pb.ListCustomersRequest(page_size=3)
    key = (NOW, None, 0.1 + 0.2, NOW.date(), "c", 3)
    set_tenant("one")
    request.page_token = cursors.token(signer, request, key, (7, 8))
    assert cursors.read(signer, request) == cursors.Cursor(key, (7, 8), None)
    request.page_size, request.consistency_token = 5, "t"
    assert cursors.read(signer, request) == cursors.Cursor(key, (7, 8), None)
    foreign = [
        pb.ListAgentsRequest(page_token=request.page_token),
        pb.ListCustomersRequest(page_token=request.page_token, order=1),
    ]
    for other in foreign:
        with pytest.raises(Exception, match="page token"):
            cursors.read(signer, other)
    set_tenant("two")
    with pytest.raises(Exception, match="page token"):
        cursors.read(signer, request)


@pytest.mark.parametrize(
    ("rows_", "shown", "last"), [([], [], None), ([1], [1], None), ([1, 2], [1, 2], None), ([1, 2, 3], [1, 2], 2)]
)
def test_a_page_is_cut_off_where_another_begins(rows_: list[int], shown: list[int], last: int | None) -> None:
    page = Page(None, 2)
    assert page.limit == 3
    assert page.cut(rows_) == (shown, last)
