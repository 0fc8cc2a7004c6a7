"""Compares what the rollups of one tenant hold with what its facts amount to, in one snapshot."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.sql import SQL, Composable, Composed, Identifier

from services.storage.verify import facts, horizon
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


def compare_tenant(
    conn: Connection, tenant_id: str, deadline: float, on_table: Callable[[str], None], as_of: datetime | None = None
) -> TenantResult:
    """Compare every rollup of a tenant, as soon as none of its changes waits or `deadline` (of time.monotonic) has passed.

    `on_table` is called with each table's name before it is compared. Rollups must be those of the moment `as_of`, now
    unless it is given; what is due by then and not counted waits like a change.
    """
    while True:
        with _snapshot(conn, tenant_id):
            parameters = {"tenant": tenant_id, "as_of": _moment(conn, tenant_id, as_of)}
            waiting = _count(conn, _WAITING, parameters)
            if waiting == 0 or time.monotonic() >= deadline:
                return _compare_snapshot(conn, parameters, waiting, on_table)
        time.sleep(_POLL_SECONDS)


def _moment(conn: Connection, tenant_id: str, as_of: datetime | None) -> datetime:
    """Return the moment to compare at: never before the worker counted last, whose clock may be ahead of the database's."""
    query = "SELECT greatest(coalesce(%s, now()), (SELECT max(drained_at) FROM scoring.progress WHERE tenant_id = %s))"
    row = conn.execute(query, [as_of, tenant_id]).fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


@contextmanager
def _snapshot(conn: Connection, tenant_id: str) -> Iterator[None]:
    """Open a transaction bound to the tenant; leave nothing of it."""
    with conn.transaction(force_rollback=True):
        conn.execute("SELECT set_config('rapport.tenant', %s, true)", [tenant_id])
        yield


def _compare_snapshot(
    conn: Connection, parameters: dict[str, Any], waiting: int, on_table: Callable[[str], None]
) -> TenantResult:
    on_table("facts")
    parameters = parameters | horizon.parameters_of(conn, parameters["tenant"])
    _fill_expected(conn, parameters)
    tables = []
    for rollup in ROLLUPS:
        on_table(rollup.table.fullname)
        tables.append(_compare_table(conn, parameters, rollup))
    quarantined = _count(conn, SQL("SELECT count(*) FROM scoring.quarantine WHERE tenant_id = %(tenant)s"), parameters)
    return TenantResult(parameters["tenant"], waiting, quarantined, tuple(tables))


def _fill_expected(conn: Connection, parameters: dict[str, Any]) -> None:
    settings = "SELECT time_zone, attribution_window_days FROM ingest.tenant_settings WHERE tenant_id = %(tenant)s"
    time_zone, days = conn.execute(settings, parameters).fetchone() or ("UTC", 7)
    chosen = {"time_zone": time_zone, "attribution_window": timedelta(days=days)}
    conn.execute(facts.CREATE)
    for statement in facts.FILL:
        conn.execute(statement, parameters | chosen)
    conn.execute(facts.ANALYZE)


_WAITING = SQL("""
    SELECT (SELECT count(*) FROM ingest.change WHERE tenant_id = %(tenant)s)
           + (SELECT count(*) FROM scoring.due WHERE tenant_id = %(tenant)s AND due_at <= %(as_of)s)
""")


_PAIRS = SQL("""
    WITH e AS (SELECT true AS there, {columns} FROM ({expected}) AS expected_rows WHERE {compared}),
         s AS (SELECT true AS there, {holds_something} AS holds, {columns}
               FROM {table} WHERE tenant_id = %(tenant)s AND {compared})
    SELECT {answer} FROM e FULL JOIN s ON {same_key} WHERE (e.there OR s.holds)
""")
_DIFFERS = SQL("(e.there, {}) IS DISTINCT FROM (s.there, {})")


def _compare_table(conn: Connection, parameters: dict[str, Any], rollup: Rollup) -> TableResult:
    columns = (*rollup.key, *rollup.values)
    differs = _DIFFERS.format(_list(columns, "e"), _list(columns, "s"))
    counts = _pairs(rollup, SQL("count(*), count(*) FILTER (WHERE {})").format(differs))
    compared, different = conn.execute(counts, parameters).fetchone() or (0, 0)
    if not different:
        return TableResult(rollup.table.fullname, compared, 0, ())
    rows = _pairs(rollup, SQL("e.there, s.there, {}, {}").format(_list(columns, "e"), _list(columns, "s")))
    order = SQL(", ").join(SQL("coalesce(e.{0}, s.{0})").format(Identifier(k)) for k in rollup.key)
    first = SQL("{} AND {} ORDER BY {} LIMIT {}").format(rows, differs, order, EXAMPLES)
    examples = tuple(_difference(rollup, row) for row in conn.execute(first, parameters))
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
    recent = SQL("bucket >= %(as_of)s - interval '35 days'") if rollup.recent_only else SQL("true")
    holds = SQL("true") if rollup.zeros is Zeros.MAY_REMAIN else rollup.holds_something
    return SQL(" AND ").join([recent, horizon.since_horizon(rollup.table), holds])


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


def _count(conn: Connection, query: SQL, parameters: dict[str, Any]) -> int:
    row = conn.execute(query, parameters).fetchone()
    return int(row[0]) if row else 0
