"""`rapport metrics` and `rapport measures`: any measure by any dimension, and which there are."""

from __future__ import annotations

from typing import Annotated

import typer
from rapport.query.v1.metrics_pb2 import (
    Dimension,
    Granularity,
    ListMeasuresRequest,
    QueryMetricsRequest,
    QueryMetricsResponse,
)
from rapport.query.v1.query_service_pb2_grpc import QueryServiceStub

from services.cli.answering import After, Json, put
from services.cli.asking import Days, End, Start, period, place
from services.cli.calling import DEADLINE_S, Address, Addresses, connected, run
from services.cli.filtering import Where, filter_of, number_of, words
from services.cli.layout import print_json
from services.cli.show_metrics import show_measures, show_metrics
from services.cli.windows import Period

_DIMENSIONS, _GRANULARITIES = Dimension.DESCRIPTOR, Granularity.DESCRIPTOR


def metrics(
    context: typer.Context,
    measures: Annotated[list[str], typer.Argument(metavar="MEASURE...", help="Measures, as `rapport measures` lists them.")],
    *,
    by: Annotated[
        list[str] | None,
        typer.Option(metavar="DIMENSION", help=f"Split by it; up to three times. One of {', '.join(words(_DIMENSIONS))}."),
    ] = None,
    per: Annotated[str, typer.Option(metavar="PART", help=f"Series by {', '.join(words(_GRANULARITIES))}.")] = "",
    zone: Annotated[
        str, typer.Option(metavar="ZONE", help="Days of this IANA time zone, within the last 35 days. Default: the tenant's.")
    ] = "",
    days: Days = None,
    start: Start = None,
    end: End = None,
    compare: Annotated[bool, typer.Option("--compare", help="Beside the period of the same length before.")] = False,
    where: Where = None,
    order_by: Annotated[
        str, typer.Option(metavar="MEASURE", help="Groups with the largest values of it first. Default: the first measure.")
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, metavar="COUNT", help="How many groups to show.")] = 20,
    after: After = "",
    json: Json = False,
) -> None:
    """Any measures, split by any dimensions, over any period.

    For example: rapport metrics totalRevenue conversionRate --by agent --per week --compare
    """
    request = QueryMetricsRequest(
        measures=measures,
        dimensions=[number_of(_DIMENSIONS, word, "--by") for word in by or ()],  # type: ignore[misc]  # the contract's numbers
        granularity=number_of(_GRANULARITIES, per, "--per"),  # type: ignore[arg-type]  # the contract's number
        time_zone=zone,
        compare_with_previous=compare,
        filter=filter_of(where),
        limit=limit,
        order_by=order_by,
        consistency_token=after,
    )
    run(_metrics(_query(context), request, period(days, start, end), json))


def measures(context: typer.Context, *, json: Json = False) -> None:
    """Every measure that can be asked for."""
    put(context, "ListMeasures", ListMeasuresRequest(), show_measures, json=json)


def _query(context: typer.Context) -> Address:
    addresses: Addresses = context.obj
    return addresses.query


async def _metrics(address: Address, request: QueryMetricsRequest, asked: Period, json: bool) -> int:
    async with connected(address) as channel:
        stub = QueryServiceStub(channel)
        await place(request, asked, stub, request.time_zone)
        answer: QueryMetricsResponse = await stub.QueryMetrics(request, timeout=DEADLINE_S)
        if json:
            print_json(answer)
            return 0
        known = await stub.ListMeasures(ListMeasuresRequest(), timeout=DEADLINE_S)
    show_metrics(request, answer, {each.name: each for each in known.measures})
    return 0
