"""Questions about a period: how it is named at the terminal, and how it is asked for."""

from __future__ import annotations

from typing import Annotated, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from rapport.insight.v1.vocabulary_pb2 import Platform
from rapport.metrics.v1.common_pb2 import Window
from rapport.query.v1.metrics_pb2 import QueryMetricsRequest
from rapport.query.v1.query_service_pb2_grpc import QueryServiceStub

from services.cli.calling import DEADLINE_S, CommandFailed
from services.cli.windows import Period


class _Windowed(Protocol):
    @property
    def start_time(self) -> Timestamp: ...
    @property
    def end_time(self) -> Timestamp: ...


Days = Annotated[
    int | None, typer.Option(min=1, max=3660, metavar="DAYS", help="The tenant's last DAYS days, today included. Default 30.")
]
Start = Annotated[str | None, typer.Option(metavar="TIME", help="First day or moment, such as 2025-07-01 or 2025-07-01T09:00Z.")]
End = Annotated[str | None, typer.Option(metavar="TIME", help="First day or moment after the period.")]


#: How what belongs to no platform is named.
_NO_PLATFORM = "none"


def _platform(word: str) -> Platform.Value.ValueType:
    if word == _NO_PLATFORM:
        return Platform.unspecified
    known = {name: number for name, number in Platform.Value.items() if number != Platform.unspecified}
    if word not in known:
        raise typer.BadParameter(f"{word!r} is none of {', '.join([*known, _NO_PLATFORM])}")
    return known[word]


Platforms = Annotated[
    list[Platform.Value.ValueType] | None,
    typer.Option(
        "--platform", parser=_platform, metavar="PLATFORM", help="Only what belongs to it, or to none. May be repeated."
    ),
]
Industries = Annotated[
    list[str] | None,
    typer.Option("--industry", metavar="INDUSTRY", help="Only conversations of this industry, or agents'. May be repeated."),
]


def period(days: int | None, start: str | None, end: str | None) -> Period:
    """Return the period that the options name. Raises typer.BadParameter."""
    try:
        return Period(days, start, end)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


async def place(request: _Windowed, asked: Period, stub: QueryServiceStub, time_zone: str = "") -> None:
    """Set a request's window; where days are meant, of a zone or of the tenant, the service tells which they are."""
    zone = default_end = None
    if asked.needs_zone:
        window = await _default_window(stub, time_zone)
        zone = _zone(window.time_zone)
        default_end = window.end.ToDatetime(zone)
    start, end = asked.bounds(zone, default_end)
    if start:
        request.start_time.FromDatetime(start)
    if end:
        request.end_time.FromDatetime(end)


async def _default_window(stub: QueryServiceStub, time_zone: str) -> Window:
    """Return the window of a question without one: its zone, and when today ends. No other question is answered as soon."""
    request = QueryMetricsRequest(measures=["totalConversations"], time_zone=time_zone)
    return (await stub.QueryMetrics(request, timeout=DEADLINE_S)).quality.window


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        raise CommandFailed(f"the time zone {name!r} is not known here") from None
