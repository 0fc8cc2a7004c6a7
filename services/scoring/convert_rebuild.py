"""Translates rebuilds."""

from __future__ import annotations

from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.scoring.rebuilding import Progress


def wanted(request: pb.RebuildRollupsRequest) -> tuple[str, int | None]:
    """Return the time zone and the attribution window to change to; empty and None for those to keep."""
    days = request.attribution_window_days if request.HasField("attribution_window_days") else None
    return request.time_zone, days


def progress_to_proto(progress: Progress) -> pb.RebuildRollupsResponse:
    return pb.RebuildRollupsResponse(
        step=progress.step,
        steps_done=progress.steps_done,
        steps_total=progress.steps_total,
        facts=progress.facts,
        rows_changed=progress.rows_changed,
    )


def finished_to_proto(progress: Progress) -> pb.RebuildRollupsResponse:
    """Return the last message, once the new numbers are what everybody sees."""
    message = progress_to_proto(progress)
    message.finished = True
    for table, (written, deleted) in progress.tables.items():
        message.tables.add(table=table, written=written, deleted=deleted)
    return message
