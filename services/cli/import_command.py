"""`rapport import`: a file of any size, row by row, by a mapping."""

from __future__ import annotations

import json as json_text
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from services.cli.calling import Address, Addresses, CommandFailed, connected, reach, run
from services.cli.layout import OUT, number
from services.cli.ledger import Ledger
from services.cli.mapping import Fact, RowMapping, load_mapping
from services.cli.mapping_sources import MappingError
from services.cli.meter import Meter
from services.cli.outcomes import outcome_table, refusal_table, rounding_sentence, skip_table
from services.cli.records import Malformed
from services.cli.rows import BadFile, Row, read_rows
from services.cli.rules import RowRejected
from services.cli.sending import FACT_BYTES, Lanes, Plan, Reports, sending


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
    batch: Annotated[int, typer.Option(min=1, max=1000, metavar="ROWS", help="The most rows in one batch.")] = 1000,
    parallel: Annotated[
        int, typer.Option(min=1, max=16, metavar="STREAMS", help="Over how many streams rows are sent at once.")
    ] = 4,
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
        await reach(channel, address)
        with Ledger(order.rejected) as ledger, Meter(order.file.stat().st_size) as meter:
            try:
                broken = None
                plan = Plan(order.batch, order.lanes, order.patience_s)
                reports = Reports(ledger.enter_rejected, ledger.enter, meter.waiting)
                async with sending(address, plan, reports) as lanes:
                    broken = await _read(order, lanes, ledger, meter)
            finally:
                # An import that failed before anything became of a row has no figures worth telling.
                if broken == "" or ledger.tally.total:
                    _print(order, ledger, meter.seconds)
    if broken:
        raise CommandFailed(f"{order.file}: {broken}")
    return 0


async def _read(order: Order, lanes: Lanes, ledger: Ledger, meter: Meter) -> str:
    """Send the file row by row; return why it could not be read to its end, or "". What was read before that is sent."""
    with order.file.open("rb") as raw:
        rows = read_rows(order.file, raw, order.mapping.delimiter, order.mapping.columns)
        try:
            for number_, row in enumerate(rows, 1):
                ledger.rows = number_
                meter.show(number_, raw.tell(), ledger.tally.refused)
                if isinstance(row, Malformed):
                    ledger.reject_unread(number_, "MALFORMED_ROW", row.problem)
                else:
                    for fact in _mapped(order, row, number_, ledger):
                        await lanes.put(number_, fact)
        except BadFile as error:
            return str(error)
    return ""


def _mapped(order: Order, row: Row, number_: int, ledger: Ledger) -> list[Fact]:
    """Return the facts that a row becomes, or none and enter the row as skipped or rejected."""
    try:
        if reason := order.mapping.skipped(row):
            ledger.skip(reason)
            return []
        facts = order.mapping.facts(row)
    except RowRejected as error:
        id_ = order.mapping.identity(row)
        ledger.reject_unread(number_, error.reason, error.description, field=error.field, id_=id_)
        return []
    if any(fact.ByteSize() > FACT_BYTES for fact in facts):
        problem = "the row makes a message of more than 1 MiB"
        ledger.reject_unread(number_, "TOO_LARGE", problem, id_=order.mapping.identity(row))
        return []
    return facts


def _print(order: Order, ledger: Ledger, seconds: float) -> None:
    tally = ledger.tally
    if order.json:
        answer = {
            "rows": ledger.rows,
            "seconds": round(seconds, 3),
            **tally.counts(),
            "rejections": dict(tally.refusals.most_common()),
            "skipped": dict(ledger.skips.most_common()),
            "rounded": [
                {"decimals": r.decimals, "amounts": r.amounts, "added": {c: f"{a:f}" for c, a in r.added.items()}}
                for r in order.mapping.roundings
            ],
        }
        typer.echo(json_text.dumps(answer, indent=2, ensure_ascii=False))
        return
    OUT.print(outcome_table(f"{order.file.name}: {number(ledger.rows)} rows in {seconds:,.1f} s", {"facts": tally}))
    if tally.refused:
        OUT.print(refusal_table(tally))
        OUT.print(f"The rejected rows are in {order.rejected}", soft_wrap=True)
    if ledger.skips:
        OUT.print(skip_table(ledger.skips))
    for rounding in order.mapping.roundings:
        if rounding.amounts:
            OUT.print(rounding_sentence(rounding), soft_wrap=True)
