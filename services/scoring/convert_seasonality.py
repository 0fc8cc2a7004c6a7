"""A year's pattern as the contract has it."""

from __future__ import annotations

from datetime import datetime

from rapport.metrics.v1 import customer_pb2
from rapport.scoring.v1 import scoring_service_pb2

from services.scoring.convert import quality
from services.scoring.seasonality import Pattern, Seasonality, Subject


def subject(request: scoring_service_pb2.GetSeasonalityRequest) -> Subject:
    """Return whose pattern is asked for."""
    return Subject(
        customer_id=request.customer_id if request.HasField("customer_id") else None,
        segment=int(request.segment) if request.HasField("segment") else None,
    )


def seasonality_to_proto(found: Seasonality, watermark: datetime) -> scoring_service_pb2.GetSeasonalityResponse:
    return scoring_service_pb2.GetSeasonalityResponse(
        quarters=[_pattern(quarter) for quarter in found.quarters],
        customers=found.customers,
        p_value=found.p_value,
        quality=quality(sum(quarter.engagement_days for quarter in found.quarters), watermark),
    )


def _pattern(pattern: Pattern) -> customer_pb2.SeasonalPattern:
    return customer_pb2.SeasonalPattern(
        quarter=pattern.quarter,
        engagement=pattern.engagement_days,
        purchases=pattern.purchases,
        engagement_index=pattern.engagement_index,
        purchase_index=pattern.purchase_index,
        significant=pattern.significant,
        exposure_days=pattern.exposure_days,
    )
