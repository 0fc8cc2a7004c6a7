"""Runs the ingest service: settings, telemetry, database, servicer, server."""

from __future__ import annotations

from datetime import UTC, datetime

from rapport.auth.v1 import scope_pb2
from rapport.ingest.v1 import ingest_service_pb2_grpc

from services.ingest.gate import GuardedDatabase
from services.ingest.retention import Retention
from services.ingest.servicer import IngestServicer
from services.ingest.settings import IngestSettings
from services.ingest.sync_keeping import SyncKeeping
from services.ingest.tombstones import Digests
from services.runtime import process, telemetry
from services.runtime.database import Database
from services.runtime.page_tokens import Signer
from services.runtime.server import Registration, serve
from services.runtime.settings import load_settings
from services.runtime.workers import supervise
from services.storage.reading import INGEST_TRANSACTION_LIMIT, ConsistencyTokens


def clock() -> datetime:
    return datetime.now(UTC)


async def main() -> None:
    settings = load_settings(IngestSettings)
    if settings.workers > 1:
        await supervise(settings)
        return
    observed = telemetry.setup("rapport-ingest", settings)
    database = Database(settings.database_url, "rapport_ingest", transaction_limit=INGEST_TRANSACTION_LIMIT)
    keys = settings.signing_key_bytes()
    digests = Digests(keys)
    servicer = IngestServicer(database, ConsistencyTokens(keys), Signer("exchange_rates", keys), digests, clock)
    registration = Registration(
        "rapport.ingest.v1.IngestService", ingest_service_pb2_grpc.add_IngestServiceServicer_to_server, servicer
    )
    await serve(
        settings,
        [registration],
        scope_extension=scope_pb2.scope,
        telemetry=observed,
        database=GuardedDatabase(database, digests),
        background=[SyncKeeping(database, clock).run, Retention(database, clock).run],
        on_drain=[servicer.end_streams],
    )


if __name__ == "__main__":
    process.run(main())
