"""Answers the calls about customers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.runtime import windows
from services.scoring import basis_store, convert, convert_seasonality, customer_store, seasonality_store
from services.scoring.calls import Calls, require
from services.scoring.scores import Scores, score
from services.scoring.seasonality import seasonality
from services.storage.reading import standing
from services.storage.readings import read


class CustomerCalls(Calls):
    """What customers will probably do, and when in the year they come."""

    async def ScoreCustomers(self, request: pb.ScoreCustomersRequest, context: Any) -> pb.ScoreCustomersResponse:
        await self._tokens.wait(self._database, request.consistency_token, context.time_remaining())
        now, ids = self._clock(), request.customer_ids
        async with self._database.snapshot() as conn:
            basis = await basis_store.get_basis(conn, now)
            currency, policy, sweep = basis.settings.reporting_currency, basis.policy, basis.sweep
            customers = await customer_store.get_customers(conn, currency, ids)
            places = {customer_id: i for i, customer_id in enumerate(customers.ids)}
            unknown = set() if request.skip_unknown else set(ids).difference(places)
            require("CUSTOMER_NOT_FOUND", "customer", "customer_ids[{}]", ids, unknown)
            models = await self._models.get(conn, basis.newest, currency)
        today = windows.local_day(now, basis.settings.time_zone)
        scores = score(customers, today, models, sweep.thresholds, policy.segments)
        versions = {"model_version": models.version, "policy_version": policy.version}
        return pb.ScoreCustomersResponse(
            scores=[
                convert.score_to_proto(scores[i], sweep.upsell_percentiles, since=_since(scores, i), **versions)
                for i in (places[c] for c in ids if c in places)
            ],
            quality=convert.quality(len(scores), basis.watermark, policy_version=policy.version),
        )

    async def GetSeasonality(self, request: pb.GetSeasonalityRequest, context: Any) -> pb.GetSeasonalityResponse:
        now = self._clock()
        subject = convert_seasonality.subject(request)
        async with self._database.snapshot() as conn:
            settings, watermark = await read(conn, standing(now))
            counts, cohorts = await seasonality_store.count_by_quarter(conn, subject)
            # A customer of a cohort is known; another may have been named by a fact, and never have engaged.
            if subject.customer_id is not None and not cohorts:
                known = await customer_store.is_known(conn, subject.customer_id)
                asked = [subject.customer_id]
                require("CUSTOMER_NOT_FOUND", "customer", "customer_id", asked, [] if known else asked)
        found = seasonality(counts, cohorts, windows.local_day(now, settings.time_zone))
        return convert_seasonality.seasonality_to_proto(found, watermark)


def _since(scores: Scores, i: int) -> datetime | None:
    """Return since when the customer at a place has been in the segment, None when the daily sweeps found another one."""
    customers, segment = scores.customers, scores.segment[i]
    return customers.segment_since[i] if segment and segment == customers.segment[i] else None
