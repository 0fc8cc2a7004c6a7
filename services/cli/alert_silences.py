"""`rapport alerts silence`: holds notifications back for a while."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import uuid4

import typer
from rapport.alerting.v1.act_pb2 import (
    EndSilenceRequest,
    ListSilencesRequest,
    ListSilencesResponse,
    PutSilenceRequest,
    PutSilenceResponse,
    Silence,
)
from rapport.alerting.v1.alerting_service_pb2_grpc import AlertingServiceStub
from rapport.query.v1.query_service_pb2_grpc import QueryServiceStub

from rapport_client import call
from services.cli.alert_calls import Author, Comment, Json, alerting, put, read_span
from services.cli.alert_filtering import Matchers, matcher_texts, matchers_of, matchers_text
from services.cli.alert_ids import is_whole, meant, short
from services.cli.alert_text import cleaned
from services.cli.asking import period, place
from services.cli.calling import DEADLINE_S, Address, Addresses, connected, reach, run
from services.cli.layout import OUT, moment, number, print_json, table
from services.cli.windows import Period

app = typer.Typer(help="Hold notifications of alerts back for a while.", no_args_is_help=True, rich_markup_mode=None)

#: Where the names are that open alerts have.
_NAMES = "`rapport alerts list` shows which are open, `rapport alerts show ID` the names of one"


@app.command()
def add(
    context: typer.Context,
    matchers: Matchers,
    *,
    for_: Annotated[str, typer.Option("--for", metavar="SPAN", help="For how long, such as 30min, 2h or 1d12h.")] = "",
    until: Annotated[
        str,
        typer.Option(metavar="TIME", help="Until when, such as 2026-05-04T07:00, in the tenant's time zone if none is named."),
    ] = "",
    start: Annotated[str, typer.Option(metavar="TIME", help="From when on. Default: now.")] = "",
    comment: Comment = "",
    author: Author = "",
    json: Json = False,
) -> None:
    """Make a silence. Alerts that satisfy all matchers begin and end all the same, but nobody is told.

    For example: rapport alerts silence add rule_id=source-silent --for 2h --comment "the shop moves its till"
    """
    if bool(for_) is bool(until):
        raise typer.BadParameter("say either --for how long or --until when", param_hint="--for")
    silence = Silence(matchers=matchers_of(matchers, "NAME=VALUE"), comment=comment, author=author)
    asked = period(None, start or None, until or None)
    run(_add(context.obj, silence, asked, read_span(for_) if for_ else None, json))


@app.command()
def end(
    context: typer.Context,
    silence_id: Annotated[str, typer.Argument(metavar="ID", help="The silence's id, or the beginning of it.")],
    *,
    json: Json = False,
) -> None:
    """End a silence now."""
    run(_end(alerting(context), silence_id, json))


@app.command("list")
def list_(
    context: typer.Context,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    json: Json = False,
) -> None:
    """List silences, the last to end first."""
    put(context, "ListSilences", ListSilencesRequest(with_ended=everything), _show, json=json)


async def _add(addresses: Addresses, silence: Silence, asked: Period, length: timedelta | None, json: bool) -> int:
    if asked.start or asked.end:
        async with connected(addresses.query) as channel:
            await place(silence, asked, QueryServiceStub(channel))
    if length is not None:
        begins = silence.start_time.ToDatetime(UTC) if silence.HasField("start_time") else datetime.now(UTC)
        silence.end_time.FromDatetime(begins + length)
    async with connected(addresses.alerting) as channel:
        stub = AlertingServiceStub(channel)
        # Asked again under the same id when the answer is lost.
        request = PutSilenceRequest(silence=silence, request_id=str(uuid4()))
        answer = await call(stub.PutSilence, request, deadline_s=DEADLINE_S)
    if json:
        print_json(answer)
    else:
        _show_made(answer, is_later=silence.HasField("start_time") and silence.start_time.ToDatetime(UTC) > datetime.now(UTC))
    return 0


def _show_made(answer: PutSilenceResponse, *, is_later: bool) -> None:
    """Print a silence and how many alerts it concerns: none may be meant, or a name that is misspelt."""
    made, count = cleaned(answer.silence), answer.open_alerts
    begins = f" from {moment(made.start_time)}" if is_later else ""
    lasts = f"silence {short(made.silence_id)}{begins} until {moment(made.end_time)}"
    OUT.print(f"{lasts}: {matchers_text(made.matchers)}", soft_wrap=True)
    if count:
        holds = "would hold back" if is_later else "holds back"
        OUT.print(f"{holds} {number(count)} open alert{'' if count == 1 else 's'}")
    else:
        OUT.print(f"no open alert has these names now: {_NAMES}", style="yellow", soft_wrap=True)
    OUT.print(f"To end it: rapport alerts silence end {short(made.silence_id)}", style="dim")


async def _end(address: Address, told: str, json: bool) -> int:
    async with connected(address) as channel:
        await reach(channel, address)
        stub = AlertingServiceStub(channel)
        known: Sequence[Silence] = ()
        if not is_whole(told):
            known = (await stub.ListSilences(ListSilencesRequest(), timeout=DEADLINE_S)).silences
        id_ = meant(told, (each.silence_id for each in known), "silence that has not ended")
        answer = await call(stub.EndSilence, EndSilenceRequest(silence_id=id_), deadline_s=DEADLINE_S)
    if json:
        print_json(answer)
    else:
        OUT.print(f"silence {short(id_)} has ended: {matchers_text(cleaned(answer.silence).matchers)}", soft_wrap=True)
    return 0


def _show(answer: ListSilencesResponse) -> None:
    if not answer.silences:
        OUT.print("Nothing is silenced.")
        return
    made = table("Silences", "ID", "From", "Until", "Alerts with, and who says why", wraps=["Alerts with, and who says why"])
    for silence in answer.silences:
        why = ": ".join(filter(None, (silence.author, silence.comment)))
        made.add_row(
            short(silence.silence_id),
            moment(silence.start_time).replace(" ", "\n", 1),
            moment(silence.end_time).replace(" ", "\n", 1),
            "\n".join([*matcher_texts(silence.matchers), why]).rstrip(),
        )
    OUT.print(made)
