"""`rapport history`: an agent's grades as the end of each day found them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rapport.scoring.v1.scoring_service_pb2 import GradeSnapshot, ListGradeHistoryRequest
from rapport.scoring.v1.scoring_service_pb2_grpc import ScoringServiceStub
from rich.table import Table

from services.cli.calling import DEADLINE_S, Address, Addresses, connected, run
from services.cli.layout import NOTHING, OUT, number, optional, print_json, sparkline, table

_WINDOWS = (1, 7, 30, 90)
_DEFAULT_WINDOW = 30


def _window(text: str) -> int:
    if text not in {str(days) for days in _WINDOWS}:
        raise typer.BadParameter(f"{text!r} is none of {', '.join(str(days) for days in _WINDOWS)}")
    return int(text)


def history(
    context: typer.Context,
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="The agent's id.")],
    *,
    window: Annotated[
        int | None,
        typer.Option(parser=_window, metavar="1|7|30|90", help="Days up to each day that its grade is of. Default 30."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=400, metavar="COUNT", help="How many days to show.")] = 30,
    json: Annotated[bool, typer.Option("--json", help="Print what the HTTP surface answers.")] = False,
) -> None:
    """An agent's earlier grades, the newest day first.

    Each is as the end of its day found it, and stays so, whatever is recorded later: only `rapport performance` counts that.
    """
    addresses: Addresses = context.obj
    request = ListGradeHistoryRequest(agent_id=agent, window_days=window or _DEFAULT_WINDOW, page_size=limit)
    run(_history(addresses.scoring, request, json))


async def _history(address: Address, request: ListGradeHistoryRequest, json: bool) -> int:
    async with connected(address) as channel:
        answer = await ScoringServiceStub(channel).ListGradeHistory(request, timeout=DEADLINE_S)
    if json:
        print_json(answer)
        return 0
    OUT.print(f"Agent {request.agent_id} · grades of {request.window_days} days", style="bold")
    if not answer.snapshots:
        OUT.print("No grades are kept yet: those of a day are kept when it ends.")
        return 0
    OUT.print(_course(answer.snapshots))
    OUT.print(_table(answer.snapshots))
    if any(snapshot.provisional for snapshot in answer.snapshots):
        OUT.print("* provisional: few conversations", style="dim")
    if answer.next_page_token:
        OUT.print("There are older days; ask for more with --limit.", style="yellow")
    return 0


def _course(snapshots: Sequence[GradeSnapshot]) -> str:
    """Return the scores in a line, the oldest first, of as many days as there is room for."""
    scores = [optional(snapshot, "score") for snapshot in reversed(snapshots)]
    told = [score for score in scores if score is not None]
    if not told:
        return "score  nothing could be graded"
    low, high = min(told), max(told)
    ends = f"  from {low:.1f} to {high:.1f}"
    return f"score  {sparkline(scores[-(OUT.width - len(ends) - 8) :], low, high)}{ends}"


def _table(snapshots: Sequence[GradeSnapshot]) -> Table:
    numeric = ("Score", "Adjusted", "Rank", "n", "Coverage", "Policy")
    made = table("Day by day", "Day", "Grade", "Score", "Adjusted", "90 % range", "Rank", "n", "Coverage", "Policy",
                 numeric=numeric, spared=("90 % range", "Coverage"))  # fmt: skip
    for day in snapshots:
        coverage = optional(day, "coverage")
        made.add_row(
            day.day,
            (day.grade or NOTHING) + (" *" if day.provisional else ""),
            number(optional(day, "score"), 1),
            number(optional(day, "adjusted_score"), 1),
            f"{day.adjusted_interval.low:.0f} to {day.adjusted_interval.high:.0f}"
            if day.HasField("adjusted_interval")
            else NOTHING,
            number(optional(day, "rank")),
            number(day.n),
            NOTHING if coverage is None else f"{coverage:.0%}",
            str(day.policy_version),
        )
    return made
