"""Answers ScoringService's calls."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from rapport.scoring.v1 import scoring_service_pb2 as pb
from rapport.scoring.v1 import scoring_service_pb2_grpc

from services.runtime import windows
from services.runtime.database import Database
from services.runtime.errors import NotFound
from services.scoring import convert, customer_store, store
from services.scoring.agents import grade_agents
from services.scoring.grading import Policy
from services.scoring.scores import score
from services.storage.reading import ConsistencyTokens, get_settings, get_watermark

#: Version of the customer models' parameters: the published ones, until a tenant's own are fitted.
MODEL_VERSION = 0


class ScoringServicer(scoring_service_pb2_grpc.ScoringServiceServicer):
    """Grades and scores from the rollups, as they are at one moment."""

    def __init__(self, database: Database, tokens: ConsistencyTokens, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._tokens = tokens
        self._clock = clock

    async def GradeAgents(self, request: pb.GradeAgentsRequest, context: Any) -> pb.GradeAgentsResponse:
        await self._tokens.wait(self._database, request.consistency_token, context.time_remaining())
        now, policy = self._clock(), Policy()
        async with self._database.snapshot() as conn:
            settings = await get_settings(conn)
            window = windows.resolve(
                convert.moment(request, "start_time"), convert.moment(request, "end_time"), settings.time_zone, now
            )
            known = await store.get_known_agents(conn, request.agent_ids)
            _require("AGENT_NOT_FOUND", "agent", [a for a in request.agent_ids if a not in known])
            sums = await store.get_sums(conn, window, settings.reporting_currency)
            watermark = await get_watermark(conn, now)
        wanted = list(request.agent_ids) or [s.agent_id for s in sums if s.conversations]
        graded = grade_agents(sums, wanted, policy)
        n = sum(g.n for g in graded)
        return pb.GradeAgentsResponse(
            grades=[convert.grade_to_proto(g) for g in graded],
            quality=convert.quality(n, watermark, window=window, policy_version=policy.version),
            policy=convert.policy_to_proto(policy),
        )

    async def ScoreCustomers(self, request: pb.ScoreCustomersRequest, context: Any) -> pb.ScoreCustomersResponse:
        await self._tokens.wait(self._database, request.consistency_token, context.time_remaining())
        now = self._clock()
        async with self._database.snapshot() as conn:
            settings = await get_settings(conn)
            found = {
                c.customer_id: c
                for c in await customer_store.get_customers(conn, settings.reporting_currency, request.customer_ids)
            }
            _require("CUSTOMER_NOT_FOUND", "customer", [c for c in request.customer_ids if c not in found])
            mean_order = await customer_store.get_mean_order(conn, settings.reporting_currency)
            sweep = await customer_store.get_sweep(conn)
            watermark = await get_watermark(conn, now)
        today = windows.local_day(now, settings.time_zone)
        scored = score([found[c] for c in request.customer_ids], today, mean_order, sweep.thresholds)
        return pb.ScoreCustomersResponse(
            scores=[convert.score_to_proto(s, sweep.upsell_percentiles, MODEL_VERSION) for s in scored],
            quality=convert.quality(len(scored), watermark),
        )


def _require(reason: str, what: str, missing: list[str]) -> None:
    if missing:
        raise NotFound(reason, f"no fact names {what} {missing[0]!r}")
