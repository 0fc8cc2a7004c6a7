"""`rapport dashboard` and `watch`: an agent at one sight, and followed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import grpc
import typer
from rapport.metrics.v1.agent_pb2 import UPDATE_CAUSE_SUBSCRIBED, AgentUpdate
from rapport.query.v1.query_service_pb2 import GetDashboardRequest, WatchAgentRequest
from rapport.query.v1.query_service_pb2_grpc import QueryServiceStub

from rapport_client import Failure, RapportError, of_error
from rapport_client.retrying import Kind, next_delay_s
from rapport_client.watching import BACKOFF, SILENCE_S
from services.cli.answering import After, Json, put
from services.cli.asking import Days, End, Industries, Platforms, Start, period
from services.cli.calling import Address, Addresses, connected, reach, run
from services.cli.layout import ERR, OUT, print_json
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

    A line at once, on every change, and at least every 30 seconds. A stream that is cut off is asked for again.
    """
    addresses: Addresses = context.obj
    run(_watch(addresses.query, WatchAgentRequest(agent_id=agent), count, json))


async def _watch(address: Address, request: WatchAgentRequest, count: int, json: bool) -> int:
    seen = 0
    async with connected(address) as channel:
        await reach(channel, address)
        async with aclosing(_follow(QueryServiceStub(channel), request)) as updates:
            async for update in updates:
                print_json(update, indent=None) if json else OUT.print(update_line(update), soft_wrap=True)
                seen += 1
                if seen == count:
                    break
    return 0


async def _follow(stub: QueryServiceStub, request: WatchAgentRequest) -> AsyncGenerator[AgentUpdate, None]:
    """Yield updates without end, from as many streams as it takes.

    Raises RapportError when there is no stream to be had at all, or not any more.
    """
    attempt, left_s = 0, 0.0
    while True:
        ended: Exception | None = None
        try:
            async with aclosing(_updates(stub, request)) as updates:
                async for update in updates:
                    # One that is begun and then cut, again and again, is no stream.
                    attempt, left_s = attempt if update.cause == UPDATE_CAUSE_SUBSCRIBED else 0, float("inf")
                    yield update
        except (TimeoutError, grpc.aio.AioRpcError) as error:
            ended = error
        failure = _told(ended)
        attempt += 1
        chance = random.random()  # noqa: S311  # when to come back is no secret
        delay = next_delay_s(failure, Kind.WATCH, attempt=attempt, left_s=left_s, backoff=BACKOFF, chance=chance)
        if delay is None:
            raise RapportError(failure) from ended
        ERR.print(f"cut off ({failure.sentence()}); asks again in {delay:.1f} s", style="yellow", soft_wrap=True)
        await asyncio.sleep(delay)


async def _updates(stub: QueryServiceStub, request: WatchAgentRequest) -> AsyncGenerator[AgentUpdate, None]:
    """Yield one stream's updates. Raises TimeoutError when it falls silent."""
    call = stub.WatchAgent(request)
    try:
        while True:
            async with asyncio.timeout(SILENCE_S):
                update = await call.read()
            if not isinstance(update, AgentUpdate):
                return  # grpc.aio.EOF
            yield update
    finally:
        call.cancel()


def _told(ended: Exception | None) -> Failure:
    """Return why a stream ended."""
    if isinstance(ended, grpc.aio.AioRpcError):
        return of_error(ended)
    why = "the server closed the stream" if ended is None else f"nothing was heard for {SILENCE_S:.0f} s"
    return Failure("UNAVAILABLE", "", why)
