"""Runs the ingest service: settings, telemetry, database, servicer, server."""

from __future__ import annotations

from datetime import UTC, datetime

from rapport.auth.v1 import scope_pb2
from rapport.ingest.v1 import ingest_service_pb2_grpc

from services.ingest.servicer import IngestServicer
from services.ingest.settings import IngestSettings
from services.runtime import process, telemetry
from services.runtime.database import Database
from services.runtime.server import Registration, serve
from services.runtime.settings import load_settings
from services.storage.reading import ConsistencyTokens


def clock() -> datetime:
    return datetime.now(UTC)


async def main() -> None:
    settings = load_settings(IngestSettings)
    observed = telemetry.setup("rapport-ingest", settings)
    database = Database(settings.database_url, "rapport_ingest")
    servicer = IngestServicer(database, ConsistencyTokens(settings.signing_key_bytes()), clock)
    registration = Registration(
        "rapport.ingest.v1.IngestService", ingest_service_pb2_grpc.add_IngestServiceServicer_to_server, servicer
    )
    await serve(settings, [registration], scope_extension=scope_pb2.scope, telemetry=observed, database=database)


if __name__ == "__main__":
    process.run(main())
