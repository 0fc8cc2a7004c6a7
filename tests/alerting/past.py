"""A tenant with 60 days of the past, on which rules are tried."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from tests.alerting.house import House
from tests.alerting.rollups import QUARTER, Rollups, random_quarter

ZONE = "Europe/Berlin"
#: Around the end of daylight saving time, and of a day of the tenant.
START = datetime(2026, 10, 24, 16, tzinfo=UTC)
BEGUN = START - timedelta(days=60)


def timestamp(at: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(at)
    return made


async def prepare(house: House) -> Rollups:
    """Give the tenant a zone, exchange rates, targets and 60 days of the past."""
    await house.facts.rows(
        "INSERT INTO ingest.tenant_settings (tenant_id, reporting_currency, time_zone, attribution_window_days, version,"
        " updated_at) VALUES ('default', 'USD', %s, 7, 1, now())",
        ZONE,
    )
    await house.facts.rows(
        "INSERT INTO ingest.exchange_rate (tenant_id, from_currency, to_currency, day, rate, updated_at)"
        " SELECT 'default', 'EUR', 'USD', d, 1.1, now() FROM generate_series('2026-08-20'::date, '2026-11-01', '3 days') AS d"
    )
    house.clock.now = START
    r, rollups = random.Random(1), Rollups(house.url, ZONE)
    # Far back one hour a day is enough.
    sparse = (START - timedelta(days=16) - BEGUN) // QUARTER
    quarters = [random_quarter(r, BEGUN + n * QUARTER) for n in range((START - BEGUN) // QUARTER) if n > sparse or n % 96 < 4]
    await rollups.write(quarters)
    return rollups
