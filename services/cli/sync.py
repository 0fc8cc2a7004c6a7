"""`rapport sync`: how each source's reports come in."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Annotated

import typer
from rapport.ingest.v1.ingest_service_pb2 import GetSyncStatusRequest, GetSyncStatusResponse, SourceStatus
from rapport.ingest.v1.ingest_service_pb2_grpc import IngestServiceStub
from rapport.insight.v1.event_pb2 import EventSource

from services.cli.calling import DEADLINE_S, Address, Addresses, connected, run
from services.cli.layout import OUT, number, optional, print_json, span, sparkline, table

_COUNTS = ("Created", "Updated", "Duplicate", "Stale", "Rejected")
_COLUMNS = ("Source", "Received", *_COUNTS, "Quiet for", "Lag")
#: What is left out first where the terminal is narrow.
_SPARED = ("Stale", "Updated", "Duplicate", "Lag")
#: Days that are drawn even where there is no room for them.
_FEWEST_DAYS = 7
#: Characters between two columns.
_BETWEEN = 3


def sync(
    context: typer.Context,
    *,
    days: Annotated[int, typer.Option(min=1, max=90, metavar="DAYS", help="Days to show, today included.")] = 7,
    json: Annotated[bool, typer.Option("--json", help="Print what the HTTP surface answers.")] = False,
) -> None:
    """How each source's reports come in.

    Counts by what became of them, the days one by one, and which sources have fallen silent.
    """
    addresses: Addresses = context.obj
    run(_sync(addresses.ingest, days, json))


async def _sync(address: Address, days: int, json: bool) -> int:
    async with connected(address) as channel:
        answer = await IngestServiceStub(channel).GetSyncStatus(GetSyncStatusRequest(days=days), timeout=DEADLINE_S)
    print_json(answer) if json else _show(answer, days)
    return 0


def _show(answer: GetSyncStatusResponse, days: int) -> None:
    cells = [_cells(source) for source in answer.sources]
    widths = {name: max(len(name), *(len(row[name]) for row in cells)) for name in _COLUMNS}
    names = list(_COLUMNS)
    for spared in _SPARED:
        if _room(widths[name] for name in names) < min(days, _FEWEST_DAYS):
            names.remove(spared)
    shown = _days(answer, min(days, max(_FEWEST_DAYS, _room(widths[name] for name in names))))
    title = f"Reports of {days} days" if days > 1 else "Reports of today"
    made = table(title, *names, "By day", numeric=names[1:])
    for source, row in zip(answer.sources, cells, strict=True):
        made.add_row(*(row[name] for name in names), _drawn(source, shown), style="red" if source.silent else None)
    OUT.print(made)
    silent = [_name(source) for source in answer.sources if source.silent]
    if silent:
        OUT.print(f"Silent: {', '.join(silent)}", style="red")


def _room(widths: Iterable[int]) -> int:
    """Return how many characters columns of these widths leave for another."""
    return OUT.width - 2 - sum(width + _BETWEEN for width in widths)


def _days(answer: GetSyncStatusResponse, count: int) -> list[str]:
    """Return the last days. They are the tenant's: the newest that is told of, or today, is the last."""
    told = [date.fromisoformat(day.date) for source in answer.sources for day in source.days]
    last = max(told, default=answer.as_of.ToDatetime().date())
    return [(last - timedelta(days=ago)).isoformat() for ago in reversed(range(count))]


def _cells(source: SourceStatus) -> dict[str, str]:
    totals = source.totals
    counts = (totals.created, totals.updated, totals.duplicate, totals.stale, totals.rejected)
    return {
        "Source": _name(source),
        "Received": number(sum(day.received for day in source.days)),
        **{name: number(count) for name, count in zip(_COUNTS, counts, strict=True)},
        "Quiet for": span(optional(source, "silence_seconds")),
        "Lag": span(optional(source, "lag_seconds")),
    }


def _drawn(source: SourceStatus, days: Iterable[str]) -> str:
    received = {day.date: day.received for day in source.days}
    counts = [received.get(day) or None for day in days]
    return sparkline(counts, 0, max(filter(None, counts), default=0))


def _name(source: SourceStatus) -> str:
    if not source.HasField("source"):
        return "conversations"
    return EventSource.Name(source.source).removeprefix("EVENT_SOURCE_").replace("_", " ").lower()
