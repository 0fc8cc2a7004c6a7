"""`rapport industry` and `rapport sources`: the report of a trade, and what each source adds."""

from __future__ import annotations

from typing import Annotated

import typer
from rapport.query.v1.report_pb2 import GetIndustryReportRequest, GetSourceReportRequest
from rapport.query.v1.vocabulary_pb2 import Trade

from services.cli.answering import After, Json, put
from services.cli.asking import Days, End, Start, period
from services.cli.filtering import number_of, words
from services.cli.show_reports import show_industry, show_sources

_TRADES = Trade.Value.DESCRIPTOR


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
    put(context, "GetIndustryReport", request, show_industry, json=json, asked=period(days, start, end))


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
    put(context, "GetSourceReport", request, show_sources, json=json, asked=period(days, start, end))
