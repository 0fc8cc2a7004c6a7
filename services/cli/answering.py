"""A question of the query service, from the terminal to what is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from rapport.query.v1.query_service_pb2_grpc import QueryServiceStub

from services.cli.asking import place
from services.cli.calling import DEADLINE_S, Addresses, connected, run
from services.cli.layout import print_json
from services.cli.windows import Period

After = Annotated[str, typer.Option(metavar="TOKEN", help="Wait until the write that gave this consistency token is counted.")]
Json = Annotated[bool, typer.Option("--json", help="Print what the HTTP surface answers.")]


def put(
    context: typer.Context,
    call: str,
    request: Any,
    show: Callable[[Any], None],
    *,
    json: bool,
    asked: Period | None = None,
) -> None:
    """Put a request to a call of the query service, over a period if one is given, and show the answer or print it as JSON."""
    run(_put(context.obj, call, request, show, json=json, asked=asked))


async def _put(
    addresses: Addresses, call: str, request: Any, show: Callable[[Any], None], *, json: bool, asked: Period | None
) -> int:
    async with connected(addresses.query) as channel:
        stub = QueryServiceStub(channel)
        if asked:
            await place(request, asked, stub)
        method: Any = getattr(stub, call)
        answer = await method(request, timeout=DEADLINE_S)
    print_json(answer) if json else show(answer)
    return 0
