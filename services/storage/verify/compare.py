"""Compares what the rollups of one tenant hold with what its facts amount to, in one snapshot."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
from psycopg.sql import SQL, Composable, Composed, Identifier

from services.storage.verify import facts
from services.storage.verify.rollups import ROLLUPS, Rollup, Zeros

#: Differing rows that are shown of a table.
EXAMPLES = 10
_POLL_SECONDS = 0.2

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Difference:
    """One differing row: its key, and by column what was expected and what was found, of the columns that differ.

    None stands for a row that is not there; the other side then has all its columns.
    """

    key: dict[str, Any]
    expected: dict[str, Any] | None
    found: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class TableResult:
    """How one table compares: rows there or expected, how many of them differ, and the first of those by key."""

    table: str
    compared: int
    different: int
    examples: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class TenantResult:
    """How one tenant's rollups compare. With changes `waiting`, they are not caught up and differences mean nothing yet."""

    tenant_id: str
    waiting: int
    quarantined: int
    tables: tuple[TableResult, ...]

    @property
    def different(self) -> int:
        return sum(t.different for t in self.tables)


def connect(url: str) -> Connection:
    """Open a connection whose every transaction sees one moment.

    Takes URLs for psycopg and, with a driver in the scheme, for SQLAlchemy. Raises psycopg.Error.
    """
    conn = psycopg.connect(re.sub(r"^postgresql\+\w+:", "postgresql:", url), connect_timeout=10)
    conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    for name, value in (("timezone", "UTC"), ("jit", "off"), ("work_mem", "64MB")):
        conn.execute("SELECT set_config(%s, %s, false)", [name, value])
    conn.commit()
    return conn


def tenant_ids(conn: Connection) -> list[str]:
    """Return every tenant of the registry, in order."""
    with conn.transaction():
        return [row[0] for row in conn.execute("SELECT tenant_id FROM ingest.tenant ORDER BY tenant_id")]


def compare_tenant(conn: Connection, tenant_id: str, deadline: float, on_table: Callable[[str], None]) -> TenantResult:
    """Compare every rollup of a tenant, as soon as none of its changes waits or `deadline` (of time.monotonic) has passed.

    `on_table` is called with each table's name before it is compared.
    """
    while True:
        with _snapshot(conn, tenant_id):
            waiting = _count(conn, SQL("SELECT count(*) FROM ingest.change WHERE tenant_id = %(tenant)s"), tenant_id)
            if waiting == 0 or time.monotonic() >= deadline:
                return _compare_snapshot(conn, tenant_id, waiting, on_table)
        time.sleep(_POLL_SECONDS)


@contextmanager
def _snapshot(conn: Connection, tenant_id: str) -> Iterator[None]:
    """Open a transaction bound to the tenant; leave nothing of it."""
    with conn.transaction(force_rollback=True):
        conn.execute("SELECT set_config('rapport.tenant', %s, true)", [tenant_id])
        yield


def _compare_snapshot(conn: Connection, tenant_id: str, waiting: int, on_table: Callable[[str], None]) -> TenantResult:
    on_table("facts")
    _fill_expected(conn, tenant_id)
    tables = []
    for rollup in ROLLUPS:
        on_table(rollup.table.fullname)
        tables.append(_compare_table(conn, tenant_id, rollup))
    quarantined = _count(conn, SQL("SELECT count(*) FROM scoring.quarantine WHERE tenant_id = %(tenant)s"), tenant_id)
    return TenantResult(tenant_id, waiting, quarantined, tuple(tables))


def _fill_expected(conn: Connection, tenant_id: str) -> None:
    settings = "SELECT time_zone, attribution_window_days FROM ingest.tenant_settings WHERE tenant_id = %s"
    time_zone, days = conn.execute(settings, [tenant_id]).fetchone() or ("UTC", 7)
    parameters = {"tenant": tenant_id, "time_zone": time_zone, "attribution_window": timedelta(days=days)}
    conn.execute(facts.CREATE)
    for statement in (facts.CONVERSATIONS, facts.TRANSACTIONS, facts.APPOINTMENTS):
        conn.execute(statement, parameters)
    conn.execute(facts.ANALYZE)


_PAIRS = SQL("""
    WITH e AS (SELECT true AS there, {columns} FROM ({expected}) AS expected_rows WHERE {compared}),
         s AS (SELECT true AS there, {holds_something} AS holds, {columns}
               FROM {table} WHERE tenant_id = %(tenant)s AND {compared})
    SELECT {answer} FROM e FULL JOIN s ON {same_key} WHERE (e.there OR s.holds)
""")
_DIFFERS = SQL("(e.there, {}) IS DISTINCT FROM (s.there, {})")


def _compare_table(conn: Connection, tenant_id: str, rollup: Rollup) -> TableResult:
    columns = (*rollup.key, *rollup.values)
    differs = _DIFFERS.format(_list(columns, "e"), _list(columns, "s"))
    counts = _pairs(rollup, SQL("count(*), count(*) FILTER (WHERE {})").format(differs))
    compared, different = conn.execute(counts, {"tenant": tenant_id}).fetchone() or (0, 0)
    if not different:
        return TableResult(rollup.table.fullname, compared, 0, ())
    rows = _pairs(rollup, SQL("e.there, s.there, {}, {}").format(_list(columns, "e"), _list(columns, "s")))
    order = SQL(", ").join(SQL("coalesce(e.{0}, s.{0})").format(Identifier(k)) for k in rollup.key)
    first = SQL("{} AND {} ORDER BY {} LIMIT {}").format(rows, differs, order, EXAMPLES)
    examples = tuple(_difference(rollup, row) for row in conn.execute(first, {"tenant": tenant_id}))
    return TableResult(rollup.table.fullname, compared, different, examples)


def _pairs(rollup: Rollup, answer: Composable) -> Composed:
    """Return the query of `answer` over all rows, expected (e) beside stored (s)."""
    return _PAIRS.format(
        columns=_list((*rollup.key, *rollup.values)),
        expected=rollup.expected,
        table=Identifier(*rollup.table.fullname.split(".")),
        compared=_is_compared(rollup),
        holds_something=rollup.holds_something,
        same_key=SQL(" AND ").join(SQL("e.{0} = s.{0}").format(Identifier(k)) for k in rollup.key),
        answer=answer,
    )


def _is_compared(rollup: Rollup) -> Composable:
    """Return the condition without which rows, expected and stored alike, are left out."""
    recent = SQL("bucket >= now() - interval '35 days'") if rollup.recent_only else SQL("true")
    return SQL("{} AND {}").format(recent, SQL("true") if rollup.zeros is Zeros.MAY_REMAIN else rollup.holds_something)


def _list(columns: tuple[str, ...], alias: str | None = None) -> Composable:
    return SQL(", ").join(Identifier(alias, c) if alias else Identifier(c) for c in columns)


def _difference(rollup: Rollup, row: tuple[Any, ...]) -> Difference:
    columns = (*rollup.key, *rollup.values)
    expected = dict(zip(columns, row[2 : 2 + len(columns)], strict=True)) if row[0] else None
    found = dict(zip(columns, row[2 + len(columns) :], strict=True)) if row[1] else None
    some = expected or found or {}
    shown = [v for v in rollup.values if expected is None or found is None or expected[v] != found[v]]
    return Difference(
        {k: some[k] for k in rollup.key},
        None if expected is None else {v: expected[v] for v in shown},
        None if found is None else {v: found[v] for v in shown},
    )


def _count(conn: Connection, query: SQL, tenant_id: str) -> int:
    row = conn.execute(query, {"tenant": tenant_id}).fetchone()
    return int(row[0]) if row else 0
