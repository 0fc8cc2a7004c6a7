"""Freshness and quarantine as the contract has them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.scoring.freshness import Freshness
from services.scoring.quarantine import Position, Quarantined


def freshness_to_proto(freshness: Freshness, now: datetime) -> pb.GetFreshnessResponse:
    backlog = freshness.backlog
    message = pb.GetFreshnessResponse(
        queue_depth=backlog.depth,
        quarantined=backlog.quarantined,
        swept_on="" if freshness.swept_on is None else freshness.swept_on.isoformat(),
        model_version=freshness.model_version,
        policy_version=freshness.policy_version,
        awaiting_time=freshness.awaiting_time,
    )
    message.watermark.FromDatetime(backlog.watermark)
    lag = backlog.lag(now)
    if lag is not None:
        message.lag.FromTimedelta(lag)
    if freshness.counted_at is not None:
        message.counted_at.FromDatetime(freshness.counted_at)
    return message


def quarantined_to_proto(change: Quarantined) -> pb.QuarantinedChange:
    message = pb.QuarantinedChange(
        change_id=change.change_id,
        kind=change.word,
        entity_id=change.entity_id,
        error=change.error,
        attempts=change.attempts,
    )
    message.recorded_at.FromDatetime(change.recorded_at)
    message.quarantined_at.FromDatetime(change.quarantined_at)
    return message


def retried_to_proto(
    asked: Sequence[int], found: Collection[Quarantined], failed: Sequence[Quarantined]
) -> pb.RetryQuarantineResponse:
    known = {change.change_id for change in found}
    return pb.RetryQuarantineResponse(
        counted=len(found) - len(failed),
        failed=[quarantined_to_proto(change) for change in failed],
        unknown=[change_id for change_id in asked if change_id not in known],
    )


def position_to_token(last: Quarantined) -> dict[str, str | int]:
    """Return what the token of the page after `last` carries."""
    return {"at": last.recorded_at.isoformat(), "id": last.change_id}


def position_of(payload: dict[str, str | int] | None) -> Position | None:
    """Return where the page before ended; None for the first page."""
    return None if payload is None else Position(datetime.fromisoformat(str(payload["at"])), int(payload["id"]))
