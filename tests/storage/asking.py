"""Every question of the query service, in the ways that send other statements."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from rapport.query.v1 import drill_down_pb2, filter_pb2, metrics_pb2, vocabulary_pb2

from services.query.measures import MEASURES, Shape
from tests.storage.suite import Suite

#: Filters of which each asks more of the facts than the one before.
FILTERS = (
    {},
    {"agent_ids": ["agent-0"], "platforms": [1, 4]},
    {"intents": ["book", ""], "tags": ["x"], "emotions": [""], "sentiments": [0, 1], "stages": [0, 2], "resolutions": [0, 1]},
    {"industries": [""], "segments": [0, 4], "sources": [0, 2], "conversion_types": [0], "escalation_reasons": [""]},
    {"outcomes": [0, 1], "customer_ids": ["customer-1", "customer-2"]},
)


def quarters(now: datetime) -> dict[str, Timestamp]:
    """Return a window of quarters of an hour."""
    end = now.replace(minute=0, second=0, microsecond=0)
    found = {"start_time": Timestamp(), "end_time": Timestamp()}
    found["start_time"].FromDatetime(end - timedelta(hours=30))
    found["end_time"].FromDatetime(end)
    return found


async def ask_everything(suite: Suite) -> None:
    """Ask every question."""
    recent = quarters(suite.house.clock.now)
    await answers(suite, recent)
    await metrics(suite, recent)
    await rows(suite, recent)
    await reports(suite, recent)
    await exports(suite)


async def answers(suite: Suite, recent: dict[str, Timestamp]) -> None:
    for narrowed in ({}, {"platforms": [1]}, {"industries": ["retail", ""]}, {"platforms": [1], "industries": ["retail"]}):
        for window in ({}, recent):
            for agent in ("agent-0", "agent-1"):
                await suite.call("query.GetAgentPerformance", agent_id=agent, **narrowed, **window)
                await suite.call("query.GetDashboard", agent_id=agent, **narrowed, **window)
            await suite.call("query.GetSystemPerformance", **narrowed, **window)
            await suite.call("query.CompareAgents", page_size=1, **narrowed, **window)
            await suite.call("query.CompareAgents", agent_ids=["agent-0", "agent-1"], **narrowed, **window)
            await suite.call("scoring.GradeAgents", page_size=1, **narrowed, **window)
            await suite.call("scoring.ListEarners", **narrowed, **window)
    await suite.call("query.GetCustomerInsight", customer_id="customer-0")
    await suite.call("query.WatchAgent", agent_id="agent-0")


async def metrics(suite: Suite, recent: dict[str, Timestamp]) -> None:
    await suite.call("query.ListMeasures")
    names = [name for name, measure in MEASURES.items() if measure.shape is not Shape.COST]
    asked = [names[n : n + 20] for n in range(0, len(names), 20)]
    dimensions = [[], *([d] for d in metrics_pb2.Dimension.values() if d), [1, 2], [2, 4, 7]]
    for n, split in enumerate(dimensions):
        for measures in asked:
            more: dict[str, Any] = {"filter": filter_pb2.FactFilter(**FILTERS[n % len(FILTERS)])}
            await suite.call("query.QueryMetrics", measures=measures, dimensions=split, granularity=n % 6, **recent, **more)
            if n % 6 not in {1, 2}:
                await suite.call("query.QueryMetrics", measures=measures, dimensions=split, granularity=n % 6)
    await suite.call("query.QueryMetrics", measures=["totalCost", "totalRevenue"], compare_with_previous=True)
    await suite.call("query.QueryMetrics", measures=["totalCost"], dimensions=[metrics_pb2.DIMENSION_AGENT])
    await suite.call("query.QueryMetrics", measures=["orders"], time_zone="Australia/Lord_Howe", granularity=3, **recent)


async def rows(suite: Suite, recent: dict[str, Timestamp]) -> None:
    for narrowed in FILTERS:
        only = filter_pb2.FactFilter(**narrowed)
        page = await suite.call("query.ListFacts", measure="misses", filter=only, page_size=1)
        if page.next_page_token:
            token = page.next_page_token
            await suite.call("query.ListFacts", measure="misses", filter=only, page_size=1, page_token=token)
        await suite.call("query.ListFacts", measure="widgetImpressions", filter=only, **recent)
        await suite.call("query.GetStageFunnel", filter=only)
    page = await suite.call("query.ListConversations", page_size=1, satisfaction_at_most=5, escalated=False)
    await suite.call("query.ListConversations", page_size=1)
    for found in page.conversations:
        await suite.call("query.GetConversation", conversation_id=found.conversation_id)
    for order in drill_down_pb2.CustomerOrder.values():
        page = await suite.call("query.ListCustomers", order=order, page_size=1, agent_ids=["agent-0"])
        page = await suite.call("query.ListCustomers", order=order, page_size=1, segments=[0, 1, 4, 5])
        if page.next_page_token:
            token = page.next_page_token
            await suite.call("query.ListCustomers", order=order, page_size=1, segments=[0, 1, 4, 5], page_token=token)
    await suite.call("query.GetCustomerTimeline", customer_id="customer-1", page_size=2)
    await suite.call("query.ListAgents", page_size=1, states=[0, 1])
    await suite.call("query.ListFollowUps", page_size=1)
    await suite.call("query.ListFollowUps", states=[1, 2, 3, 4], agent_ids=["agent-0"], assignee="nobody")


async def reports(suite: Suite, recent: dict[str, Timestamp]) -> None:
    for trade in (1, 2, 3):
        await suite.call("query.GetIndustryReport", industry=trade)
        await suite.call("query.GetIndustryReport", industry=trade, all_industries=True, **recent)
    await suite.call("query.GetSourceReport")
    await suite.call("query.GetSourceReport", agent_ids=["agent-0"], **recent)
    await suite.call("query.ListInsights")
    await suite.call("query.ListInsights", filter=filter_pb2.FactFilter(platforms=[1]), **recent)


async def exports(suite: Suite) -> None:
    for dataset in vocabulary_pb2.ExportDataset.Value.values():
        if dataset:
            token = ""
            async for piece in suite.stream("query.Export", dataset=dataset):
                token = piece.token
            async for _ in suite.stream("query.Export", dataset=dataset, token=token):
                pass
    async for _ in suite.stream("query.Download", dataset=vocabulary_pb2.ExportDataset.costs):
        pass
