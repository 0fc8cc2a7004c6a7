"""How long it takes from a recorded fact to the alert that a subscriber receives, through ingest, scoring and alerting."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import grpc
from rapport.alerting.v1 import alert_pb2, alerting_service_pb2_grpc
from rapport.alerting.v1 import alerting_service_pb2 as pb
from rapport.ingest.v1 import ingest_service_pb2, ingest_service_pb2_grpc
from rapport.insight.v1 import conversation_pb2

from services.stack.settings import free_ports
from tests.benchmarks.ingest import service, until_ready

FACTS = 40
_SERVICES = ("ingest", "scoring", "alerting")
_PATIENCE_S = 20
#: The rule that a bad rating breaks.
_RULE = "customer-satisfaction"


async def measure(url: str) -> dict[str, float]:
    """Return the milliseconds from a rating's commit, as its answer tells it, to the receipt of its alert."""
    ports, chance = free_ports(), random.Random(1)
    channels: list[grpc.aio.Channel] = []
    async with AsyncExitStack() as stack:
        for name in _SERVICES:
            # One after the other: a busy machine takes long to begin three at once.
            told = {"RAPPORT_DATABASE_URL": url, "RAPPORT_PORT": str(ports[name]), "RAPPORT_LOG_LEVEL": "WARNING"}
            stack.enter_context(service(f"services.{name}", **told))
            channels.append(await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{ports[name]}")))
            await until_ready(channels[-1])
        ingest = ingest_service_pb2_grpc.IngestServiceStub(channels[0])
        watched = pb.WatchAlertsRequest(now=True, filter=alert_pb2.AlertFilter(rule_ids=[_RULE]))
        alerts = alerting_service_pb2_grpc.AlertingServiceStub(channels[-1]).WatchAlerts(watched)
        await alerts.read()
        took = []
        for n in range(FACTS + 1):
            # At no fixed distance, so that what looks at fixed distances is met at all of its moments.
            await asyncio.sleep(chance.uniform(0.2, 0.5))
            took.append(await _take(ingest, alerts, f"customer-{n}"))
    # The first makes rules and statements.
    return {"fact_to_alert_p50_ms": statistics.median(took[1:]), "fact_to_alert_max_ms": max(took[1:])}


async def _take(ingest: Any, alerts: Any, customer: str) -> float:
    await ingest.RecordConversation(ingest_service_pb2.RecordConversationRequest(conversation=_rated(customer)))
    recorded = time.monotonic()
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            message = await alerts.read()
            if any(each.alert.customer_id == customer for each in message.events.events):
                return 1000 * (time.monotonic() - recorded)


def _rated(customer: str) -> conversation_pb2.ConversationInsight:
    """Return a conversation that its customer was not content with."""
    message = conversation_pb2.ConversationInsight(
        conversation_id=f"conversation of {customer}",
        agent_id="agent",
        customer_id=customer,
        platform=1,  # type: ignore[arg-type]  # the contract's number
        message_count=2,
        customer_messages=1,
        agent_responses=1,
        customer_satisfaction_score=1,
        revision=1,
    )
    message.start_time.FromDatetime(datetime.now(UTC))
    message.end_time.CopyFrom(message.start_time)
    return message
