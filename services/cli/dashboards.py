"""`rapport dashboard` and `watch`: an agent at one sight, and followed."""

from __future__ import annotations

from typing import Annotated

import typer
from rapport.query.v1.query_service_pb2 import GetDashboardRequest, WatchAgentRequest
from rapport.query.v1.query_service_pb2_grpc import QueryServiceStub

from services.cli.asking import Days, End, Industries, Platforms, Start, ask, period
from services.cli.calling import Address, Addresses, connected, reach, run
from services.cli.layout import OUT, print_json
from services.cli.queries import After, Json
from services.cli.show_dashboard import show_dashboard, update_line
from services.cli.windows import Period

Agent = Annotated[str, typer.Argument(metavar="AGENT", help="The agent's id.")]


def dashboard(
    context: typer.Context,
    agent: Agent,
    *,
    days: Days = None,
    start: Start = None,
    end: End = None,
    platforms: Platforms = None,
    industries: Industries = None,
    after: After = "",
    json: Json = False,
) -> None:
    """An agent at one sight.

    Now, before, next to the peers, and what is still to be done.
    """
    addresses: Addresses = context.obj
    request = GetDashboardRequest(agent_id=agent, consistency_token=after, platforms=platforms or (), industries=industries or ())
    run(_dashboard(addresses.query, request, period(days, start, end), json))


def watch(
    context: typer.Context,
    agent: Agent,
    *,
    count: Annotated[int, typer.Option(min=0, metavar="COUNT", help="End after so many updates. 0: never.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print each update as JSON, in a line.")] = False,
) -> None:
    """Follow an agent.

    A line at once, on every change, and at least every 30 seconds.
    """
    addresses: Addresses = context.obj
    run(_watch(addresses.query, WatchAgentRequest(agent_id=agent), count, json))


async def _dashboard(address: Address, request: GetDashboardRequest, asked: Period, json: bool) -> int:
    async with connected(address) as channel:
        answer = await ask(QueryServiceStub(channel).GetDashboard, request, asked)
    print_json(answer) if json else show_dashboard(answer)
    return 0


async def _watch(address: Address, request: WatchAgentRequest, count: int, json: bool) -> int:
    seen = 0
    async with connected(address) as channel:
        await reach(channel, address)
        async for update in QueryServiceStub(channel).WatchAgent(request):
            print_json(update, indent=None) if json else OUT.print(update_line(update), soft_wrap=True)
            seen += 1
            if seen == count:
                break
    return 0
