"""`rapport seasonality`: in which quarters of the year customers come and buy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer
from rapport.insight.v1.vocabulary_pb2 import CustomerSegment
from rapport.metrics.v1.customer_pb2 import SeasonalPattern
from rapport.scoring.v1.scoring_service_pb2 import GetSeasonalityRequest, GetSeasonalityResponse
from rapport.scoring.v1.scoring_service_pb2_grpc import ScoringServiceStub
from rich.table import Table

from services.cli.calling import DEADLINE_S, Address, Addresses, connected, run
from services.cli.layout import NOTHING, OUT, bar, number, print_json, print_quality, table

_SEGMENTS = [word for word, value in CustomerSegment.Value.items() if value]
#: Below this, a pattern is beyond chance.
_BEYOND_CHANCE = 0.05


def _segment(word: str) -> str:
    if word not in _SEGMENTS:
        raise typer.BadParameter(f"{word!r} is none of {', '.join(_SEGMENTS)}")
    return word


def seasonality(
    context: typer.Context,
    *,
    customer: Annotated[str, typer.Option(metavar="CUSTOMER", help="Of this customer alone.")] = "",
    segment: Annotated[
        str | None, typer.Option(parser=_segment, metavar="|".join(_SEGMENTS), help="Of the customers who are in a segment now.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what the HTTP surface answers.")] = False,
) -> None:
    """In which quarters of the year customers come and buy.

    An index of 1 is an even year, 2 twice as much as that. Of all customers, of one, or of a segment.
    """
    if customer and segment:
        raise typer.BadParameter("name a customer or a segment, not both")
    request = GetSeasonalityRequest()
    if customer:
        request.customer_id = customer
    elif segment:
        request.segment = CustomerSegment.Value.Value(segment)
    addresses: Addresses = context.obj
    run(_seasonality(addresses.scoring, request, json))


async def _seasonality(address: Address, request: GetSeasonalityRequest, json: bool) -> int:
    async with connected(address) as channel:
        answer = await ScoringServiceStub(channel).GetSeasonality(request, timeout=DEADLINE_S)
    print_json(answer) if json else _show(answer)
    return 0


def _show(answer: GetSeasonalityResponse) -> None:
    OUT.print(f"The year of {number(answer.customers)} customer{'' if answer.customers == 1 else 's'}", style="bold")
    OUT.print(_table("When they come", "Days", answer, lambda q: q.engagement, lambda q: q.engagement_index))
    OUT.print(_table("When they buy", "Orders", answer, lambda q: q.purchases, lambda q: q.purchase_index))
    OUT.print(_verdict(answer))
    print_quality(answer.quality)


def _table(
    title: str,
    counted: str,
    answer: GetSeasonalityResponse,
    count: Callable[[SeasonalPattern], int],
    index: Callable[[SeasonalPattern], float],
) -> Table:
    """Return a row a quarter; bars are drawn against the highest index. One that nobody has lived through has no index."""
    made = table(title, "Quarter", counted, "Index", "", numeric=(counted, "Index"))
    lived = [index(quarter) for quarter in answer.quarters if quarter.exposure_days]
    highest = max(lived, default=0) or 1
    for quarter in answer.quarters:
        has_index = quarter.exposure_days > 0
        made.add_row(
            f"Q{quarter.quarter}",
            number(count(quarter)),
            number(index(quarter) if has_index else None, 2),
            bar(100 * index(quarter) / highest) if has_index else NOTHING,
        )
    return made


def _verdict(answer: GetSeasonalityResponse) -> str:
    if not answer.HasField("p_value"):
        return "Too little to tell a pattern from chance: it takes 12 days with an engagement, in more than one quarter."
    beyond = "more uneven than chance makes it" if answer.p_value < _BEYOND_CHANCE else "no more uneven than chance may make it"
    return f"When they come is {beyond} (p = {answer.p_value:.3f})."
