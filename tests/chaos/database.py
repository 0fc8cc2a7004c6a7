"""What the database holds, read as its owner."""

from __future__ import annotations

import time
from dataclasses import dataclass
from decimal import Decimal

import psycopg

from services.storage.verify import compare
from tests.chaos.ledger import Ledger, Stored, differing

TENANT = "default"
_DRAIN_S = 180
_POLL_S = 0.2

_WAITING = "SELECT (SELECT count(*) FROM ingest.change) + (SELECT count(*) FROM scoring.due WHERE due_at <= now())"
#: Whoever has this row is the only one to score the tenant; who scores it for the first time has not committed it yet.
_LEASE = (
    "INSERT INTO scoring.progress (tenant_id) VALUES (%s) ON CONFLICT DO NOTHING",
    "SELECT FROM scoring.progress WHERE tenant_id = %s FOR UPDATE",
)


def read(url: str) -> Stored:
    """Return the stored facts."""
    with psycopg.connect(url, connect_timeout=10) as conn:
        conversations = conn.execute("SELECT conversation_id, revision, message_count FROM ingest.conversation").fetchall()
        events = conn.execute("SELECT event_id FROM ingest.event").fetchall()
    stored = {id_: (int(revision), int(messages)) for id_, revision, messages in conversations}
    assert len(stored) == len(conversations), "a conversation is stored twice"
    return Stored(stored, frozenset(id_ for (id_,) in events))


@dataclass(frozen=True, slots=True)
class Verified:
    """How many rows were compared with a recomputation from the facts, how many differ, the first of these, and what is left.

    While anything is `uncounted`, differences mean nothing yet.
    """

    compared: int
    different: int
    examples: set[str]
    uncounted: set[str]


def verify(url: str) -> Verified:
    """Wait until scoring has counted everything, for minutes at most, and compare every rollup with the stored facts.

    Nobody scores while it is compared: what is taken, and not yet counted, would look like what is lost.
    """
    give_up = time.monotonic() + _DRAIN_S
    while True:
        _wait(url, give_up)
        with psycopg.connect(url) as lease, compare.connect(url) as conn:
            for statement in _LEASE:
                lease.execute(statement, [TENANT])
            result = compare.compare_tenant(conn, TENANT, time.monotonic(), lambda _: None)
        if result.waiting == 0 or time.monotonic() > give_up:
            break
    compared = sum(table.compared for table in result.tables)
    examples = {f"{table.table}: {row}" for table in result.tables for row in table.examples}
    uncounted = differing([("changes that wait", 0, result.waiting), ("changes set aside", 0, result.quarantined)])
    return Verified(compared, result.different, examples, uncounted)


def _wait(url: str, give_up: float) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        while conn.execute(_WAITING).fetchone() != (0,) and time.monotonic() < give_up:
            time.sleep(_POLL_S)


def miscounted(url: str, ledger: Ledger) -> set[str]:
    """Return what scoring, once it has counted everything, does not count exactly once."""
    verified = verify(url)
    with psycopg.connect(url) as conn:
        conversations = conn.execute("SELECT coalesce(sum(conversations), 0) FROM scoring.agent_day").fetchone()
        revenue = conn.execute("SELECT coalesce(sum(amount), 0) FROM scoring.revenue_day").fetchone()
    assert conversations is not None
    assert revenue is not None
    return (
        verified.examples
        | verified.uncounted
        | differing(
            [
                ("conversations counted", len(ledger.revisions), int(conversations[0])),
                ("revenue counted", ledger.settled(), Decimal(revenue[0])),
            ]
        )
    )
