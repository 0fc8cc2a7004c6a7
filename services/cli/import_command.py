"""`rapport import`: a file of any size, row by row, by a mapping."""

from __future__ import annotations

import asyncio
import json as json_text
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import grpc
import typer
from rapport.ingest.v1.ingest_service_pb2_grpc import IngestServiceStub

from services.cli.calling import Address, Addresses, CallFailed, CommandFailed, connected, run
from services.cli.failures import Failure
from services.cli.layout import OUT, number
from services.cli.ledger import Ledger
from services.cli.mapping import Fact, RowMapping, load_mapping
from services.cli.mapping_rules import MappingError
from services.cli.meter import Meter
from services.cli.outcomes import outcome_table, refusal_table
from services.cli.records import Malformed
from services.cli.rows import BadFile, Row, read_rows
from services.cli.rules import RowRejected
from services.cli.sending import FACT_BYTES, Lanes, Patience, Plan, sending

_REACH_S = 5.0


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for: the file, where rejected rows go, and how facts are sent."""

    file: Path
    mapping: RowMapping
    rejected: Path
    batch: int
    lanes: int
    patience_s: float
    json: bool


def import_(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE", help="CSV with a header, or JSONL; gzip or not.")
    ],
    *,
    mapping: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, metavar="TOML", help="The mapping, see docs/importing.md.")
    ],
    rejected: Annotated[
        Path | None, typer.Option(metavar="JSONL", help="Where rejected rows go. Default ./FILE.rejected.jsonl.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=1000, metavar="ROWS", help="The most rows in one call.")] = 1000,
    parallel: Annotated[int, typer.Option(min=1, max=16, metavar="CALLS", help="How many calls are made at once.")] = 4,
    patience: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Seconds for which a service that is away is waited for.")
    ] = 300,
    json: Annotated[bool, typer.Option("--json", help="Print the closing figures as JSON.")] = False,
) -> None:
    """Import a file. Exits with 0 when it was read to its end, even where rows were rejected."""
    addresses: Addresses = context.obj
    try:
        compiled = load_mapping(mapping)
    except MappingError as error:
        typer.echo(f"rapport: {mapping}: {error}", err=True)
        raise typer.Exit(1) from None
    where = rejected or Path(f"{file.name}.rejected.jsonl")
    if where.resolve() in (file.resolve(), mapping.resolve()):
        raise typer.BadParameter(f"{where} would be overwritten", param_hint="--rejected")
    run(_import(addresses.ingest, Order(file, compiled, where, batch, parallel, patience, json)))


async def _import(address: Address, order: Order) -> int:
    async with connected(address) as channel:
        await _reach(channel, address)
        with Ledger(order.rejected) as ledger, Meter(order.file.stat().st_size) as meter:
            try:
                broken = None
                plan = Plan(order.batch, order.lanes, Patience(order.patience_s, meter.waiting))
                async with sending(IngestServiceStub(channel), address, plan, ledger.enter) as lanes:
                    broken = await _read(order, lanes, ledger, meter)
            finally:
                # An import that failed before anything became of a row has no figures worth telling.
                if broken == "" or ledger.tally.total:
                    _print(order, ledger, meter.seconds)
    if broken:
        raise CommandFailed(f"{order.file}: {broken}")
    return 0


async def _reach(channel: grpc.aio.Channel, address: Address) -> None:
    """Wait for the service, but not for long: one that was never there is not waited for as one that went away is."""
    try:
        await asyncio.wait_for(channel.channel_ready(), _REACH_S)
    except TimeoutError:
        raise CallFailed(address, Failure("UNAVAILABLE", "", "")) from None


async def _read(order: Order, lanes: Lanes, ledger: Ledger, meter: Meter) -> str:
    """Send the file row by row; return why it could not be read to its end, or "". What was read before that is sent."""
    with order.file.open("rb") as raw:
        rows = read_rows(order.file, raw, order.mapping.delimiter, order.mapping.columns)
        try:
            for number_, row in enumerate(rows, 1):
                meter.show(number_, raw.tell(), ledger.tally.refused)
                if isinstance(row, Malformed):
                    ledger.reject_unread(number_, "MALFORMED_ROW", row.problem)
                elif fact := _mapped(order, row, number_, ledger):
                    await lanes.put(number_, fact)
        except BadFile as error:
            return str(error)
    return ""


def _mapped(order: Order, row: Row, number_: int, ledger: Ledger) -> Fact | None:
    """Return the fact that a row becomes, or enter the row as rejected."""
    try:
        fact = order.mapping.message(row)
    except RowRejected as error:
        id_ = order.mapping.identity(row)
        ledger.reject_unread(number_, error.reason, error.description, field=error.field, id_=id_)
        return None
    if fact.ByteSize() > FACT_BYTES:
        problem = "the row makes a message of more than 1 MiB"
        ledger.reject_unread(number_, "TOO_LARGE", problem, id_=order.mapping.identity(row))
        return None
    return fact


def _print(order: Order, ledger: Ledger, seconds: float) -> None:
    tally = ledger.tally
    if order.json:
        answer = {
            "rows": tally.total,
            "seconds": round(seconds, 3),
            **tally.counts(),
            "rejections": dict(tally.refusals.most_common()),
        }
        typer.echo(json_text.dumps(answer, indent=2, ensure_ascii=False))
        return
    OUT.print(outcome_table(f"{order.file.name}: {number(tally.total)} rows in {seconds:,.1f} s", {"rows": tally}))
    if tally.refused:
        OUT.print(refusal_table(tally))
        OUT.print(f"The rejected rows are in {order.rejected}", soft_wrap=True)
