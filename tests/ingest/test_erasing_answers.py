"""What is answered of agents and of the whole tenant is the same before and after a customer is erased."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from rapport.alerting.v1 import alerting_service_pb2_grpc
from rapport.auth.v1 import scope_pb2
from rapport.ingest.v1 import ingest_service_pb2
from rapport.query.v1 import query_service_pb2 as pb
from rapport.query.v1 import query_service_pb2_grpc
from rapport.scoring.v1 import scoring_service_pb2_grpc

from services.query.paging import Pages
from services.query.servicer import QueryServicer
from services.query.settings import QuerySettings
from services.query.siblings import Siblings
from services.runtime import telemetry
from services.runtime.database import Database
from services.runtime.server import Registration, RunningServer, start
from services.scoring.settings import ScoringSettings
from services.storage.reading import ConsistencyTokens
from tests.fix_services import KEYS, House
from tests.ingest.test_erasing import erase, event, request, tell
from tests.query.siblings import Alerting, serve


async def begin(name: str, add: Any, servicer: Any, settings: Any) -> RunningServer:
    registration = Registration(name, add, servicer)
    observed = telemetry.setup("tests", settings)
    return await start(settings, [registration], scope_extension=scope_pb2.scope, telemetry=observed)


@pytest.fixture
async def query(house: House) -> AsyncIterator[query_service_pb2_grpc.QueryServiceStub]:
    """The query service over the house's database, before the house's own scoring."""
    database = Database(house.url, "rapport_query")
    alerting = await serve(alerting_service_pb2_grpc.add_AlertingServiceServicer_to_server, Alerting())
    add_scoring = scoring_service_pb2_grpc.add_ScoringServiceServicer_to_server
    settings = ScoringSettings(database_url=house.url, port=0)
    scoring = await begin("rapport.scoring.v1.ScoringService", add_scoring, house.scoring, settings)
    async with grpc.aio.insecure_channel(scoring.address) as to_scoring, grpc.aio.insecure_channel(alerting.address) as to_alerts:
        siblings = Siblings(to_scoring, to_alerts)
        tokens = ConsistencyTokens(KEYS)
        servicer = QueryServicer(database, siblings, tokens, Pages(list(KEYS)), house.clock, probe_s=0.05, heartbeat_s=60)
        add = query_service_pb2_grpc.add_QueryServiceServicer_to_server
        server = await begin("rapport.query.v1.QueryService", add, servicer, QuerySettings(database_url=house.url, port=0))
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield query_service_pb2_grpc.QueryServiceStub(channel)
        await server.stop()
    await scoring.stop()
    await alerting.stop()
    await database.close()


async def answers(query: Any) -> dict[str, Any]:
    """Return what is answered, but how fresh it is."""
    told = {
        "system": await query.GetSystemPerformance(pb.GetSystemPerformanceRequest()),
        "agent": await query.GetAgentPerformance(pb.GetAgentPerformanceRequest(agent_id="a-1")),
        "comparison": await query.CompareAgents(pb.CompareAgentsRequest()),
        "other": await query.GetCustomerInsight(pb.GetCustomerInsightRequest(customer_id="other")),
    }
    found = {name: MessageToDict(answer, preserving_proto_field_name=True) for name, answer in told.items()}
    for answer in found.values():
        answer["quality"].pop("watermark", None)
    return found


async def test_answers_stay(house: House, query: Any) -> None:
    """Also what it cost to win customers: who was erased had come, and what was spent on them was spent on nobody else."""
    await tell(house)
    shared = event("ads", 4, cost={"category": 4, "amount": {"currencyCode": "USD", "units": "90"}})
    await house.ingest.SyncEvents(request(ingest_service_pb2.SyncEventsRequest, events=[shared]), house.caller)
    await house.drain()
    before = await answers(query)
    assert before["system"]["overall_metrics"]["new_customers"] == 2
    assert before["other"]["business_metrics"]["customer_acquisition_cost"] == 45
    await erase(house)
    await house.drain()
    assert await answers(query) == before
    assert house.differences() == []
