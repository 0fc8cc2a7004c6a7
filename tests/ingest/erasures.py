"""What the tests of erasing and of the export share: facts about one person, and looking for that person everywhere."""

from __future__ import annotations

import json
from typing import Any

import psycopg

#: Nobody else is called anything of this.
PERSON = "person-4711"
TRACES = (PERSON, "Ada Nobody", "+49 30 4711", "ada@nobody.example", "talk-of-person", "payment-of-person", "task-of-person")


def find(url: str, *needles: str) -> dict[str, int]:
    """Return how many rows of which tables hold one of the needles anywhere, as text; over every table there is."""
    found: dict[str, int] = {}
    with psycopg.connect(url) as conn:
        tables = conn.execute(
            "SELECT table_schema, table_name FROM information_schema.tables "
            "WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2"
        ).fetchall()
        for schema, table in tables:
            rows = conn.execute(f'SELECT t::text FROM "{schema}"."{table}" AS t'.encode()).fetchall()
            if hits := sum(any(needle in row for needle in needles) for (row,) in rows):
                found[f"{schema}.{table}"] = hits
    return found


#: What an erasure leaves as it is: every rollup that is not by customer.
STAYING = (
    "agent_day", "agent_interval", "revenue_day", "revenue_interval", "response_day", "response_interval",
    "duration_day", "duration_interval", "tally_day", "tally_interval", "counts_total_day", "revenue_total_day",
    "response_total_day", "duration_total_day", "tally_total_day", "response_total_month", "duration_total_month",
    "presence",
)  # fmt: skip


def numbers(url: str, tenant: str = "default") -> dict[str, list[Any]]:
    """Return every rollup by agent, platform and time."""
    with psycopg.connect(url) as conn:
        return {
            t: conn.execute(f"SELECT to_jsonb(t)::text FROM scoring.{t} AS t WHERE tenant_id = %s ORDER BY 1".encode(), [tenant])
            .fetchall()
            for t in STAYING
        }  # fmt: skip


def costs(url: str) -> list[Any]:
    """Return what was spent for which days, by whom for what, whoever the customers were."""
    with psycopg.connect(url) as conn:
        return conn.execute(
            "SELECT agent_id, category, campaign, currency, first_day, end_day, sum(n), sum(amount) "
            "FROM scoring.cost_period GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(n) <> 0 ORDER BY 1, 2, 3, 4, 5, 6"
        ).fetchall()


def everything(url: str, tenant: str) -> dict[str, list[str]]:
    """Return every row of a tenant, of every table."""
    found: dict[str, list[str]] = {}
    with psycopg.connect(url) as conn:
        tables = conn.execute(
            "SELECT table_schema, table_name FROM information_schema.columns WHERE column_name = 'tenant_id' ORDER BY 1, 2"
        ).fetchall()
        for schema, table in tables:
            rows = conn.execute(f"SELECT t::text FROM {schema}.{table} AS t WHERE tenant_id = %s ORDER BY 1".encode(), [tenant])
            found[f"{schema}.{table}"] = [row for (row,) in rows]
    return found


def document_of(pieces: list[Any]) -> dict[str, Any]:
    """Return the document that an export's pieces make."""
    made: dict[str, Any] = json.loads(b"".join(piece.data for piece in pieces))
    return made
