"""`rapport alerts`: lists alerts, and follows every change of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Annotated

import typer
from rapport.alerting.v1.alert_pb2 import AlertFilter
from rapport.alerting.v1.alerting_service_pb2 import ListAlertsRequest, WatchAlertsResponse
from rapport.alerting.v1.alerting_service_pb2_grpc import AlertingServiceStub
from rapport.insight.v1.vocabulary_pb2 import AlertType, Severity
from rich.live import Live

from services.cli.calling import DEADLINE_S, Address, Addresses, connected, run
from services.cli.layout import OUT, print_json
from services.cli.show_alerts import Board, alert_table
from services.cli.watching import Seen, follow

app = typer.Typer(help="List alerts, or follow them.", no_args_is_help=True, rich_markup_mode=None)


def _one_of(words: list[str]) -> Callable[[str], str]:
    def checked(word: str) -> str:
        if word not in words:
            raise typer.BadParameter(f"{word!r} is none of {', '.join(words)}")
        return word

    return checked


_TYPES = [word for word, number in AlertType.Value.items() if number]
_SEVERITIES = [word for word, number in Severity.Value.items() if number]

Types = Annotated[
    list[str] | None,
    typer.Option("--type", parser=_one_of(_TYPES), metavar="|".join(_TYPES), help="Only this type; may be repeated."),
]
Severities = Annotated[
    list[str] | None,
    typer.Option("--severity", parser=_one_of(_SEVERITIES), metavar="|".join(_SEVERITIES), help="Only this; may be repeated."),
]
Agents = Annotated[list[str] | None, typer.Option("--agent", metavar="AGENT", help="Only about this agent; may be repeated.")]


@app.command("list")
def list_(
    context: typer.Context,
    *,
    types: Types = None,
    severities: Severities = None,
    agents: Agents = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, metavar="COUNT", help="How many alerts to show.")] = 100,
    json: Annotated[bool, typer.Option("--json", help="Print what the HTTP surface answers.")] = False,
) -> None:
    """List alerts, the newest first: those that are over, too."""
    addresses: Addresses = context.obj
    request = ListAlertsRequest(filter=_filter(types, severities, agents), page_size=limit)
    run(_list(addresses.alerting, request, json))


@app.command()
def watch(
    context: typer.Context,
    *,
    types: Types = None,
    severities: Severities = None,
    agents: Agents = None,
    resume: Annotated[str, typer.Option(metavar="TOKEN", help="Go on after the message that carried this token.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON for each message.")] = False,
) -> None:
    """Follow alerts until Ctrl-C: a live table on a terminal, else a line for each change.

    A stream that is cut off goes on where it was; one that cannot starts again from a snapshot, and says so.
    """
    addresses: Addresses = context.obj
    run(_watch(addresses.alerting, _filter(types, severities, agents), resume, json))


def _filter(types: list[str] | None, severities: list[str] | None, agents: list[str] | None) -> AlertFilter:
    return AlertFilter(
        types=[AlertType.Value.Value(word) for word in types or ()],
        severities=[Severity.Value.Value(word) for word in severities or ()],
        agent_ids=agents or (),
    )


async def _list(address: Address, request: ListAlertsRequest, json: bool) -> int:
    async with connected(address) as channel:
        answer = await AlertingServiceStub(channel).ListAlerts(request, timeout=DEADLINE_S)
    if json:
        print_json(answer)
        return 0
    OUT.print(alert_table("Alerts", answer.alerts))
    if answer.next_page_token:
        OUT.print("There are more alerts; ask for more with --limit.", style="yellow")
    return 0


async def _watch(address: Address, filter_: AlertFilter, token: str, json: bool) -> int:
    board = Board()
    with ExitStack() as screen:
        live = screen.enter_context(Live(board, console=OUT)) if OUT.is_terminal and not json else None
        try:
            async with connected(address) as channel:
                async for seen in follow(channel, filter_, token):
                    token = (seen.resume_token if isinstance(seen, WatchAlertsResponse) else "") or token
                    _tell(board, seen, live, json)
        finally:
            if token:
                typer.echo(f"to go on from here: rapport alerts watch --resume {token}", err=True)
    return 0


def _tell(board: Board, seen: Seen, live: Live | None, json: bool) -> None:
    """Print what the stream brought. With --json, stdout has messages only; what happens to the stream goes to stderr."""
    lines = board.take(seen)
    if live is not None:
        live.refresh()
    elif json and isinstance(seen, WatchAlertsResponse):
        print_json(seen, indent=None)
    else:
        for line in lines:
            typer.echo(line, err=not isinstance(seen, WatchAlertsResponse))
