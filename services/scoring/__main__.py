"""Runs the scoring service: settings, telemetry, database, worker, servicer, server."""

from __future__ import annotations

from datetime import UTC, datetime

from rapport.auth.v1 import scope_pb2
from rapport.scoring.v1 import scoring_service_pb2_grpc

from services.runtime import process, telemetry
from services.runtime.database import Database
from services.runtime.page_tokens import Signer
from services.runtime.server import Registration, serve
from services.runtime.settings import load_settings
from services.runtime.workers import supervise
from services.scoring.metrics import BatchMetrics, FreshnessGauges
from services.scoring.servicer import ScoringServicer
from services.scoring.settings import ScoringSettings
from services.scoring.worker import Sweeper, Worker
from services.storage.reading import ConsistencyTokens

#: Connections beside those of the worker's slots: its looking for work, the sweeper and the gauges.
_OTHER_WORK = 3


def clock() -> datetime:
    return datetime.now(UTC)


async def main() -> None:
    settings = load_settings(ScoringSettings)
    if settings.workers > 1:
        await supervise(settings)
        return
    observed = telemetry.setup("rapport-scoring", settings)
    database = Database(settings.database_url, "rapport_scoring")
    # Counting has connections of its own: calls never wait for it, nor it for calls.
    counted = Database(settings.database_url, "rapport_scoring", pool_size=settings.drain_slots + _OTHER_WORK)
    worker = Worker(
        counted,
        clock,
        settings.drain_batch,
        slots=settings.drain_slots,
        limits=settings.batch_limits,
        metrics=BatchMetrics(observed.meter),
    )
    background = [worker.run, Sweeper(counted, clock).run]
    if settings.metrics_port or settings.otlp_endpoint:
        background.append(FreshnessGauges(counted, clock, observed.meter).run)
    keys = settings.signing_key_bytes()
    servicer = ScoringServicer(database, ConsistencyTokens(keys), Signer("scoring_page", keys), clock)
    registration = Registration(
        "rapport.scoring.v1.ScoringService", scoring_service_pb2_grpc.add_ScoringServiceServicer_to_server, servicer
    )
    try:
        await serve(
            settings,
            [registration],
            scope_extension=scope_pb2.scope,
            telemetry=observed,
            database=database,
            background=background,
        )
    finally:
        await counted.close()


if __name__ == "__main__":
    process.run(main())
