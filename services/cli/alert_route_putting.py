"""How routes are put: those of a file, or none at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer
from rapport.alerting.v1.alerting_service_pb2_grpc import AlertingServiceStub
from rapport.alerting.v1.notification_pb2 import ListRoutesRequest, PutRoutesRequest, PutRoutesResponse

from services.cli.alert_calls import hinted, named, parsed, read_json
from services.cli.alert_telling_tables import show_routes
from services.cli.alert_text import cleaned
from services.cli.calling import DEADLINE_S, MOST, Address, connected
from services.cli.layout import OUT, print_json

RoutesFile = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="JSON: a list of routes, or as the HTTP surface takes or tells them; - reads what is piped in."
    ),
]
Clear = Annotated[bool, typer.Option("--clear", help="There are to be no routes: nobody is told of alerts.")]
Expected = Annotated[
    int | None,
    typer.Option(
        "--expected-version",
        min=0,
        max=MOST,
        metavar="VERSION",
        help="Only if this version is there, 0 for none. Default: as the file says.",
    ),
]

#: What an answer calls otherwise than a request, and what it tells besides.
_TOLD = {"version": "expectedVersion"}
_ASIDE = ("author", "comment", "putTime")


def routes_request(file: str, expected: int | None, *, clear: bool) -> PutRoutesRequest:
    """Return how the routes are put that a file tells, or without one how all are taken away. Raises typer.BadParameter.

    Who puts them and why is not read: an answer tells that of the version before.
    """
    told = read_json(file) if file else []
    if isinstance(told, Mapping):
        told = {_TOLD.get(name, name): value for name, value in told.items() if name not in _ASIDE}
    request = parsed({"routes": told} if isinstance(told, list) else told, PutRoutesRequest(), file)
    request.clear = request.clear or clear
    if expected is not None:
        request.expected_version = expected
    if request.clear and request.routes:
        raise typer.BadParameter(f"{named(file)} has routes in it", param_hint="--clear")
    if not request.clear and not request.routes:
        why = f"{named(file)} has no route in it" if file else "name a file"
        raise typer.BadParameter(f"{why}; if nobody is to be told of alerts, say so with --clear", param_hint="FILE")
    return request


async def replace_routes(address: Address, request: PutRoutesRequest, json: bool) -> int:
    """Put routes, and show which hold then."""
    async with connected(address) as channel:
        stub = AlertingServiceStub(channel)
        there = None if json else (await stub.ListRoutes(ListRoutesRequest(), timeout=DEADLINE_S)).version
        answer = await _answered(stub, request)
    if json:
        print_json(answer)
    elif answer.version == there:
        OUT.print(f"Nothing changed: version {there} says the same." if there else "Nothing changed: there was no route.")
    else:
        show_routes(cleaned(answer))
    return 0


async def _answered(stub: AlertingServiceStub, request: PutRoutesRequest) -> PutRoutesResponse:
    """Put routes; where somebody put others since, say what to type."""
    with hinted("VERSION_CONFLICT", "To change what is there, begin with: rapport alerts routes list --json"):
        return await stub.PutRoutes(request, timeout=DEADLINE_S)
