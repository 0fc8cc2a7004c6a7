"""`rapport alerts backtest`: which alerts a rule would have made of what is stored."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rapport.alerting.v1.alerting_service_pb2_grpc import AlertingServiceStub
from rapport.alerting.v1.rule_pb2 import BacktestRuleRequest, BacktestRuleResponse
from rapport.query.v1.query_service_pb2_grpc import QueryServiceStub
from rich.progress import TimeElapsedColumn

from services.cli.alert_backtest_tables import show_backtest
from services.cli.alert_calls import Json, read_json
from services.cli.alert_rule_putting import rule_request
from services.cli.alert_rules import newest
from services.cli.alert_text import cleaned
from services.cli.asking import End, Start, period, place
from services.cli.bar import Bar
from services.cli.calling import Addresses, connected, reach, run
from services.cli.layout import ERR, print_json
from services.cli.windows import Period

#: Seconds that a backtest may take: it looks at months of every subject.
_DEADLINE_S = 600.0
_LOOK_S = 1.0


def backtest(
    context: typer.Context,
    rule: Annotated[
        str,
        typer.Argument(
            metavar="FILE|RULE", help="A file with a rule, as `rules put` takes it, - for one piped in, or a rule's id."
        ),
    ],
    *,
    of: Annotated[str, typer.Option(metavar="SUBJECT", help="Draw the values of this subject, such as an agent's id.")] = "",
    days: Annotated[int | None, typer.Option(min=1, max=366, metavar="DAYS", help="The tenant's last DAYS days.")] = None,
    start: Start = None,
    end: End = None,
    limit: Annotated[int, typer.Option(min=0, max=1000, metavar="COUNT", help="How many alerts to show.")] = 20,
    json: Json = False,
) -> None:
    """Tell which alerts a rule would have made, by default of the last 28 days. Nothing is put, and nobody is told."""
    told = rule_request(read_json(rule), rule).rule if _is_file(rule) else None
    request = BacktestRuleRequest(rule=told, series_of=of)
    run(_backtest(context.obj, rule, request, period(days, start, end), None if json else limit))


def _is_file(rule: str) -> bool:
    return rule == "-" or rule.endswith(".json") or "/" in rule or Path(rule).is_file()


async def _backtest(addresses: Addresses, rule: str, request: BacktestRuleRequest, asked: Period, limit: int | None) -> int:
    """Ask, for the rule of an id where the request has none, and show at most `limit` alerts, or without one print JSON."""
    async with connected(addresses.query) as channel:
        await place(request, asked, QueryServiceStub(channel))
    async with connected(addresses.alerting) as channel:
        await reach(channel, addresses.alerting)
        stub = AlertingServiceStub(channel)
        if not request.HasField("rule"):
            request.rule.CopyFrom((await newest(stub, rule)).rule)
        answer = await _answered(stub, request)
    print_json(answer) if limit is None else show_backtest(cleaned(request.rule), cleaned(answer), request.series_of, limit)
    return 0


async def _answered(stub: AlertingServiceStub, request: BacktestRuleRequest) -> BacktestRuleResponse:
    """Wait for the answer, and show for how long; where there is no terminal, in a line now and then."""
    with Bar("looking back", TimeElapsedColumn(), total=None) as bar:
        call = asyncio.ensure_future(stub.BacktestRule(request, timeout=_DEADLINE_S))
        try:
            while not call.done():
                await asyncio.wait({call}, timeout=_LOOK_S)
                if bar.is_line_due():
                    ERR.print(f"looking back: {bar.seconds:.0f} s")
        finally:
            call.cancel()
    return call.result()
