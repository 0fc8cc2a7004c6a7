"""`rapport settings`: what the tenant has chosen."""

from __future__ import annotations

from typing import Annotated

import typer
from google.protobuf.field_mask_pb2 import FieldMask
from rapport.ingest.v1.ingest_service_pb2 import GetTenantSettingsRequest, TenantSettings, UpdateTenantSettingsRequest
from rapport.ingest.v1.ingest_service_pb2_grpc import IngestServiceStub

from services.cli import exchange_rates
from services.cli.calling import DEADLINE_S, Address, Addresses, connected, run
from services.cli.layout import NOTHING, OUT, moment, number, optional, pairs, print_json

app = typer.Typer(help="Show or change what the tenant has chosen.", rich_markup_mode=None)
app.add_typer(exchange_rates.app, name="rates")

Json = Annotated[bool, typer.Option("--json", help="Print the settings as JSON.")]


@app.callback(invoke_without_command=True)
def show(context: typer.Context, json: Json = False) -> None:
    """Show the settings."""
    if context.invoked_subcommand is None:
        addresses: Addresses = context.obj
        run(_show(addresses.ingest, json))


@app.command("set")
def change(
    context: typer.Context,
    *,
    currency: Annotated[str, typer.Option(metavar="CODE", help="ISO 4217 code in which money is reported, such as INR.")] = "",
    time_zone: Annotated[
        str,
        typer.Option(
            metavar="ZONE", help="IANA time zone whose days numbers are kept by; once facts exist, `rapport rebuild` changes it."
        ),
    ] = "",
    retention_days: Annotated[
        int | None, typer.Option(min=0, max=36500, metavar="DAYS", help="Days for which facts are kept; 0 for good.")
    ] = None,
    attribution_window_days: Annotated[
        int | None,
        typer.Option(
            "--attribution-days",
            min=0,
            max=90,
            metavar="DAYS",
            help="Days after a conversation in which a payment is due to it; once facts exist, `rapport rebuild` changes it.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Change the settings that are named; the others stay."""
    settings = TenantSettings(
        reporting_currency=currency,
        time_zone=time_zone,
        retention_days=retention_days or None,
        attribution_window_days=attribution_window_days,
    )
    paths = [field.name for field, _ in settings.ListFields()]
    # A field that is to change but is not there goes back to its default: facts are kept for good.
    paths += ["retention_days"] if retention_days == 0 else []
    if not paths:
        raise typer.BadParameter("name at least one setting: --currency, --time-zone, --retention-days or --attribution-days")
    addresses: Addresses = context.obj
    run(_change(addresses.ingest, settings, paths, json))


async def _show(address: Address, json: bool) -> int:
    async with connected(address) as channel:
        answer = await IngestServiceStub(channel).GetTenantSettings(GetTenantSettingsRequest(), timeout=DEADLINE_S)
    _print(answer.settings, json)
    return 0


async def _change(address: Address, settings: TenantSettings, paths: list[str], json: bool) -> int:
    async with connected(address) as channel:
        request = UpdateTenantSettingsRequest(settings=settings, update_mask=FieldMask(paths=paths))
        answer = await IngestServiceStub(channel).UpdateTenantSettings(request, timeout=DEADLINE_S)
    _print(answer.settings, json)
    return 0


def _print(settings: TenantSettings, json: bool) -> None:
    if json:
        print_json(settings)
        return
    retention = optional(settings, "retention_days")
    OUT.print(pairs("Settings", [
        ("reporting currency", settings.reporting_currency or NOTHING),
        ("time zone", settings.time_zone or NOTHING),
        ("facts are kept", "for good" if retention is None else number(retention, 0, "days")),
        ("attribution window", number(optional(settings, "attribution_window_days"), 0, "days")),
        ("version", f"{settings.version}, changed {moment(settings.update_time)}"),
    ]))  # fmt: skip
