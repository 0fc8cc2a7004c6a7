"""`rapport rebuild`: counts every fact anew, and tells how far it is and what came out differently."""

from __future__ import annotations

from typing import Annotated

import typer
from rapport.scoring.v1.scoring_service_pb2 import RebuildRollupsRequest, RebuildRollupsResponse
from rapport.scoring.v1.scoring_service_pb2_grpc import ScoringServiceStub
from rich.progress import TextColumn, TimeElapsedColumn

from services.cli.bar import Bar
from services.cli.calling import Address, Addresses, CommandFailed, connected, reach, run
from services.cli.layout import ERR, OUT, number, print_json, table


def rebuild(
    context: typer.Context,
    *,
    time_zone: Annotated[
        str, typer.Option(metavar="ZONE", help="Change the tenant's days to those of this IANA time zone.")
    ] = "",
    attribution_window: Annotated[
        int | None,
        typer.Option(min=1, max=90, metavar="DAYS", help="Change for how many days after a conversation a payment is due to it."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the last message as JSON.")] = False,
) -> None:
    """Count every stored fact anew.

    Numbers that come out differently are replaced, all at once: until then everybody sees the old ones, and what is recorded
    meanwhile is counted afterwards. Stopped with Ctrl-C before it is done, it changes nothing.
    """
    addresses: Addresses = context.obj
    request = RebuildRollupsRequest(time_zone=time_zone, attribution_window_days=attribution_window)
    run(_rebuild(addresses.scoring, request, json))


async def _rebuild(address: Address, request: RebuildRollupsRequest, json: bool) -> int:
    last = RebuildRollupsResponse()
    async with connected(address) as channel:
        await reach(channel, address)
        with Course() as course:
            # However long it takes: a connection that dies is noticed.
            async for last in ScoringServiceStub(channel).RebuildRollups(request):
                course.show(last)
    if not last.finished:
        raise CommandFailed("the rebuild ended before it was done: the numbers are as they were")
    print_json(last) if json else _show(last, course.seconds)
    return 0


class Course(Bar):
    """A progress bar on stderr; on anything but a terminal, a line for each step."""

    def __init__(self) -> None:
        super().__init__(
            "rebuilding",
            TextColumn("{task.completed}/{task.total} steps"),
            TextColumn("{task.fields[facts]:,} facts"),
            TextColumn("{task.fields[changed]:,} numbers differ"),
            TimeElapsedColumn(),
            total=1,
            facts=0,
            changed=0,
        )
        self._step = ""

    def show(self, told: RebuildRollupsResponse) -> None:
        """Show how far it is."""
        self.update(
            description=told.step,
            completed=told.steps_done,
            total=max(told.steps_total, 1),
            facts=told.facts,
            changed=told.rows_changed,
        )
        if not ERR.is_terminal and told.step != self._step:
            place = f"{told.steps_done} of {told.steps_total} steps done"
            ERR.print(f"rebuilding: {told.step}, {place}, {told.facts:,} facts, {told.rows_changed:,} numbers differ")
        self._step = told.step


def _show(done: RebuildRollupsResponse, seconds: float) -> None:
    OUT.print(f"{number(done.facts)} facts counted anew in {number(seconds, 1, 's')}", style="bold")
    changed = [each for each in done.tables if each.written or each.deleted]
    if not changed:
        OUT.print("Nothing changed: every number was as it is now.")
        return
    made = table("What changed", "Table", "Rows written", "Rows deleted", numeric=("Rows written", "Rows deleted"))
    for each in changed:
        made.add_row(each.table, number(each.written), number(each.deleted))
    OUT.print(made)
