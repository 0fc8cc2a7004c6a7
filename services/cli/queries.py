"""`rapport performance`, `customer`, `system` and `compare`: what the query service answers."""

from __future__ import annotations

from typing import Annotated, Protocol, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import grpc
import typer
from rapport.metrics.v1.common_pb2 import Quality
from rapport.query.v1.query_service_pb2 import (
    CompareAgentsRequest,
    GetAgentPerformanceRequest,
    GetCustomerInsightRequest,
    GetSystemPerformanceRequest,
)
from rapport.query.v1.query_service_pb2_grpc import QueryServiceStub

from services.cli.calling import DEADLINE_S, Address, Addresses, CommandFailed, connected, run
from services.cli.layout import print_json
from services.cli.show_agents import show_comparison, show_performance
from services.cli.show_customer import show_customer
from services.cli.show_system import show_system
from services.cli.windows import Period


class _Qualified(Protocol):
    @property
    def quality(self) -> Quality: ...


_Request = TypeVar("_Request", GetAgentPerformanceRequest, GetSystemPerformanceRequest, CompareAgentsRequest)
_Answer = TypeVar("_Answer", bound=_Qualified)

Days = Annotated[
    int | None, typer.Option(min=1, max=3660, metavar="DAYS", help="The tenant's last DAYS days, today included. Default 30.")
]
Start = Annotated[str | None, typer.Option(metavar="TIME", help="First day or moment, such as 2025-07-01 or 2025-07-01T09:00Z.")]
End = Annotated[str | None, typer.Option(metavar="TIME", help="First day or moment after the period.")]
After = Annotated[str, typer.Option(metavar="TOKEN", help="Wait until the write that gave this consistency token is counted.")]
Json = Annotated[bool, typer.Option("--json", help="Print what the HTTP surface answers.")]


def performance(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="The agent's id.")],
    *,
    days: Days = None,
    start: Start = None,
    end: End = None,
    after: After = "",
    json: Json = False,
) -> None:
    """How an agent did.

    Its grade, how it came about, and how sure it is.
    """
    request = GetAgentPerformanceRequest(agent_id=agent, consistency_token=after)
    run(_performance(_query(context), request, _period(days, start, end), json))


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
    context: typer.Context, *, days: Days = None, start: Start = None, end: End = None, after: After = "", json: Json = False
) -> None:
    """How the whole system did.

    All in all, by platform, and which alerts are open.
    """
    run(_system(_query(context), GetSystemPerformanceRequest(consistency_token=after), _period(days, start, end), json))


def compare(
    context: typer.Context,
    agents: Annotated[
        list[str] | None, typer.Argument(metavar="[AGENT]...", help="Agents to compare. Default: all with a conversation.")
    ] = None,
    *,
    days: Days = None,
    start: Start = None,
    end: End = None,
    after: After = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, metavar="COUNT", help="How many agents to show, the best first.")] = 50,
    json: Json = False,
) -> None:
    """How agents did next to each other, the best first."""
    request = CompareAgentsRequest(agent_ids=agents or (), consistency_token=after, page_size=limit)
    run(_compare(_query(context), request, _period(days, start, end), json))


def _query(context: typer.Context) -> Address:
    addresses: Addresses = context.obj
    return addresses.query


def _period(days: int | None, start: str | None, end: str | None) -> Period:
    try:
        return Period(days, start, end)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


async def _customer(address: Address, request: GetCustomerInsightRequest, json: bool) -> int:
    async with connected(address) as channel:
        answer = await QueryServiceStub(channel).GetCustomerInsight(request, timeout=DEADLINE_S)
    print_json(answer) if json else show_customer(answer)
    return 0


async def _performance(address: Address, request: GetAgentPerformanceRequest, period: Period, json: bool) -> int:
    async with connected(address) as channel:
        answer = await _ask(QueryServiceStub(channel).GetAgentPerformance, request, period)
    print_json(answer) if json else show_performance(answer)
    return 0


async def _system(address: Address, request: GetSystemPerformanceRequest, period: Period, json: bool) -> int:
    async with connected(address) as channel:
        answer = await _ask(QueryServiceStub(channel).GetSystemPerformance, request, period)
    print_json(answer) if json else show_system(answer)
    return 0


async def _compare(address: Address, request: CompareAgentsRequest, period: Period, json: bool) -> int:
    async with connected(address) as channel:
        answer = await _ask(QueryServiceStub(channel).CompareAgents, request, period)
    print_json(answer) if json else show_comparison(answer)
    return 0


async def _ask(call: grpc.aio.UnaryUnaryMultiCallable[_Request, _Answer], request: _Request, period: Period) -> _Answer:
    """Ask for a period. Where its days are the tenant's, a first answer for the default window tells the time zone."""
    zone = default_end = None
    if period.needs_zone:
        window = (await call(request, timeout=DEADLINE_S)).quality.window
        zone = _zone(window.time_zone)
        default_end = window.end.ToDatetime(zone)
    start, end = period.bounds(zone, default_end)
    if start:
        request.start_time.FromDatetime(start)
    if end:
        request.end_time.FromDatetime(end)
    return await call(request, timeout=DEADLINE_S)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        raise CommandFailed(f"the tenant's time zone {name!r} is not known here") from None
