"""Calls of the alerting service, from the terminal to what is shown; and files of JSON that hold what is put."""

from __future__ import annotations

import json as json_lib
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

import grpc
import typer
from google.protobuf import json_format
from google.protobuf.message import Message
from rapport.alerting.v1.alerting_service_pb2_grpc import AlertingServiceStub

from rapport_client import of_error
from services.cli.alert_text import cleaned
from services.cli.calling import DEADLINE_S, Address, Addresses, CommandFailed, connected, run
from services.cli.layout import print_json

_Message = TypeVar("_Message", bound=Message)

Author = Annotated[str, typer.Option(envvar="USER", metavar="NAME", help="Who does it.")]
Comment = Annotated[str, typer.Option(metavar="TEXT", help="What to say, for whoever reads it later.")]
Json = Annotated[bool, typer.Option("--json", help="Print what the HTTP surface answers.")]
File = Annotated[
    str, typer.Argument(metavar="FILE", help="JSON: the thing itself, or as the HTTP surface takes it; - reads what is piped in.")
]

_SECONDS = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LONGEST_S = 3660 * 86_400
_SPAN = re.compile(rf"(\d+)\s*({'|'.join(_SECONDS)})\s*")


@contextmanager
def hinted(reason: str, hint: str) -> Iterator[None]:
    """Say what to type where a call of the block is refused for a reason. Raises CommandFailed then."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        failure = of_error(error)
        if failure.reason != reason:
            raise
        raise CommandFailed(f"{failure.sentence()}. {hint}") from error


def alerting(context: typer.Context) -> Address:
    """Return where the alerting service listens."""
    addresses: Addresses = context.obj
    return addresses.alerting


def put(context: typer.Context, call: str, request: Message, show: Callable[[Any], None], *, json: bool) -> None:
    """Put a request to a call of the alerting service, and show the answer or print it as JSON."""
    run(_put(alerting(context), call, request, show, json))


async def _put(address: Address, call: str, request: Message, show: Callable[[Any], None], json: bool) -> int:
    async with connected(address) as channel:
        method: Any = getattr(AlertingServiceStub(channel), call)
        answer = await method(request, timeout=DEADLINE_S)
    print_json(answer) if json else show(cleaned(answer))
    return 0


def read_json(file: str) -> Any:
    """Return what a file holds, or what is piped in for "-". Raises typer.BadParameter."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        return json_lib.loads(text)
    except OSError as error:
        raise typer.BadParameter(f"{named(file)} cannot be read: {error.strerror}", param_hint="FILE") from None
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{named(file)} is not JSON: {error}", param_hint="FILE") from None


def named(file: str) -> str:
    """Return a file as a sentence names it."""
    return "what is piped in" if file == "-" else file


def parsed(told: Any, made: _Message, file: str) -> _Message:
    """Return the message that JSON tells, as the HTTP surface reads it, but a field that is not known is refused.

    Raises typer.BadParameter.
    """
    what = made.DESCRIPTOR.name
    if not isinstance(told, Mapping):
        raise typer.BadParameter(f"{named(file)} has no JSON object for a {what}", param_hint="FILE")
    try:
        return json_format.ParseDict(dict(told), made)
    except json_format.ParseError as error:
        why = str(error).splitlines()[0].replace(made.DESCRIPTOR.full_name, what)
        raise typer.BadParameter(f"{named(file)} is no {what}: {why}", param_hint="FILE") from None


def request_of(told: Any, made: _Message, name: str, file: str, beside: Sequence[str] = ()) -> _Message:
    """Return the request that JSON tells: as it is, with this name in it, or the thing alone that has this name there.

    What answers tell `beside` the thing is not read, so that what was printed can be put. Raises typer.BadParameter.
    """
    if isinstance(told, Mapping) and name in told:
        return parsed({key: value for key, value in told.items() if key not in beside}, made, file)
    thing = getattr(made, name)
    thing.SetInParent()
    parsed(told, thing, file)
    return made


def read_span(text: str) -> timedelta:
    """Return a time span such as 2h, 90min or 1d12h, of at least a second. Raises typer.BadParameter."""
    seconds = sum(int(count) * _SECONDS[unit] for count, unit in _SPAN.findall(text))
    if not seconds or _SPAN.sub("", text.lstrip()):
        raise typer.BadParameter(f"{text!r} is not a time span such as 30min, 2h or 1d12h")
    if seconds > _LONGEST_S:
        raise typer.BadParameter(f"{text!r} is longer than ten years")
    return timedelta(seconds=seconds)
