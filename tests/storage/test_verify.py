"""The recomputation finds what is wrong, in every column of every table, and nothing in rows worked out by hand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from urllib.parse import quote

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from services.storage import schema
from services.storage.verify import compare
from services.storage.verify.__main__ import CANNOT_LOOK, DIFFERENT, NOT_CAUGHT_UP, main
from services.storage.verify.rollups import ROLLUPS, Rollup
from tests.storage import scenario_rollups

#: How a value of a type is made wrong.
TAMPERED = {
    bool: SQL("NOT {}"), str: SQL("{} || '?'"), int: SQL("{} + 1"), Decimal: SQL("{} + 0.01"), date: SQL("{} + 1"),
    datetime: SQL("{} + interval '1 us'"),
}  # fmt: skip
#: What cannot be recomputed from facts: where the worker is, what it could not count, what happened in time, what was chosen
NOT_ROLLUPS = {
    "progress", "quarantine", "touched", "segment_transition", "customer_sweep", "policy", "grade_day", "model", "customer_score",
}  # fmt: skip
#: What nothing stored accounts for any more: it is taken as given.
REMAINDERS = {"remainder", "remainder_presence", "remainder_customer"}
BY_NAME = {r.table.name: r for r in ROLLUPS}


@pytest.fixture
def world(shared_world_url: str) -> Iterator[compare.Connection]:
    """The small world in a transaction that is undone."""
    with compare.connect(shared_world_url) as conn, conn.transaction(force_rollback=True):
        yield conn


def differences(conn: compare.Connection, tenant_id: str = "north") -> dict[str, int]:
    result = compare.compare_tenant(conn, tenant_id, 0, lambda _: None)
    return {t.table.removeprefix("scoring."): t.different for t in result.tables if t.different}


def test_rows_worked_out_by_hand_are_what_is_expected(world: compare.Connection) -> None:
    result = compare.compare_tenant(world, "north", 0, lambda _: None)
    assert {t.table: t.different for t in result.tables} == {r.table.fullname: 0 for r in ROLLUPS}
    # Every row took part: the one day of 2020 has none by interval.
    assert {t.table: t.compared for t in result.tables} == {name: len(rows) for name, rows in scenario_rollups.NORTH.items()}
    assert differences(world, "south") == {}


def test_every_table_of_scoring_is_compared_or_said_not_to_be() -> None:
    assert set(BY_NAME) | NOT_ROLLUPS | REMAINDERS == {t.name for t in schema.metadata.sorted_tables if t.schema == "scoring"}


@pytest.mark.parametrize("rollup", ROLLUPS, ids=BY_NAME)
def test_a_wrong_value_is_found_in_every_column(world: compare.Connection, rollup: Rollup) -> None:
    for column in rollup.values:
        name, table = Identifier(column), Identifier("scoring", rollup.table.name)
        value = TAMPERED[rollup.table.c[column].type.python_type].format(name)
        update = SQL(
            "UPDATE {table} SET {name} = {value} WHERE ctid = "
            "(SELECT ctid FROM {table} WHERE tenant_id = 'north' AND {name} IS NOT NULL ORDER BY 1 LIMIT 1)"
        )
        with world.transaction(force_rollback=True):
            assert world.execute(update.format(table=table, name=name, value=value)).rowcount == 1, column
            result = compare.compare_tenant(world, "north", 0, lambda _: None)
        found = next(t for t in result.tables if t.table == rollup.table.fullname)
        assert (result.different, found.different) == (1, 1), column
        (example,) = found.examples
        assert example.expected is not None
        assert example.found is not None
        assert list(example.expected) == list(example.found) == [column]
        assert example.expected != example.found


@pytest.mark.parametrize("rollup", ROLLUPS, ids=BY_NAME)
def test_a_missing_row_is_found(world: compare.Connection, rollup: Rollup) -> None:
    table = Identifier("scoring", rollup.table.name)
    for (row,) in world.execute(SQL("SELECT ctid::text FROM {} WHERE tenant_id = 'north'").format(table)).fetchall():
        with world.transaction(force_rollback=True):
            world.execute(SQL("DELETE FROM {} WHERE ctid = %s::tid").format(table), [row])
            assert differences(world) == {rollup.table.name: 1}


@pytest.mark.parametrize("rollup", [r for r in ROLLUPS if r.values], ids=lambda r: r.table.name)
def test_a_row_too_many_is_found(world: compare.Connection, rollup: Rollup) -> None:
    """A row of agent_state alone may be one too many: the agent was named once."""
    last = rollup.key[-1]
    copied = SQL(
        "INSERT INTO {table} (tenant_id, {last}, {rest}) SELECT tenant_id, %s, {rest} FROM {table} "
        "WHERE tenant_id = 'north' ORDER BY ctid LIMIT 1"
    ).format(
        table=Identifier("scoring", rollup.table.name),
        last=Identifier(last),
        rest=SQL(", ").join(Identifier(c.name) for c in rollup.table.columns if c.name not in {"tenant_id", last}),
    )
    another = {str: "another", int: 9, date: date(2041, 1, 1)}[rollup.table.c[last].type.python_type]
    assert world.execute(copied, [another]).rowcount == 1
    assert differences(world) == {rollup.table.name: 1}


def test_zeros_are_equal_to_no_row_but_a_known_customer_must_be_there(world: compare.Connection) -> None:
    world.execute("INSERT INTO scoring.agent_day (tenant_id, agent_id, bucket, platform) VALUES ('north', 'a1', '2040-07-01', 1)")
    world.execute(
        "INSERT INTO scoring.customer_day (tenant_id, customer_id, day, agent_id, platform) "
        "VALUES ('north', 'ben', '2040-07-01', '', 0)"
    )
    world.execute("INSERT INTO scoring.agent_state (tenant_id, agent_id) VALUES ('north', 'renamed')")
    world.execute(
        "INSERT INTO scoring.customer_state (tenant_id, customer_id, engagement_days, order_days, orders, advocate) "
        "VALUES ('north', 'renamed', 0, 0, 0, false)"
    )
    assert differences(world) == {}
    world.execute("DELETE FROM scoring.customer_state WHERE customer_id = 'finn'")
    assert differences(world) == {"customer_state": 1}


def test_intervals_are_compared_for_35_days(world: compare.Connection) -> None:
    add = "INSERT INTO scoring.response_interval VALUES ('north', 'a1', date_bin('15m', now() - %s::interval, 'epoch'), 1, 1, 1)"
    world.execute(add, ["35 days 15 min"])
    assert differences(world) == {}
    world.execute(add, ["34 days 23 hours"])
    assert differences(world) == {"response_interval": 1}


def test_the_horizons_own_month_is_compared(world: compare.Connection) -> None:
    """Of its days before the horizon nothing is recomputed; the month must hold what is stored of them all the same."""
    world.execute("INSERT INTO ingest.horizon VALUES ('north', '2040-03-26', '2040-03-25T22:00Z', NULL, 0)")
    assert differences(world) == {}
    spoil = "UPDATE scoring.{}_total_month SET n = n + 1 WHERE tenant_id = 'north' AND bucket = %s"
    for name in ("response", "duration"):
        with world.transaction(force_rollback=True):
            # The one day of 2020 is in a month before the horizon's, and stays as it is.
            assert world.execute(spoil.format(name).encode(), ["2020-06-01"]).rowcount == 1
            assert differences(world) == {}
            spoilt = world.execute(spoil.format(name).encode(), ["2040-03-01"]).rowcount
            assert spoilt > 0
            assert differences(world) == {f"{name}_total_month": spoilt}
    # What is stored by day from before the horizon, which nothing recomputes, is what the month is compared with.
    day = "UPDATE scoring.response_total_day SET n = n + 1 WHERE tenant_id = 'north' AND bucket = '2040-03-25'"
    assert world.execute(day).rowcount > 0
    assert set(differences(world)) == {"response_total_month"}


def test_first_days_are_compared_on_both_sides_of_the_horizon(world: compare.Connection) -> None:
    """Of what customers did before it the days are kept, and of who was erased the first day."""
    horizon = "INSERT INTO ingest.horizon (tenant_id, day, at, after_change) VALUES ('north', %s, %s, 0)"
    world.execute(horizon, ["2040-03-26", "2040-03-25T22:00Z"])
    assert differences(world) == {}
    spoil = "UPDATE scoring.new_customers_day SET n = n + 1 WHERE tenant_id = 'north' AND day = %s"
    for day in ("2020-06-01", "2040-03-26"):
        with world.transaction(force_rollback=True):
            assert world.execute(spoil, [day]).rowcount == 1
            assert differences(world) == {"new_customers_day": 1}
    erased = "INSERT INTO scoring.remainder_customer (tenant_id, random_id, first_day) VALUES ('north', gen_random_uuid(), %s)"
    world.execute(erased, ["2020-06-01"])
    assert differences(world) == {"new_customers_day": 1}
    world.execute(spoil, ["2020-06-01"])
    assert differences(world) == {}


def test_settings_decide_on_days_and_last_touch(world: compare.Connection) -> None:
    """The control of the scenario's rows: without north's settings they are wrong."""
    world.execute("UPDATE ingest.tenant_settings SET time_zone = 'UTC'")
    assert {"contribution", "agent_day", "presence", "customer_state"} <= set(differences(world))
    world.execute("UPDATE ingest.tenant_settings SET time_zone = 'Europe/Berlin', attribution_window_days = 6")
    assert "contribution" in differences(world)
    world.execute("UPDATE ingest.tenant_settings SET attribution_window_days = 7")
    assert differences(world) == {}


@pytest.mark.parametrize(
    ("level", "different"), [(None, 0), (psycopg.IsolationLevel.READ_COMMITTED, 4)], ids=["snapshot", "control"]
)
def test_what_is_written_meanwhile_is_not_seen(world_url: str, level: psycopg.IsolationLevel | None, different: int) -> None:
    """Facts and rollups change together while it looks. Without a snapshot, facts of before would meet rollups of after."""

    def forget_appointment(table: str) -> None:
        if table != "scoring.contribution":
            return
        with psycopg.connect(world_url) as other:
            other.execute("DELETE FROM ingest.appointment WHERE appointment_id = 'p4'")
            for name in ("contribution WHERE fact_id = 'p4'", "agent_interval WHERE booked = 1", "agent_day WHERE booked = 1"):
                other.execute(f"DELETE FROM scoring.{name} AND agent_id = 'a3'".encode())
            together = "bucket = '2040-03-27' AND platform = 0"
            other.execute(f"UPDATE scoring.counts_total_day SET booked = booked - 1 WHERE {together}".encode())

    with compare.connect(world_url) as conn:
        conn.isolation_level = level or conn.isolation_level
        assert compare.compare_tenant(conn, "north", 0, forget_appointment).different == different
        assert compare.compare_tenant(conn, "north", 0, lambda _: None).different == 0


def test_exit_codes_and_json(world_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--url", world_url]) == 0
    assert "348 rows of 2 tenants compared: 0 differences" in capsys.readouterr().out
    with psycopg.connect(world_url) as conn:
        conn.execute("UPDATE scoring.presence SET n = n + 1 WHERE tenant_id = 'north'")
    assert main(["--url", world_url, "--tenant", "south"]) == 0
    capsys.readouterr()
    assert main(["--url", world_url, "--json"]) == DIFFERENT
    north, _south = json.loads(capsys.readouterr().out)["tenants"]
    presence = next(t for t in north["tables"] if t["table"] == "scoring.presence")
    assert (presence["compared"], presence["different"], len(presence["examples"])) == (21, 21, compare.EXAMPLES)
    key = {"grouping": 1, "group_id": "", "day": "2020-06-01", "previous_day": "0001-01-01"}
    assert presence["examples"][0] == {"key": key, "expected": {"n": 1}, "found": {"n": 2}}
    assert main(["--url", world_url]) == DIFFERENT
    assert "scoring.presence: 10 of 21 differing rows" in capsys.readouterr().out


def test_waiting_changes_are_waited_for(world_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(world_url) as conn:
        conn.execute("INSERT INTO ingest.change (tenant_id, kind, entity_id) VALUES ('north', 1, 'c1')")
        conn.execute("INSERT INTO scoring.quarantine VALUES ('north', 7, 1, 'c1', now(), 'ValueError')")
    assert main(["--url", world_url]) == NOT_CAUGHT_UP
    said = capsys.readouterr().out
    assert "1 changes of north are still waiting: its numbers are not yet caught up" in said
    assert "1 changes of north are quarantined and not counted" in said
    started = time.monotonic()
    assert main(["--url", world_url, "--wait", "0.5"]) == NOT_CAUGHT_UP
    assert time.monotonic() - started >= 0.5

    def drain() -> None:
        with psycopg.connect(world_url) as conn:
            conn.execute("DELETE FROM ingest.change")

    timer = threading.Timer(0.5, drain)
    timer.start()
    assert main(["--url", world_url, "--wait", "20"]) == 0
    timer.join()


def test_it_is_not_fooled_by_row_level_security(world_url: str) -> None:
    bound = f"{world_url}&options={quote('-c role=rapport_query')}"
    assert main(["--url", bound]) == 0
    with psycopg.connect(world_url) as conn:
        conn.execute("DELETE FROM scoring.agent_day WHERE tenant_id = 'south'")
    assert main(["--url", bound]) == DIFFERENT


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--tenant", "west"], "there is no tenant west"),
        (["--url", "postgresql://postgres@127.0.0.1:1/nowhere"], "connection failed"),
        (["--url", "nonsense"], 'missing "="'),
        (["--url", ""], "RAPPORT_DATABASE_URL is not set"),
    ],
)
def test_what_it_cannot_look_at(world_url: str, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--url", world_url, *arguments]) == CANNOT_LOOK
    assert sentence in capsys.readouterr().err


def test_a_database_without_migrations_or_rights(
    empty_database_url: str, world_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--url", empty_database_url]) == CANNOT_LOOK
    assert "apply its migrations first" in capsys.readouterr().err
    assert main(["--url", f"{world_url}&options={quote('-c role=rapport_alerting')}"]) == CANNOT_LOOK
    assert "cannot verify: permission denied for" in capsys.readouterr().err
