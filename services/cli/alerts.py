"""`rapport alerts`: what is wrong, what people do about it, by which rules it is found, and whom it is told to."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated

import typer
from rapport.alerting.v1.act_pb2 import GetAlertRequest
from rapport.alerting.v1.alert_pb2 import AlertFilter
from rapport.alerting.v1.alerting_service_pb2 import ListAlertsRequest, ListAlertsResponse, WatchAlertsResponse
from rapport.alerting.v1.alerting_service_pb2_grpc import AlertingServiceStub
from rich.live import Live

from services.cli import alert_acts, alert_backtest, alert_rules, alert_silences, alert_targets, alert_telling
from services.cli.alert_board import Board
from services.cli.alert_calls import Json, alerting, put
from services.cli.alert_filtering import (
    Acknowledged,
    Agents,
    Customers,
    Labels,
    Rules,
    Severities,
    Suppressed,
    Types,
    filter_of,
)
from services.cli.alert_ids import alert_ids
from services.cli.alert_listing import AlertListing, urgent_first
from services.cli.alert_text import cleaned
from services.cli.calling import DEADLINE_S, Address, connected, run
from services.cli.layout import OUT, print_json
from services.cli.show_alerts import show_alert
from services.cli.watching import Seen, follow

app = typer.Typer(help="What is wrong, and what is done about it.", no_args_is_help=True, rich_markup_mode=None)


@app.command("list")
def list_(
    context: typer.Context,
    *,
    types: Types = None,
    severities: Severities = None,
    agents: Agents = None,
    customers: Customers = None,
    rules: Rules = None,
    labels: Labels = None,
    is_open: Annotated[bool, typer.Option("--open/--all", help="Only those that are not over.")] = False,
    acknowledged: Acknowledged = None,
    suppressed: Suppressed = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, metavar="COUNT", help="How many alerts to show.")] = 100,
    json: Json = False,
) -> None:
    """List alerts: open ones, the most urgent first; then those that are over, the newest first, unless --open is given."""
    wanted = filter_of(
        types=types,
        severities=severities,
        agents=agents,
        customers=customers,
        rules=rules,
        labels=labels,
        acknowledged=acknowledged,
        suppressed=suppressed,
        is_open=is_open,
    )
    put(context, "ListAlerts", ListAlertsRequest(filter=wanted, page_size=limit), _show_list, json=json)


@app.command()
def show(
    context: typer.Context,
    alert_id: Annotated[str, typer.Argument(metavar="ID", help="The alert's id, or the beginning of it.")],
    *,
    json: Json = False,
) -> None:
    """Show an alert in full, and what people did about it."""
    run(_show(alerting(context), alert_id, json))


@app.command()
def watch(
    context: typer.Context,
    *,
    types: Types = None,
    severities: Severities = None,
    agents: Agents = None,
    customers: Customers = None,
    rules: Rules = None,
    labels: Labels = None,
    acknowledged: Acknowledged = None,
    suppressed: Suppressed = None,
    since: Annotated[
        str, typer.Option("--since", "--resume", metavar="TOKEN", help="Go on after the message that carried this token.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON for each message, with its token.")] = False,
) -> None:
    """Follow alerts until Ctrl-C: a live table on a terminal, else a line for each change.

    A stream that is cut off goes on where it was; one that cannot starts again from a snapshot, and says so.
    """
    wanted = filter_of(
        types=types,
        severities=severities,
        agents=agents,
        customers=customers,
        rules=rules,
        labels=labels,
        acknowledged=acknowledged,
        suppressed=suppressed,
    )
    run(_watch(alerting(context), wanted, since, json))


app.command("ack")(alert_acts.ack)
app.command("unack")(alert_acts.unack)
app.command("resolve")(alert_acts.resolve)
app.command("note")(alert_acts.note)
app.add_typer(alert_silences.app, name="silence")
app.add_typer(alert_rules.app, name="rules")
app.command("measures")(alert_rules.measures)
app.command("backtest")(alert_backtest.backtest)
app.add_typer(alert_targets.app, name="targets")
app.add_typer(alert_telling.channels, name="channels")
app.add_typer(alert_telling.routes, name="routes")
app.command("notifications")(alert_telling.notifications)


def _show_list(answer: ListAlertsResponse) -> None:
    OUT.print(AlertListing("Alerts", urgent_first(answer.alerts)))
    if answer.next_page_token:
        OUT.print("There are more alerts, all of them older; ask for more with --limit.", style="yellow")


async def _show(address: Address, told: str, json: bool) -> int:
    async with connected(address) as channel:
        stub = AlertingServiceStub(channel)
        (id_,) = await alert_ids(stub, [told], is_open=False)
        answer = await stub.GetAlert(GetAlertRequest(alert_id=id_), timeout=DEADLINE_S)
    print_json(answer) if json else show_alert(cleaned(answer.alert), list(map(cleaned, answer.acts)))
    return 0


async def _watch(address: Address, filter_: AlertFilter, token: str, json: bool) -> int:
    """Follow until Ctrl-C or a refusal; in the end tell the newest token that the stream brought, and no other."""
    board = Board()
    last = ""
    with ExitStack() as screen:
        is_live = OUT.is_terminal and not OUT.is_dumb_terminal and not json
        live = screen.enter_context(Live(board, console=OUT)) if is_live else None
        try:
            async with connected(address) as channel:
                async for seen in follow(channel, filter_, token):
                    last = (seen.resume_token if isinstance(seen, WatchAlertsResponse) else "") or last
                    _tell(board, seen, live, json)
        finally:
            if last:
                typer.echo(f"to go on from here, with the same filters: rapport alerts watch --since {last}", err=True)
    return 0


def _tell(board: Board, seen: Seen, live: Live | None, json: bool) -> None:
    """Print what the stream brought. With --json, stdout has messages only; what happens to the stream goes to stderr."""
    lines = board.take(cleaned(seen) if isinstance(seen, WatchAlertsResponse) else seen)
    if live is not None:
        live.refresh()
    elif json and isinstance(seen, WatchAlertsResponse):
        print_json(seen, indent=None)
    else:
        for line in lines:
            typer.echo(line, err=not isinstance(seen, WatchAlertsResponse))
