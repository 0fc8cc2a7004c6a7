"""Runs the alerting service: settings, telemetry, database, worker, notifier, probes, streams, servicer, server."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from uuid import uuid4

from rapport.alerting.v1 import alerting_service_pb2_grpc
from rapport.auth.v1 import scope_pb2

from services.alerting import worker
from services.alerting.log_reader import LogReader
from services.alerting.metrics import Gauges, MeasuredDelivery, RoundMetrics
from services.alerting.prober import Prober
from services.alerting.retention import Retention
from services.alerting.servicer import AlertingServicer
from services.alerting.settings import AlertingSettings
from services.alerting.streams import Streams
from services.alerting.tail import Tails
from services.alerting.telling import notifier
from services.runtime import process, telemetry
from services.runtime.database import Database
from services.runtime.page_tokens import Signer
from services.runtime.server import Registration, serve
from services.runtime.settings import load_settings
from services.runtime.workers import supervise


def clock() -> datetime:
    return datetime.now(UTC)


def heartbeat_s() -> float:
    # Uneven, so that streams that began together do not go on together.
    return random.uniform(9, 11)  # noqa: S311  # no secret


async def main() -> None:
    settings = load_settings(AlertingSettings)
    if settings.workers > 1:
        await supervise(settings)
        return
    observed = telemetry.setup("rapport-alerting", settings)
    database = Database(settings.database_url, "rapport_alerting", pool_size=10)
    # Evaluation and telling have connections of their own, and more to look for work: calls and streams never wait for them, nor
    # they for calls. What was delivered is noted on those of telling.
    evaluated = Database(settings.database_url, "rapport_alerting", pool_size=worker.AT_ONCE + 1)
    told = Database(settings.database_url, "rapport_alerting", pool_size=notifier.AT_ONCE + 4)
    keys = settings.signing_key_bytes()
    reader = LogReader(database, uuid4)
    streams = Streams(reader, Tails(reader), Signer("resume", keys), heartbeat_s)
    delivery = MeasuredDelivery(settings.receivers(), clock, observed.meter)
    servicer = AlertingServicer(database, streams, Signer("page", keys), clock, delivery=delivery)
    rounds = RoundMetrics(observed.meter)
    background = [
        worker.Worker(evaluated, observed.tracer, clock, uuid4, rounds).run,
        notifier.Notifier(told, delivery, clock, uuid4).run,
        Prober(database, settings.probed(), clock).run,
        Retention(database, clock).run,
    ]
    if settings.metrics_port or settings.otlp_endpoint:
        background.append(Gauges(database, clock, observed.meter, rounds).run)
    add = alerting_service_pb2_grpc.add_AlertingServiceServicer_to_server
    try:
        await serve(
            settings,
            [Registration("rapport.alerting.v1.AlertingService", add, servicer)],
            scope_extension=scope_pb2.scope,
            telemetry=observed,
            database=database,
            background=background,
            on_drain=[streams.close],
        )
    finally:
        await evaluated.close()
        await told.close()


if __name__ == "__main__":
    process.run(main())
