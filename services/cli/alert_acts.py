"""`rapport alerts ack`, `unack`, `resolve` and `note`: what a person does about alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any
from uuid import uuid4

import typer
from rapport.alerting.v1.act_pb2 import (
    AcknowledgeAlertRequest,
    AddAlertNoteRequest,
    ResolveAlertRequest,
    UnacknowledgeAlertRequest,
)
from rapport.alerting.v1.alerting_service_pb2_grpc import AlertingServiceStub

from rapport_client import RapportError, call
from services.cli.alert_calls import Author, Comment, Json, alerting
from services.cli.alert_ids import clear_ids
from services.cli.alert_text import cleaned
from services.cli.calling import DEADLINE_S, Address, CommandFailed, connected, reach, run
from services.cli.layout import OUT, print_json
from services.cli.show_alerts import alert_line

Ids = Annotated[
    list[str],
    typer.Argument(
        metavar="ID",
        help="Ids, or beginnings of ids that no other alert has. One that is not clear does not keep the others from it.",
    ),
]
RequestId = Annotated[
    str,
    typer.Option(metavar="TEXT", help="The same act, however often it is given with this text, of at most 90 characters."),
]
Said = Annotated[str, typer.Option("--comment", metavar="TEXT", help="What to note.")]

#: After these nothing else is tried: whoever does not answer for one alert does not for the next.
_AWAY = frozenset(("UNAVAILABLE", "DEADLINE_EXCEEDED"))


@dataclass(frozen=True, slots=True)
class _Act:
    """What is done: its call and request, how it is told, and whether only open alerts take it."""

    call: str
    request: Any
    done: str
    is_of_open: bool = True


@dataclass(frozen=True, slots=True)
class _Words:
    """Who does it, what is said, and what makes it the same act when it is sent again."""

    author: str
    comment: str
    request_id: str


def ack(
    context: typer.Context,
    ids: Ids,
    *,
    comment: Comment = "",
    author: Author = "",
    request_id: RequestId = "",
    json: Json = False,
) -> None:
    """Say that you take care of open alerts: their notifications are not repeated."""
    act = _Act("AcknowledgeAlert", AcknowledgeAlertRequest, "acknowledged")
    run(_act(alerting(context), act, ids, _Words(author, comment, request_id), json))


def unack(
    context: typer.Context,
    ids: Ids,
    *,
    comment: Comment = "",
    author: Author = "",
    request_id: RequestId = "",
    json: Json = False,
) -> None:
    """Say that nobody takes care of open alerts any more."""
    act = _Act("UnacknowledgeAlert", UnacknowledgeAlertRequest, "not acknowledged any more")
    run(_act(alerting(context), act, ids, _Words(author, comment, request_id), json))


def resolve(
    context: typer.Context,
    ids: Ids,
    *,
    comment: Comment = "",
    author: Author = "",
    request_id: RequestId = "",
    json: Json = False,
) -> None:
    """End open alerts by hand.

    The same thing makes another alert only once it was right in between.
    """
    act = _Act("ResolveAlert", ResolveAlertRequest, "resolved")
    run(_act(alerting(context), act, ids, _Words(author, comment, request_id), json))


def note(
    context: typer.Context,
    ids: Ids,
    *,
    comment: Said,
    author: Author = "",
    request_id: RequestId = "",
    json: Json = False,
) -> None:
    """Note something about alerts, open or over."""
    act = _Act("AddAlertNote", AddAlertNoteRequest, "noted", is_of_open=False)
    run(_act(alerting(context), act, ids, _Words(author, comment, request_id), json))


async def _act(address: Address, act: _Act, told: Sequence[str], words: _Words, json: bool) -> int:
    """Act on one alert after the other; what is not clear and what refuses is told, and does not keep the others from it."""
    failed = 0
    same = words.request_id or str(uuid4())
    async with connected(address) as channel:
        await reach(channel, address)
        stub = AlertingServiceStub(channel)
        # The same act again: the alert may be over by it.
        for found in await clear_ids(stub, told, is_open=act.is_of_open and not words.request_id):
            if isinstance(found, CommandFailed):
                typer.echo(f"rapport: {found}", err=True)
                failed += 1
            else:
                failed += not await _done(stub, act, found, replace(words, request_id=f"{same}/{found}"), json)
    return 1 if failed else 0


async def _done(stub: AlertingServiceStub, act: _Act, id_: str, words: _Words, json: bool) -> bool:
    """Act on an alert and tell what came of it; return whether it is done. Raises RapportError when nobody answers."""
    request = act.request(alert_id=id_, author=words.author, comment=words.comment, request_id=words.request_id)
    try:
        answer = await call(getattr(stub, act.call), request, deadline_s=DEADLINE_S)
    except RapportError as error:
        if error.status in _AWAY:
            raise
        typer.echo(f"rapport: {id_}: {error}", err=True)
        return False
    print_json(answer, indent=None) if json else OUT.print(f"{act.done}: {alert_line(cleaned(answer.alert))}", soft_wrap=True)
    return True
