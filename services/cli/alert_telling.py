"""`rapport alerts channels`, `routes` and `notifications`: whom alerts are told to, and how that went."""

from __future__ import annotations

from typing import Annotated

import typer
from rapport.alerting.v1.alerting_service_pb2_grpc import AlertingServiceStub
from rapport.alerting.v1.notification_pb2 import (
    DeleteChannelRequest,
    ListChannelsRequest,
    ListNotificationsRequest,
    ListRoutesRequest,
    NotificationState,
    PutChannelRequest,
    PutChannelResponse,
    TestChannelRequest,
)

from services.cli.alert_calls import Author, Comment, File, Json, alerting, put, read_json, request_of
from services.cli.alert_ids import alert_ids
from services.cli.alert_route_putting import Clear, Expected, RoutesFile, replace_routes, routes_request
from services.cli.alert_telling_tables import attempt_text, show_channels, show_notifications, show_routes, where
from services.cli.alert_text import cleaned
from services.cli.calling import DEADLINE_S, Address, CommandFailed, connected, run
from services.cli.filtering import number_of, words
from services.cli.layout import OUT, print_json

channels = typer.Typer(help="Show or change where notifications go.", no_args_is_help=True, rich_markup_mode=None)
routes = typer.Typer(help="Show or change which alerts go where.", no_args_is_help=True, rich_markup_mode=None)

ChannelId = Annotated[str, typer.Argument(metavar="CHANNEL", help="The channel's id.")]

_STATES = NotificationState.DESCRIPTOR


@channels.command("put")
def put_channel(context: typer.Context, file: File, *, json: Json = False) -> None:
    """Put the channel that a file holds, in the place of that of the same id.

    A secret that is left out stays as it is stored.
    """

    def show(answer: PutChannelResponse) -> None:
        OUT.print(f"{answer.channel.channel_id}: {where(answer.channel)}. To try it: rapport alerts channels test "
                  f"{answer.channel.channel_id}", soft_wrap=True)  # fmt: skip

    request = request_of(read_json(file), PutChannelRequest(), "channel", file)
    put(context, "PutChannel", request, show, json=json)


@channels.command("list")
def list_channels(context: typer.Context, *, json: Json = False) -> None:
    """List channels, without their secrets."""
    put(context, "ListChannels", ListChannelsRequest(), show_channels, json=json)


@channels.command("delete")
def delete_channel(context: typer.Context, channel: ChannelId, *, json: Json = False) -> None:
    """Delete a channel that no route names."""

    def show(_: object) -> None:
        OUT.print(f"{channel} is deleted")

    put(context, "DeleteChannel", DeleteChannelRequest(channel_id=channel), show, json=json)


@channels.command("test")
def try_channel(context: typer.Context, channel: ChannelId, *, json: Json = False) -> None:
    """Send a test to a channel and tell what came of it. Exits with 1 when the channel did not take it."""
    run(_test(alerting(context), channel, json))


@routes.command("put")
def put_routes(
    context: typer.Context,
    file: RoutesFile = "",
    *,
    clear: Clear = False,
    expected_version: Expected = None,
    comment: Comment = "",
    author: Author = "",
    json: Json = False,
) -> None:
    """Put all routes: those of the file, in its order, in the place of all that are there.

    Where the file tells a version, as `routes list --json` does, it is refused when that is not the newest. Routes that say
    the same as those that are there change nothing.
    """
    request = routes_request(file, expected_version, clear=clear)
    request.author, request.comment = author, comment
    run(replace_routes(alerting(context), request, json))


@routes.command("list")
def list_routes(context: typer.Context, *, json: Json = False) -> None:
    """List the routes, in the order in which they are tried."""
    put(context, "ListRoutes", ListRoutesRequest(), show_routes, json=json)


def notifications(
    context: typer.Context,
    *,
    channel: Annotated[str, typer.Option(metavar="CHANNEL", help="Only to this channel.")] = "",
    alert: Annotated[str, typer.Option(metavar="ID", help="Only of this alert: its id, or the beginning of it.")] = "",
    state: Annotated[str, typer.Option(metavar="|".join(words(_STATES)), help="Only in this state.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, metavar="COUNT", help="How many to show.")] = 50,
    json: Json = False,
) -> None:
    """List what was told, or is to be, the newest first, and how delivering it went."""
    request = ListNotificationsRequest(
        channel_id=channel,
        state=number_of(_STATES, state, "--state"),  # type: ignore[arg-type]  # the contract's number
        page_size=limit,
    )
    run(_notifications(alerting(context), request, alert, json))


async def _test(address: Address, channel_id: str, json: bool) -> int:
    async with connected(address) as channel:
        answer = await AlertingServiceStub(channel).TestChannel(TestChannelRequest(channel_id=channel_id), timeout=DEADLINE_S)
    if json:
        print_json(answer)
    else:
        came = "took the test" if answer.delivered else "did not take the test"
        OUT.print(f"{channel_id} {came}: {attempt_text(cleaned(answer.attempt))}", soft_wrap=True)
    return 0 if answer.delivered else 1


async def _notifications(address: Address, request: ListNotificationsRequest, alert: str, json: bool) -> int:
    async with connected(address) as channel:
        stub = AlertingServiceStub(channel)
        if alert:
            (request.alert_id,) = await alert_ids(stub, [alert], is_open=False)
        answer = await stub.ListNotifications(request, timeout=DEADLINE_S)
        if request.channel_id and not answer.notifications and not json:
            await _known(stub, request.channel_id)
    is_narrowed = bool(request.channel_id or request.alert_id or request.state)
    print_json(answer) if json else show_notifications(cleaned(answer), is_narrowed=is_narrowed)
    return 0


async def _known(stub: AlertingServiceStub, channel_id: str) -> None:
    """Raise CommandFailed unless there is such a channel."""
    answer = await stub.ListChannels(ListChannelsRequest(), timeout=DEADLINE_S)
    if channel_id not in {each.channel_id for each in answer.channels}:
        raise CommandFailed(f"there is no channel {channel_id}; `rapport alerts channels list` has all")
