"""Requests that were answered before they had a table of their own are known in it."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import psycopg

from services.storage import migrate

AT = datetime(2026, 5, 4, 12, tzinfo=UTC)
FIRST, SECOND = UUID(int=1), UUID(int=2)
NOTED, ACKNOWLEDGED = 8, 6


def test_requests_of_acts_are_taken_over_and_acts_stay(empty_database_url: str) -> None:
    """Of each tenant; an act without an id has no request, the same id may be another tenant's, and a digest cannot be made."""
    migrate.upgrade(empty_database_url, "0012")
    acts = (
        ("north", 1, FIRST, NOTED, "key-1"),
        ("north", 2, FIRST, ACKNOWLEDGED, ""),
        ("north", 3, SECOND, ACKNOWLEDGED, "key-2"),
        ("north", 4, SECOND, ACKNOWLEDGED, ""),
        ("south", 1, SECOND, NOTED, "key-1"),
    )
    with psycopg.connect(empty_database_url) as conn:
        for tenant, revision, alert_id, kind, key in acts:
            conn.execute(
                "INSERT INTO alerting.act (tenant_id, revision, alert_id, kind, author, comment, at, request_id) "
                "VALUES (%s, %s, %s, %s, 'ada', 'mine', %s, %s)",
                [tenant, revision, alert_id, kind, AT, key],
            )
    migrate.upgrade(empty_database_url)
    with psycopg.connect(empty_database_url) as conn:
        taken = "SELECT tenant_id, request_key, alert_id, kind, digest, at FROM alerting.act_request ORDER BY 1, 2"
        assert conn.execute(taken).fetchall() == [
            ("north", "key-1", FIRST, NOTED, "", AT),
            ("north", "key-2", SECOND, ACKNOWLEDGED, "", AT),
            ("south", "key-1", SECOND, NOTED, "", AT),
        ]
        stored = "SELECT tenant_id, revision, alert_id, kind, author FROM alerting.act ORDER BY tenant_id, revision"
        assert conn.execute(stored).fetchall() == [(*act[:4], "ada") for act in acts]


def test_only_probes_that_were_all_good_say_when_the_last_good_one_was(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url, "0012")
    with psycopg.connect(empty_database_url) as conn:
        for service, probes, good in (("ingest", 5, 5), ("query", 5, 4), ("scoring", 5, 0)):
            conn.execute(
                "INSERT INTO alerting.probe (service, bucket, probes, good, state, checked_at) VALUES (%s, %s, %s, %s, 1, %s)",
                [service, AT, probes, good, AT],
            )
    migrate.upgrade(empty_database_url)
    with psycopg.connect(empty_database_url) as conn:
        found = conn.execute("SELECT service, good_at FROM alerting.probe ORDER BY service").fetchall()
        assert found == [("ingest", AT), ("query", None), ("scoring", None)]
