"""What the database holds, read as its owner."""

from __future__ import annotations

import time
from decimal import Decimal

import psycopg

from services.storage.verify import compare
from tests.chaos.ledger import Ledger, Stored, differing

TENANT = "default"
_DRAIN_S = 180


def read(url: str) -> Stored:
    """Return the stored facts."""
    with psycopg.connect(url, connect_timeout=10) as conn:
        conversations = conn.execute("SELECT conversation_id, revision, message_count FROM ingest.conversation").fetchall()
        events = conn.execute("SELECT event_id FROM ingest.event").fetchall()
    stored = {id_: (int(revision), int(messages)) for id_, revision, messages in conversations}
    assert len(stored) == len(conversations), "a conversation is stored twice"
    return Stored(stored, frozenset(id_ for (id_,) in events))


def miscounted(url: str, ledger: Ledger) -> set[str]:
    """Return what scoring, once it has counted everything, does not count exactly once."""
    with compare.connect(url) as conn:
        result = compare.compare_tenant(conn, TENANT, time.monotonic() + _DRAIN_S, lambda _: None)
    found = {f"{table.table}: {row}" for table in result.tables for row in table.examples}
    with psycopg.connect(url) as conn:
        conversations = conn.execute("SELECT coalesce(sum(conversations), 0) FROM scoring.agent_day").fetchone()
        revenue = conn.execute("SELECT coalesce(sum(amount), 0) FROM scoring.revenue_day").fetchone()
    assert conversations is not None
    assert revenue is not None
    return found | differing(
        [
            ("changes that wait", 0, result.waiting),
            ("changes set aside", 0, result.quarantined),
            ("conversations counted", len(ledger.revisions), int(conversations[0])),
            ("revenue counted", ledger.settled(), Decimal(revenue[0])),
        ]
    )
