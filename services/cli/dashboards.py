"""`rapport dashboard` and `watch`: an agent at one sight, and followed."""

from __future__ import annotations

from typing import Annotated

import typer
from rapport.query.v1.query_service_pb2 import GetDashboardRequest, WatchAgentRequest
from rapport.query.v1.query_service_pb2_grpc import QueryServiceStub

from services.cli.answering import After, Json, put
from services.cli.asking import Days, End, Industries, Platforms, Start, period
from services.cli.calling import Address, Addresses, connected, reach, run
from services.cli.layout import OUT, print_json
from services.cli.show_dashboard import show_dashboard, update_line

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
    request = GetDashboardRequest(agent_id=agent, consistency_token=after, platforms=platforms or (), industries=industries or ())
    put(context, "GetDashboard", request, show_dashboard, json=json, asked=period(days, start, end))


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
