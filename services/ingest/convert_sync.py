"""How sources report, as the contract has it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from rapport.ingest.v1 import ingest_service_pb2 as pb
from rapport.insight.v1 import event_pb2

from services.ingest.sync_status import CONVERSATIONS, Counts, SourceStatus, is_silent
from services.runtime.windows import local_day, midnight

#: Days that are answered for when the request does not say.
_DEFAULT_DAYS = 7
#: What the contract's counters hold.
_MOST = 2**31 - 1


def source_of(message: Any) -> int | None:
    """Return the source that a report counts for; None for an event that does not say which of the seven it is from."""
    if not isinstance(message, event_pb2.SyncEvent):
        return CONVERSATIONS
    return message.source if message.source in event_pb2.EventSource.values()[1:] else None


def days_of(request: pb.GetSyncStatusRequest, zone: str, now: datetime) -> list[tuple[date, datetime]]:
    """Return the days that are asked for in the tenant's zone, each with its first moment, the oldest first."""
    today, count = local_day(now, zone), request.days if request.HasField("days") else _DEFAULT_DAYS
    days = (today - timedelta(days=ago) for ago in reversed(range(count)))
    return [(day, midnight(day, zone)) for day in days]


def status_to_proto(sources: Iterable[SourceStatus], now: datetime) -> pb.GetSyncStatusResponse:
    """Return how sources report, as found at `now`."""
    answer = pb.GetSyncStatusResponse(sources=[_source(source, now) for source in sources])
    answer.as_of.FromDatetime(now)
    return answer


def counts_to_proto(counts: Counts) -> pb.OutcomeCounts:
    """Return counts as the contract has them."""
    return pb.OutcomeCounts(
        created=min(counts.created, _MOST),
        updated=min(counts.updated, _MOST),
        duplicate=min(counts.duplicate, _MOST),
        stale=min(counts.stale, _MOST),
        rejected=min(counts.rejected, _MOST),
    )


def _source(status: SourceStatus, now: datetime) -> pb.SourceStatus:
    message = pb.SourceStatus(totals=counts_to_proto(status.totals), silent=is_silent(status.history, now))
    if status.source != CONVERSATIONS:
        message.source = event_pb2.EventSource.ValueType(status.source)
    for day, counts in status.days:
        message.days.add(date=day.isoformat(), received=min(counts.received, _MOST), counts=counts_to_proto(counts))
    if status.history is not None:
        _tell_times(message, status.history.last_event, status.history.last_received, now)
    return message


def _tell_times(message: pb.SourceStatus, event: datetime | None, received: datetime, now: datetime) -> None:
    message.last_received_time.FromDatetime(received)
    message.silence_seconds = max((now - received).total_seconds(), 0.0)
    if event is not None:
        message.last_event_time.FromDatetime(event)
        message.lag_seconds = max((received - event).total_seconds(), 0.0)
