"""`rapport export`: writes facts and numbers to a file, goes on where a stream was cut, and keeps where the next one begins."""

from __future__ import annotations

import asyncio
import random
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import grpc
import typer
from rapport.query.v1 import export_pb2, vocabulary_pb2
from rapport.query.v1.query_service_pb2_grpc import QueryServiceStub

from rapport_client import Backoff, Failure, RapportError, of_error
from rapport_client.retrying import Kind, next_delay_s, passes
from services.cli.asking import End, Start, period, place
from services.cli.calling import Address, Addresses, CommandFailed, connected, reach, run
from services.cli.export_part import Course, Part, token_beside
from services.cli.layout import OUT, number
from services.cli.windows import Period

#: Seconds without coming any further after which a stream that is cut is given up.
_PATIENCE_S = 60.0
_BACKOFF = Backoff()


class Dataset(StrEnum):
    """What can be exported."""

    CONVERSATIONS = "conversations"
    AGENT_DAYS = "agent_days"
    CUSTOMER_SCORES = "customer_scores"
    TRANSACTIONS = "transactions"
    APPOINTMENTS = "appointments"
    FOLLOW_UPS = "follow_ups"
    COSTS = "costs"
    ALERTS = "alerts"


class Format(StrEnum):
    """How files are written."""

    CSV = "csv"
    ARROW = "arrow"
    PARQUET = "parquet"


def export(
    context: typer.Context,
    dataset: Annotated[Dataset, typer.Argument(metavar="DATASET", help=f"What: {', '.join(each.value for each in Dataset)}.")],
    *,
    written_as: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.CSV,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to. Default: the dataset's name, here.")
    ] = None,
    start: Start = None,
    end: End = None,
    since: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            metavar="TOKENFILE",
            help="Only what changed since the export that left FILE.token; needs --output, with another FILE.",
        ),
    ] = None,
) -> None:
    """Write facts or numbers to a file.

    FILE is there once it is complete; until then it is FILE.part. FILE.token is what --since takes, for the same dataset and
    period. A stream that is cut goes on where it was, but for Parquet, of which nobody can read a part.
    """
    addresses: Addresses = context.obj
    if since is not None and output is None:
        raise typer.BadParameter("--since needs --output: the changes are no replacement of the file that they are of")
    file = output or Path(f"{dataset.value}.{written_as.value}")
    if since is not None and since.resolve() in {each.resolve() for each in (file, token_beside(file))}:
        raise typer.BadParameter(f"{file} is what --since goes on from: write the changes to another file, and keep both")
    request = export_pb2.ExportRequest(
        dataset=vocabulary_pb2.ExportDataset.Value.Value(dataset.value),
        format=vocabulary_pb2.ExportFormat.Value.Value(written_as.value),
        token=since.read_text().strip() if since else "",
    )
    run(_export(addresses.query, request, period(None, start, end), file))


async def _export(address: Address, request: export_pb2.ExportRequest, asked: Period, file: Path) -> int:
    async with connected(address) as channel:
        await reach(channel, address)
        stub = QueryServiceStub(channel)
        await place(request, asked, stub)
        with Part(file, request.format) as part, Course(request.dataset) as course:
            await _fetch(stub, request, part, course)
            token = part.finish()
            rows, seconds = part.rows, course.seconds
    OUT.print(f"{file}: {number(rows)} rows in {number(seconds, 1, 's')}; {token} is for --since", soft_wrap=True)
    return 0


async def _fetch(stub: QueryServiceStub, request: export_pb2.ExportRequest, part: Part, course: Course) -> None:
    """Write the file's pieces, from as many streams as it takes. Raises RapportError, CommandFailed."""
    now = asyncio.get_running_loop().time
    give_up, attempt = now() + _PATIENCE_S, 0
    while (failure := await _write(stub, request, part, course)) is not None:
        if not part.can_go_on and passes(failure, Kind.WATCH):
            raise CommandFailed(f"{failure.sentence()}: a cut Parquet file cannot go on, so run the same command again")
        token = part.go_back(request.token)
        if token != request.token:
            give_up, attempt = now() + _PATIENCE_S, 0
        elif failure.reason == "OVERLOADED":
            # Others export, and are done some time: whoever waits for them does not wait in vain.
            give_up = now() + _PATIENCE_S
        request.token = token
        attempt += 1
        chance = random.random()  # noqa: S311  # when to come back is no secret
        delay = next_delay_s(failure, Kind.WATCH, attempt=attempt, left_s=give_up - now(), backoff=_BACKOFF, chance=chance)
        if delay is None:
            raise RapportError(failure)
        course.waiting(failure, delay)
        await asyncio.sleep(delay)


async def _write(stub: QueryServiceStub, request: export_pb2.ExportRequest, part: Part, course: Course) -> Failure | None:
    """Write the pieces of one stream; return what it was cut with, None when the file is complete."""
    try:
        async for piece in stub.Export(request):
            part.take(piece)
            course.show(part.rows, piece)
            if piece.complete:
                return None
    except grpc.aio.AioRpcError as error:
        return of_error(error)
    return Failure("UNAVAILABLE", "", "the stream ended before it was complete")
