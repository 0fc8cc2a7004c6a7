"""Readings share a round trip; whatever becomes of one, neither its connection nor its values are in the way of the next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import BigInteger, Float, Integer, bindparam, column, func, literal_column, select, table, text
from sqlalchemy.exc import InvalidRequestError

from services.runtime import deadlines
from services.runtime.database import Database
from services.runtime.failures import as_service_error
from services.runtime.tenancy import set_tenant
from services.storage.readings import Prepared, Query, Reading, Rows, forget_statements, prepared_once, read, read_together
from tests.storage.sending import recording
from tests.until import until

NUMBER = Prepared(select(bindparam("n", type_=Integer).label("n")))
SLEEP = Prepared(select(func.pg_sleep(bindparam("seconds", type_=Float))))
LOCK = Prepared(select(func.pg_advisory_xact_lock(bindparam("key", type_=BigInteger))))
THING = table("thing", column("id", Integer), column("word"), column("more"))
THINGS = Prepared(select(THING.c.id, THING.c.word).order_by(THING.c.id))
KEY = 7
WAITING = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
SLEEPING = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
#: From so many runs on the driver prepares a statement.
OFTEN = 8


def only(rows: Rows) -> Any:
    ((told,),) = rows
    return told


def number(n: int) -> Reading[int]:
    return Reading(NUMBER, only, {"n": n})


def sleep(seconds: float) -> Reading[Any]:
    return Reading(SLEEP, only, {"seconds": seconds})


def reason_of(error: Exception) -> str | None:
    failure = as_service_error(error)
    return failure and failure.reason


PID: Reading[int] = Reading(Prepared(select(func.pg_backend_pid())), only)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """One connection: whatever is wrong with it is met by who comes next."""
    set_tenant("default")
    opened = Database(database_url, "rapport_query", pool_size=1)
    yield opened
    await opened.close()


async def asked(database: Database, *readings: Reading[Any]) -> tuple[Any, ...]:
    together: Any = read_together
    async with asyncio.timeout(15), database.snapshot() as conn:
        return tuple(await together(conn, *readings))


async def test_all_are_sent_before_any_is_answered(database: Database, database_url: str) -> None:
    """The control: asked one after the other, the second waits for the answer of the first."""

    async def one_by_one() -> list[Any]:
        async with database.snapshot() as conn:
            return [await read(conn, each) for each in readings]

    readings = (Reading(LOCK, len, {"key": KEY}), number(1), PID)
    with psycopg.connect(database_url, autocommit=True) as other:
        for asking, at_once in ((asked(database, *readings), 3), (one_by_one(), 1)):
            other.execute("SELECT pg_advisory_lock(%s)", [KEY])
            with recording() as sent:
                task = asyncio.ensure_future(asking)
                await until(lambda: other.execute(WAITING).fetchall())
                await until(lambda sent=sent, at_once=at_once: len(sent) > at_once)  # all are heard of, the BEGIN's settings too
                await asyncio.sleep(0.1)
                statements = {each.statement for each in sent if "set_config" not in each.statement}
            assert (len(statements), task.done()) == (at_once, False)
            other.execute("SELECT pg_advisory_unlock(%s)", [KEY])
            assert list(await task)[:2] == [1, 1]


async def test_answers_come_in_the_order_of_the_readings(database: Database) -> None:
    """Those that are not prepared, too, which are asked afterwards."""
    plain = Reading(select(bindparam("n", type_=Integer)), only, {"n": 2})
    assert await asked(database, number(1), plain, number(3), plain, number(5)) == (1, 2, 3, 2, 5)


async def test_rows_have_columns_by_name_and_by_place(database: Database) -> None:
    query = select(literal_column("1").label("one"), literal_column("2"), literal_column("3").label("class"))
    ((row,),) = await asked(database, Reading(Prepared(query), list))
    assert (row.one, row[0], row[1], row[2], len(row)) == (1, 1, 2, 3, 3)


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize(
    ("fails", "error"),
    [
        (literal_column("1 / 0"), psycopg.errors.DivisionByZero),
        (column("nothing"), psycopg.errors.UndefinedColumn),
        (literal_column("(SELECT count(*) FROM pg_authid)"), psycopg.errors.InsufficientPrivilege),
    ],
)
async def test_an_error_of_one_is_told_as_it_is_and_of_nothing_else(
    database: Database, fails: Any, error: type[Exception], place: int
) -> None:
    (pid,) = await asked(database, PID)
    readings: list[Reading[Any]] = [number(1), number(2), number(3)]
    readings[place] = Reading(Prepared(select(fails)), only)
    for _ in range(2):
        with pytest.raises(error):
            await asked(database, *readings)
        # The connection is the same one, and answers.
        assert await asked(database, number(4), PID, number(5)) == (4, pid, 5)


async def test_a_transaction_with_an_error_answers_nothing_more(database: Database) -> None:
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):  # noqa: PT012  # the second one fails for the first
        async with database.snapshot() as conn:
            with pytest.raises(psycopg.errors.DivisionByZero):
                await read(conn, Reading(Prepared(select(literal_column("1 / 0"))), only))
            await read_together(conn, number(1), number(2))
    assert await asked(database, number(3)) == (3,)


async def test_the_calls_deadline_ends_it(database: Database) -> None:
    async def hurried() -> None:
        deadlines.begin(0.3)
        await asked(database, number(1), sleep(30), number(2))

    (pid,) = await asked(database, PID)
    with pytest.raises(psycopg.errors.QueryCanceled) as caught:
        await asyncio.create_task(hurried())
    assert reason_of(caught.value) == "DEADLINE_EXCEEDED"
    assert await asked(database, number(3), PID) == (3, pid)


async def test_a_connection_that_is_cut_is_not_used_again(database: Database, database_url: str) -> None:
    (pid,) = await asked(database, PID)
    task = asyncio.create_task(asked(database, number(1), sleep(30), number(2)))
    with psycopg.connect(database_url, autocommit=True) as other:
        await until(lambda: other.execute(SLEEPING, [pid]).fetchall())
        other.execute("SELECT pg_terminate_backend(%s)", [pid])
    with pytest.raises(psycopg.OperationalError) as caught:
        await task
    assert reason_of(caught.value) == "DATABASE_UNAVAILABLE"
    assert await asked(database, PID) != (pid,)


async def test_whoever_is_cancelled_leaves_nothing_behind(database: Database) -> None:
    """At whatever moment: the next one gets its own answers, and at once."""
    for n in range(40):
        task = asyncio.create_task(asked(database, number(-1), sleep(0.03), number(-2), sleep(30), number(-3)))
        await asyncio.sleep(n * 0.002)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asked(database, number(n), number(n + 1)) == (n, n + 1)


@pytest.fixture
def things(database_url: str) -> str:
    with psycopg.connect(database_url) as conn:
        conn.execute("CREATE TABLE thing (id integer, word text, more integer)")
        conn.execute("INSERT INTO thing VALUES (1, 'one', 0), (2, 'two', 0)")
        conn.execute("GRANT SELECT ON thing TO rapport_query")
    return database_url


async def prepared(database: Database) -> int:
    """Return how many statements of things the connection has prepared."""
    async with database.snapshot() as conn:
        found = await conn.execute(text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%thing%'"))
        return int(found.scalar_one())


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE thing ADD COLUMN new integer DEFAULT 3",
        "ALTER TABLE thing DROP COLUMN more",
        "ALTER TABLE thing ALTER COLUMN more TYPE text",
        "CREATE INDEX ON thing (id)",
    ],
)
async def test_a_statement_that_was_prepared_answers_after_its_table_has_changed(
    database: Database, things: str, change: str
) -> None:
    for _ in range(OFTEN):
        await asked(database, Reading(THINGS, list))
    assert await prepared(database) == 1
    with psycopg.connect(things) as conn:
        conn.execute(change.encode())
        conn.execute("INSERT INTO thing (id, word) VALUES (3, 'three')")
    for _ in range(2):
        assert await asked(database, Reading(THINGS, list)) == ([(1, "one"), (2, "two"), (3, "three")],)


async def test_another_type_of_what_is_told_costs_one_answer(database: Database, things: str) -> None:
    """PostgreSQL refuses what it prepared then; the driver prepares it anew for the next one."""
    for _ in range(OFTEN):
        await asked(database, Reading(THINGS, list))
    with psycopg.connect(things) as conn:
        conn.execute("ALTER TABLE thing ALTER COLUMN id TYPE bigint")
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="cached plan"):
        await asked(database, Reading(THINGS, list))
    for _ in range(OFTEN):
        assert await asked(database, Reading(THINGS, list)) == ([(1, "one"), (2, "two")],)


async def test_what_is_planned_anew_is_never_prepared(database: Database, things: str) -> None:
    for is_planned_anew, kept in ((True, 0), (False, 1)):
        for _ in range(OFTEN):
            await asked(database, Reading(THINGS, list, is_planned_anew=is_planned_anew))
        assert await prepared(database) == kept


async def test_values_of_one_call_are_not_those_of_the_next(database: Database) -> None:
    """Nor of another reading of the same statement in the same round trip; who gives none gets none of before."""
    for n in range(OFTEN):
        assert await asked(database, number(n), number(-n), number(2 * n)) == (n, -n, 2 * n)
    with pytest.raises(InvalidRequestError, match="value is required"):
        await asked(database, number(1), Reading(NUMBER, only))
    given = Prepared(select(func.coalesce(bindparam("n", None, type_=Integer), -1)))
    assert await asked(database, Reading(given, only, {"n": 5}), Reading(given, only), number(9)) == (5, -1, 9)


def test_a_statement_is_made_once_for_each_arguments_until_all_are_forgotten() -> None:
    made = []

    @prepared_once
    def build(n: int, *, name: str = "n") -> Query:
        made.append((n, name))
        return select(literal_column(str(n)).label(name))

    first = build(1)
    assert (build(1) is first, first.text) == (True, "SELECT 1 AS n")
    assert [build(2).text, build(1, name="other").text, build(2).text] == ["SELECT 2 AS n", "SELECT 1 AS other", "SELECT 2 AS n"]
    assert made == [(1, "n"), (2, "n"), (1, "other")]
    forget_statements()
    assert build(1) is not first
