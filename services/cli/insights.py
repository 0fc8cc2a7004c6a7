"""`rapport insights`: what changed beyond chance, what explains it, and what to do about it."""

from __future__ import annotations

from typing import Annotated

import typer
from rapport.query.v1.insight_pb2 import ListInsightsRequest
from rapport.query.v1.query_service_pb2_grpc import QueryServiceStub

from services.cli.asking import Days, End, Start, ask, period
from services.cli.calling import Address, Addresses, connected, run
from services.cli.filtering import Where, filter_of
from services.cli.layout import print_json
from services.cli.show_insights import show_insights
from services.cli.windows import Period


def insights(
    context: typer.Context,
    measures: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MEASURE]...", help="Measures to look at. Default: all of which one direction is better."),
    ] = None,
    *,
    days: Days = None,
    start: Start = None,
    end: End = None,
    where: Where = None,
    limit: Annotated[int, typer.Option(min=1, max=50, metavar="COUNT", help="How many to show, the largest first.")] = 10,
    after: Annotated[
        str, typer.Option(metavar="TOKEN", help="Wait until the write that gave this consistency token is counted.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print what the HTTP surface answers.")] = False,
) -> None:
    """What changed against the period before, beyond chance.

    Each change with what explains it, and what to do about one for the worse.
    """
    request = ListInsightsRequest(measures=measures or (), filter=filter_of(where), limit=limit, consistency_token=after)
    addresses: Addresses = context.obj
    run(_insights(addresses.query, request, period(days, start, end), json))


async def _insights(address: Address, request: ListInsightsRequest, asked: Period, json: bool) -> int:
    async with connected(address) as channel:
        answer = await ask(QueryServiceStub(channel).ListInsights, request, asked)
    print_json(answer) if json else show_insights(answer)
    return 0
