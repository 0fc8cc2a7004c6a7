"""`rapport performance`, `customer`, `system` and `compare`: what the query service answers."""

from __future__ import annotations

from typing import Annotated

import typer
from rapport.query.v1.query_service_pb2 import (
    CompareAgentsRequest,
    GetAgentPerformanceRequest,
    GetCustomerInsightRequest,
    GetSystemPerformanceRequest,
)

from services.cli.answering import After, Json, put
from services.cli.asking import Days, End, Industries, Platforms, Start, period
from services.cli.show_agents import show_comparison, show_performance
from services.cli.show_customer import show_customer
from services.cli.show_system import show_system


def performance(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="The agent's id.")],
    *,
    days: Days = None,
    start: Start = None,
    end: End = None,
    platforms: Platforms = None,
    industries: Industries = None,
    after: After = "",
    json: Json = False,
) -> None:
    """How an agent did.

    Its grade, how it came about, and how sure it is.
    """
    request = GetAgentPerformanceRequest(
        agent_id=agent, consistency_token=after, platforms=platforms or (), industries=industries or ()
    )
    put(context, "GetAgentPerformance", request, show_performance, json=json, asked=period(days, start, end))


def customer(
    context: typer.Context,
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's id.")],
    *,
    after: After = "",
    json: Json = False,
) -> None:
    """What is known and expected of a customer.

    Over the whole life: no window.
    """
    request = GetCustomerInsightRequest(customer_id=customer, consistency_token=after)
    put(context, "GetCustomerInsight", request, show_customer, json=json)


def system(
    context: typer.Context,
    *,
    days: Days = None,
    start: Start = None,
    end: End = None,
    platforms: Platforms = None,
    industries: Industries = None,
    after: After = "",
    json: Json = False,
) -> None:
    """How the whole system did.

    All in all, by platform, and which alerts are open.
    """
    request = GetSystemPerformanceRequest(consistency_token=after, platforms=platforms or (), industries=industries or ())
    put(context, "GetSystemPerformance", request, show_system, json=json, asked=period(days, start, end))


def compare(
    context: typer.Context,
    agents: Annotated[
        list[str] | None, typer.Argument(metavar="[AGENT]...", help="Agents to compare. Default: all with a conversation.")
    ] = None,
    *,
    days: Days = None,
    start: Start = None,
    end: End = None,
    platforms: Platforms = None,
    industries: Industries = None,
    after: After = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, metavar="COUNT", help="How many agents to show, the best first.")] = 50,
    json: Json = False,
) -> None:
    """How agents did next to each other, the best first."""
    request = CompareAgentsRequest(
        agent_ids=agents or (),
        consistency_token=after,
        page_size=limit,
        platforms=platforms or (),
        industries=industries or (),
    )
    put(context, "CompareAgents", request, show_comparison, json=json, asked=period(days, start, end))
