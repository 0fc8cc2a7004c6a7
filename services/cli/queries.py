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
from rapport.query.v1.query_service_pb2_grpc import QueryServiceStub

from services.cli.asking import Days, End, Industries, Platforms, Start, ask, period
from services.cli.calling import DEADLINE_S, Address, Addresses, connected, run
from services.cli.layout import print_json
from services.cli.show_agents import show_comparison, show_performance
from services.cli.show_customer import show_customer
from services.cli.show_system import show_system
from services.cli.windows import Period

After = Annotated[str, typer.Option(metavar="TOKEN", help="Wait until the write that gave this consistency token is counted.")]
Json = Annotated[bool, typer.Option("--json", help="Print what the HTTP surface answers.")]


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
    run(_performance(_query(context), request, period(days, start, end), json))


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
    run(_customer(_query(context), GetCustomerInsightRequest(customer_id=customer, consistency_token=after), json))


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
    run(_system(_query(context), request, period(days, start, end), json))


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
    run(_compare(_query(context), request, period(days, start, end), json))


def _query(context: typer.Context) -> Address:
    addresses: Addresses = context.obj
    return addresses.query


async def _customer(address: Address, request: GetCustomerInsightRequest, json: bool) -> int:
    async with connected(address) as channel:
        answer = await QueryServiceStub(channel).GetCustomerInsight(request, timeout=DEADLINE_S)
    print_json(answer) if json else show_customer(answer)
    return 0


async def _performance(address: Address, request: GetAgentPerformanceRequest, asked: Period, json: bool) -> int:
    async with connected(address) as channel:
        answer = await ask(QueryServiceStub(channel).GetAgentPerformance, request, asked)
    print_json(answer) if json else show_performance(answer)
    return 0


async def _system(address: Address, request: GetSystemPerformanceRequest, asked: Period, json: bool) -> int:
    async with connected(address) as channel:
        answer = await ask(QueryServiceStub(channel).GetSystemPerformance, request, asked)
    print_json(answer) if json else show_system(answer)
    return 0


async def _compare(address: Address, request: CompareAgentsRequest, asked: Period, json: bool) -> int:
    async with connected(address) as channel:
        answer = await ask(QueryServiceStub(channel).CompareAgents, request, asked)
    print_json(answer) if json else show_comparison(answer)
    return 0
