"""Answers the calls about customers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.runtime import windows
from services.scoring import convert, convert_seasonality, customer_store, model_store, policy_store, seasonality_store
from services.scoring.calls import Calls, require
from services.scoring.policy import Policy
from services.scoring.scores import score
from services.scoring.seasonality import seasonality
from services.storage.reading import get_settings, get_watermark


class CustomerCalls(Calls):
    """What customers will probably do, and when in the year they come."""

    async def ScoreCustomers(self, request: pb.ScoreCustomersRequest, context: Any) -> pb.ScoreCustomersResponse:
        await self._tokens.wait(self._database, request.consistency_token, context.time_remaining())
        now, ids = self._clock(), request.customer_ids
        async with self._database.snapshot() as conn:
            settings = await get_settings(conn)
            customers = await customer_store.get_customers(conn, settings.reporting_currency, ids)
            require("CUSTOMER_NOT_FOUND", "customer", [c for c in ids if c not in set(customers.ids)])
            models = await model_store.get_models(conn, settings.reporting_currency)
            policy = await policy_store.get_policy(conn) or Policy()
            sweep = await customer_store.get_sweep(conn)
            since = await customer_store.get_segments_since(conn, ids)
            watermark = await get_watermark(conn, now)
        today = windows.local_day(now, settings.time_zone)
        scored = {s.customer_id: s for s in score(customers, today, models, sweep.thresholds, policy.segments)}
        versions = {"model_version": models.version, "policy_version": policy.version}
        return pb.ScoreCustomersResponse(
            scores=[
                convert.score_to_proto(
                    scored[c], sweep.upsell_percentiles, since=_since(scored[c].segment, since.get(c)), **versions
                )
                for c in ids
            ],
            quality=convert.quality(len(scored), watermark, policy_version=policy.version),
        )

    async def GetSeasonality(self, request: pb.GetSeasonalityRequest, context: Any) -> pb.GetSeasonalityResponse:
        now = self._clock()
        subject = convert_seasonality.subject(request)
        async with self._database.snapshot() as conn:
            settings = await get_settings(conn)
            if subject.customer_id is not None:
                known = await customer_store.get_known(conn, [subject.customer_id])
                require("CUSTOMER_NOT_FOUND", "customer", [] if known else [subject.customer_id])
            counts = await seasonality_store.count_by_quarter(conn, subject)
            cohorts = await seasonality_store.get_cohorts(conn, subject)
            watermark = await get_watermark(conn, now)
        found = seasonality(counts, cohorts, windows.local_day(now, settings.time_zone))
        return convert_seasonality.seasonality_to_proto(found, watermark)


def _since(segment: int | None, found: tuple[int, datetime] | None) -> datetime | None:
    """Return since when a customer has been in a segment, None when the daily sweeps found another one."""
    return found[1] if found is not None and found[0] == segment else None
