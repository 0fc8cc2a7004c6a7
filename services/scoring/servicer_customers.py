"""Answers the calls about customers."""

from __future__ import annotations

from typing import Any

from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.runtime import windows
from services.scoring import convert, customer_store
from services.scoring.calls import Calls, require
from services.scoring.scores import score
from services.storage.reading import get_settings, get_watermark

#: Version of the customer models' parameters: the published ones, until a tenant's own are fitted.
MODEL_VERSION = 0


class CustomerCalls(Calls):
    """Customers' scores."""

    async def ScoreCustomers(self, request: pb.ScoreCustomersRequest, context: Any) -> pb.ScoreCustomersResponse:
        await self._tokens.wait(self._database, request.consistency_token, context.time_remaining())
        now = self._clock()
        async with self._database.snapshot() as conn:
            settings = await get_settings(conn)
            found = {
                c.customer_id: c
                for c in await customer_store.get_customers(conn, settings.reporting_currency, request.customer_ids)
            }
            require("CUSTOMER_NOT_FOUND", "customer", [c for c in request.customer_ids if c not in found])
            mean_order = await customer_store.get_mean_order(conn, settings.reporting_currency)
            sweep = await customer_store.get_sweep(conn)
            watermark = await get_watermark(conn, now)
        today = windows.local_day(now, settings.time_zone)
        scored = score([found[c] for c in request.customer_ids], today, mean_order, sweep.thresholds)
        return pb.ScoreCustomersResponse(
            scores=[convert.score_to_proto(s, sweep.upsell_percentiles, MODEL_VERSION) for s in scored],
            quality=convert.quality(len(scored), watermark),
        )
