"""Runs the scoring service: settings, telemetry, database, worker, servicer, server."""

from __future__ import annotations

from datetime import UTC, datetime

from rapport.auth.v1 import scope_pb2
from rapport.scoring.v1 import scoring_service_pb2_grpc

from services.runtime import process, telemetry
from services.runtime.database import Database
from services.runtime.server import Registration, serve
from services.runtime.settings import load_settings
from services.runtime.workers import supervise
from services.scoring.servicer import ScoringServicer
from services.scoring.settings import ScoringSettings
from services.scoring.worker import Sweeper, Worker
from services.storage.reading import ConsistencyTokens


def clock() -> datetime:
    return datetime.now(UTC)


async def main() -> None:
    settings = load_settings(ScoringSettings)
    if settings.workers > 1:
        await supervise(settings)
        return
    observed = telemetry.setup("rapport-scoring", settings)
    database = Database(settings.database_url, "rapport_scoring")
    worker = Worker(database, clock, settings.drain_batch)
    sweeper = Sweeper(database, clock)
    servicer = ScoringServicer(database, ConsistencyTokens(settings.signing_key_bytes()), clock)
    registration = Registration(
        "rapport.scoring.v1.ScoringService", scoring_service_pb2_grpc.add_ScoringServiceServicer_to_server, servicer
    )
    await serve(
        settings,
        [registration],
        scope_extension=scope_pb2.scope,
        telemetry=observed,
        database=database,
        background=[worker.run, sweeper.run],
    )


if __name__ == "__main__":
    process.run(main())
