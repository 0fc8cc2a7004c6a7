"""`rapport industry` and `rapport sources`: the report of a trade, and what each source adds."""

from __future__ import annotations

from typing import Annotated

import typer
from rapport.query.v1.query_service_pb2_grpc import QueryServiceStub
from rapport.query.v1.report_pb2 import GetIndustryReportRequest, GetSourceReportRequest
from rapport.query.v1.vocabulary_pb2 import Trade

from services.cli.asking import Days, End, Start, ask, period
from services.cli.calling import Address, Addresses, connected, run
from services.cli.filtering import number_of, words
from services.cli.layout import print_json
from services.cli.show_reports import show_industry, show_sources
from services.cli.windows import Period

_TRADES = Trade.Value.DESCRIPTOR
After = Annotated[str, typer.Option(metavar="TOKEN", help="Wait until the write that gave this consistency token is counted.")]
Json = Annotated[bool, typer.Option("--json", help="Print what the HTTP surface answers.")]


def industry(
    context: typer.Context,
    trade: Annotated[str, typer.Argument(metavar="|".join(words(_TRADES)), help="The trade.")],
    *,
    named: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help="A word by which conversations and agents name the trade. Default: the trade's own."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Take facts of every trade.")] = False,
    days: Days = None,
    start: Start = None,
    end: End = None,
    after: After = "",
    json: Json = False,
) -> None:
    """A trade's figures next to the period before: healthcare, retail or finance."""
    request = GetIndustryReportRequest(
        industry=number_of(_TRADES, trade, "TRADE"),  # type: ignore[arg-type]  # the contract's number
        industry_words=dict.fromkeys(named or ()),
        all_industries=everything,
        consistency_token=after,
    )
    run(_industry(_query(context), request, period(days, start, end), json))


def sources(
    context: typer.Context,
    agents: Annotated[list[str] | None, typer.Argument(metavar="[AGENT]...", help="Agents' ids. Default: all.")] = None,
    *,
    days: Days = None,
    start: Start = None,
    end: End = None,
    after: After = "",
    json: Json = False,
) -> None:
    """What each of the seven sources adds, next to the period before."""
    request = GetSourceReportRequest(agent_ids=agents or (), consistency_token=after)
    run(_sources(_query(context), request, period(days, start, end), json))


def _query(context: typer.Context) -> Address:
    addresses: Addresses = context.obj
    return addresses.query


async def _industry(address: Address, request: GetIndustryReportRequest, asked: Period, json: bool) -> int:
    async with connected(address) as channel:
        answer = await ask(QueryServiceStub(channel).GetIndustryReport, request, asked)
    print_json(answer) if json else show_industry(answer)
    return 0


async def _sources(address: Address, request: GetSourceReportRequest, asked: Period, json: bool) -> int:
    async with connected(address) as channel:
        answer = await ask(QueryServiceStub(channel).GetSourceReport, request, asked)
    print_json(answer) if json else show_sources(answer)
    return 0
