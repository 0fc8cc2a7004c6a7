"""Notifications of before that there was no need for any more are dropped, and those that failed stay so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg

from services.alerting.telling.attempts import State
from services.alerting.telling.notices import (
    CHANNEL_CHANGED,
    CHANNEL_DELETED,
    HELD,
    NEVER_BEGUN,
    OVER,
    SUPERSEDED,
    TOO_MANY_WAIT,
)
from services.storage import migrate

AT = datetime(2026, 5, 4, 12, tzinfo=UTC)
REFUSED = "the receiver refused it with status 403"
MADE = "tenant_id, notification_id, channel_id, route_id, names, alert_ids, payload, state, created_at"
TRIED = "tenant_id, notification_id, number, at, took_ms, error"
#: What the attempts said, how it stood, and how it stands afterwards.
STORED = (
    *(([each], State.FAILED, State.DROPPED) for each in (SUPERSEDED, HELD, NEVER_BEGUN, CHANNEL_DELETED, CHANNEL_CHANGED, OVER)),
    ([REFUSED, SUPERSEDED], State.FAILED, State.DROPPED),
    ([REFUSED, OVER], State.FAILED, State.FAILED),
    ([REFUSED], State.FAILED, State.FAILED),
    ([TOO_MANY_WAIT], State.FAILED, State.FAILED),
    # Not the last: it was tried again, by who did not know that it was given up.
    ([CHANNEL_DELETED, REFUSED], State.FAILED, State.FAILED),
    ([CHANNEL_DELETED, ""], State.DELIVERED, State.DELIVERED),
    ([REFUSED], State.PENDING, State.PENDING),
)


def test_what_was_needless_is_dropped_of_every_tenant(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url, "0014")
    tenants = ("north", "south")
    with psycopg.connect(empty_database_url) as conn:
        for tenant in tenants:
            for n, (errors, state, _) in enumerate(STORED):
                row = [tenant, UUID(int=n), int(state), AT]
                conn.execute(
                    f"INSERT INTO alerting.notification ({MADE}) VALUES (%s, %s, 'c', 'r', '{{}}', '{{}}', '{{}}', %s, %s)", row
                )
                for number, error in enumerate(errors, 1):
                    tried = [tenant, UUID(int=n), number, AT + timedelta(seconds=number), error]
                    conn.execute(f"INSERT INTO alerting.attempt ({TRIED}) VALUES (%s, %s, %s, %s, 1, %s)", tried)
    # Twice: what was dropped stays so.
    for _ in range(2):
        migrate.upgrade(empty_database_url)
        with psycopg.connect(empty_database_url) as conn:
            found = conn.execute("SELECT tenant_id, state FROM alerting.notification ORDER BY tenant_id, notification_id")
            assert found.fetchall() == [(tenant, int(after)) for tenant in tenants for _, _, after in STORED]
            conn.execute("UPDATE alembic_version SET version_num = '0014'")
