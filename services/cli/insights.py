"""`rapport insights`: what changed beyond chance, what explains it, and what to do about it."""

from __future__ import annotations

from typing import Annotated

import typer
from rapport.query.v1.insight_pb2 import ListInsightsRequest

from services.cli.answering import After, Json, put
from services.cli.asking import Days, End, Start, period
from services.cli.filtering import Where, filter_of
from services.cli.show_insights import show_insights


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
    after: After = "",
    json: Json = False,
) -> None:
    """What changed against the period before, beyond chance.

    Each change with what explains it, and what to do about one for the worse.
    """
    request = ListInsightsRequest(measures=measures or (), filter=filter_of(where), limit=limit, consistency_token=after)
    put(context, "ListInsights", request, show_insights, json=json, asked=period(days, start, end))
