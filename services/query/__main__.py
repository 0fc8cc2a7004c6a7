"""Runs the query service: settings, telemetry, database, siblings, servicer, server."""

from __future__ import annotations

from datetime import UTC, datetime

from rapport.auth.v1 import scope_pb2
from rapport.query.v1 import query_service_pb2_grpc

from services.query.paging import Pages
from services.query.servicer import QueryServicer
from services.query.settings import QuerySettings
from services.query.siblings import Siblings
from services.runtime import process, telemetry
from services.runtime.channels import client_channel
from services.runtime.database import Database
from services.runtime.server import Registration, serve
from services.runtime.settings import load_settings
from services.runtime.workers import supervise
from services.storage.reading import ConsistencyTokens


def clock() -> datetime:
    return datetime.now(UTC)


async def main() -> None:
    settings = load_settings(QuerySettings)
    if settings.workers > 1:
        await supervise(settings)
        return
    observed = telemetry.setup("rapport-query", settings)
    database = Database(settings.database_url, "rapport_query")
    keys = settings.signing_key_bytes()
    async with client_channel(settings.scoring_address) as scoring, client_channel(settings.alerting_address) as alerting:
        servicer = QueryServicer(
            database,
            Siblings(scoring, alerting),
            ConsistencyTokens(keys),
            Pages(keys),
            clock,
            max_exports=settings.max_exports,
        )
        registration = Registration(
            "rapport.query.v1.QueryService", query_service_pb2_grpc.add_QueryServiceServicer_to_server, servicer
        )
        await serve(
            settings,
            [registration],
            scope_extension=scope_pb2.scope,
            telemetry=observed,
            database=database,
            on_drain=[servicer.end_streams],
        )


if __name__ == "__main__":
    process.run(main())
