"""`rapport settings rates`: what currencies are worth in one another, by day."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rapport.ingest.v1.ingest_service_pb2 import ExchangeRate, ListExchangeRatesRequest, PutExchangeRatesRequest
from rapport.ingest.v1.ingest_service_pb2_grpc import IngestServiceStub

from services.cli.calling import DEADLINE_S, Address, Addresses, CallFailed, CommandFailed, connected, run
from services.cli.layout import OUT, number, print_json, table
from services.cli.records import Malformed
from services.cli.rows import BadFile, Row, read_rows

app = typer.Typer(help="Show or store exchange rates.", rich_markup_mode=None)

_COLUMNS = ("from_currency", "to_currency", "date", "rate")
#: The most rates that one call takes.
_MOST = 1000


@app.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    *,
    base: Annotated[str, typer.Option("--from", metavar="CODE", help="Only rates from this currency.")] = "",
    into: Annotated[str, typer.Option("--to", metavar="CODE", help="Only rates to this currency.")] = "",
    limit: Annotated[int, typer.Option(min=1, metavar="RATES", help="The most rates to show.")] = 100,
    json: Annotated[bool, typer.Option("--json", help="Print each rate as JSON, a line a rate.")] = False,
) -> None:
    """Show stored rates, the newest day first."""
    if context.invoked_subcommand is None:
        addresses: Addresses = context.obj
        run(_show(addresses.ingest, ListExchangeRatesRequest(from_currency=base, to_currency=into), limit, json))


@app.command("put")
def put(
    context: typer.Context,
    base: Annotated[str, typer.Argument(metavar="FROM", help="ISO 4217 code, such as EUR.")],
    into: Annotated[str, typer.Argument(metavar="TO", help="The currency that the rate is in.")],
    date: Annotated[str, typer.Argument(metavar="DATE", help="The day from which it holds, as YYYY-MM-DD.")],
    rate: Annotated[str, typer.Argument(metavar="RATE", help="What one unit of FROM is worth, such as 1.0823.")],
) -> None:
    """Store one rate; it holds until the next one, and for 7 days at most."""
    told = ExchangeRate(from_currency=base, to_currency=into, date=date, rate=rate)
    addresses: Addresses = context.obj
    run(_put(addresses.ingest, [told]))


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            metavar="FILE",
            help=f"CSV with the columns {', '.join(_COLUMNS)}, or JSONL with such fields; gzip or not.",
        ),
    ],
) -> None:
    """Store the rates of a file. Nothing is stored of a file that cannot be read whole."""
    addresses: Addresses = context.obj
    run(_import(addresses.ingest, file))


async def _show(address: Address, request: ListExchangeRatesRequest, limit: int, json: bool) -> int:
    rates: list[ExchangeRate] = []
    async with connected(address) as channel:
        is_first = True
        while len(rates) < limit and (is_first or request.page_token):
            request.page_size, is_first = min(limit - len(rates), _MOST), False
            answer = await IngestServiceStub(channel).ListExchangeRates(request, timeout=DEADLINE_S)
            rates += answer.rates
            request.page_token = answer.next_page_token
    if json:
        for rate in rates:
            print_json(rate, indent=None)
    else:
        _print(rates, are_more=bool(request.page_token))
    return 0


async def _put(address: Address, rates: Sequence[ExchangeRate]) -> int:
    """Store rates a thousand at a time, each thousand whole or not at all."""
    changed = 0
    for first in range(0, len(rates), _MOST):
        try:
            changed += await _put_some(address, rates[first : first + _MOST])
        except CallFailed as failed:
            if not first:
                raise
            raise CommandFailed(f"the first {first:,} rates are stored; of those after them: {failed}") from failed
    OUT.print(f"{number(len(rates))} rates: {number(changed)} new or changed, {number(len(rates) - changed)} as they were")
    return 0


async def _put_some(address: Address, rates: Sequence[ExchangeRate]) -> int:
    async with connected(address) as channel:
        answer = await IngestServiceStub(channel).PutExchangeRates(PutExchangeRatesRequest(rates=rates), timeout=DEADLINE_S)
    return int(answer.changed)


async def _import(address: Address, file: Path) -> int:
    return await _put(address, _read(file))


def _read(file: Path) -> list[ExchangeRate]:
    with file.open("rb") as raw:
        try:
            rates = [_rate(row, file) for row in read_rows(file, raw, needed=_COLUMNS)]
        except BadFile as error:
            raise CommandFailed(f"{file.name} cannot be read: {error}") from None
    if not rates:
        raise CommandFailed(f"{file.name} has no rates")
    return rates


def _rate(row: Row | Malformed, file: Path) -> ExchangeRate:
    if isinstance(row, Malformed):
        raise CommandFailed(f"{file.name} is not stored: {row.problem}")
    return ExchangeRate(**{column: str(row.get(column, "")).strip() for column in _COLUMNS})


def _print(rates: Sequence[ExchangeRate], *, are_more: bool) -> None:
    if not rates:
        OUT.print("No exchange rate is stored.")
        return
    made = table("Exchange rates", "Day", "One", "is worth", "", numeric=["is worth"])
    for rate in rates:
        made.add_row(rate.date, rate.from_currency, rate.rate, rate.to_currency)
    OUT.print(made)
    if are_more:
        OUT.print("There are older rates; ask for more with --limit.", style="yellow")
