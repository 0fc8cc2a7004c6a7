"""`rapport quarantine`: changes that could not be counted, and another try."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rapport.scoring.v1.scoring_service_pb2 import (
    ListQuarantineRequest,
    ListQuarantineResponse,
    QuarantinedChange,
    RetryQuarantineRequest,
    RetryQuarantineResponse,
)
from rapport.scoring.v1.scoring_service_pb2_grpc import ScoringServiceStub

from services.cli.calling import Address, Addresses, connected, run
from services.cli.layout import OUT, moment, number, print_json, table

app = typer.Typer(help="List changes that could not be counted, or try them again.", no_args_is_help=True, rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="Print what the HTTP surface answers.")]

#: The most changes that one call takes, and the seconds that it may take to count each of them by itself.
_MOST, _RETRY_S = 1000, 300.0
_LIST_S = 30.0


@app.command("list")
def list_(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option(min=1, max=_MOST, metavar="COUNT", help="How many changes to show.")] = 100,
    json: Json = False,
) -> None:
    """List changes that could not be counted, the oldest first, and what counting them failed with.

    The numbers leave them out; everything else is counted.
    """
    addresses: Addresses = context.obj
    run(_list(addresses.scoring, limit, json))


# What only fell due has a negative number, which is no option.
@app.command(context_settings={"ignore_unknown_options": True})
def retry(
    context: typer.Context,
    ids: Annotated[
        list[int] | None,
        typer.Argument(
            min=-(2**63), max=2**63 - 1, metavar="[ID]...", help="Which ones. Default: all, at most the oldest 1,000."
        ),
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Count quarantined changes again, each by itself.

    Exits with 1 when some of them still cannot be counted, or are not in quarantine.
    """
    addresses: Addresses = context.obj
    run(_retry(addresses.scoring, list(dict.fromkeys(ids or ())), json))


async def _list(address: Address, limit: int, json: bool) -> int:
    async with connected(address) as channel:
        request = ListQuarantineRequest(page_size=limit)
        answer = await ScoringServiceStub(channel).ListQuarantine(request, timeout=_LIST_S)
    print_json(answer) if json else _show(answer)
    return 0


async def _retry(address: Address, ids: Sequence[int], json: bool) -> int:
    whole = RetryQuarantineResponse()
    async with connected(address) as channel:
        stub = ScoringServiceStub(channel)
        for first in range(0, len(ids) or 1, _MOST):
            request = RetryQuarantineRequest(change_ids=ids[first : first + _MOST])
            answer = await stub.RetryQuarantine(request, timeout=_RETRY_S)
            answer.counted += whole.counted
            whole.MergeFrom(answer)
    print_json(whole) if json else _show_retried(whole)
    return 1 if whole.failed or whole.unknown else 0


def _show(answer: ListQuarantineResponse) -> None:
    if not answer.changes:
        OUT.print("Nothing is in quarantine.")
        return
    _print_changes("Changes that could not be counted", answer.changes)
    if answer.next_page_token:
        OUT.print("There are more; ask for more with --limit.", style="yellow")
    OUT.print("To count them again: rapport quarantine retry [ID]...", style="dim")


def _show_retried(answer: RetryQuarantineResponse) -> None:
    OUT.print(f"counted: {number(answer.counted)}")
    if answer.failed:
        _print_changes("Still not counted", answer.failed)
    if answer.unknown:
        OUT.print(f"Not in quarantine: {', '.join(str(id_) for id_ in answer.unknown)}", style="yellow")


def _print_changes(title: str, changes: Sequence[QuarantinedChange]) -> None:
    made = table(title, "ID", "What", "Which", "Recorded", "Since", "Error", "Tries",
                 numeric=("ID", "Tries"), wraps=("Which", "Error"), spared=("Recorded", "Tries"))  # fmt: skip
    for change in changes:
        made.add_row(
            str(change.change_id),
            change.kind.replace("_", " "),
            change.entity_id,
            moment(change.recorded_at),
            moment(change.quarantined_at),
            change.error,
            number(change.attempts),
        )
    OUT.print(made)
