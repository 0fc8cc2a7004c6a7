"""One tenant per transaction, one moment per snapshot, and pings that no full pool stops; on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from contextvars import Context
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime import deadlines
from services.runtime.database import SILENCE_S, Database
from services.runtime.errors import StartError
from services.runtime.failures import as_service_error
from services.runtime.tenancy import set_tenant
from tests.until import until

TENANT = text("SELECT current_setting('rapport.tenant', true)")
COUNT = text("SELECT count(*) FROM notes")


@pytest.fixture
async def database(empty_database_url: str) -> AsyncIterator[Database]:
    opened = Database(empty_database_url, "postgres", pool_size=2)
    async with opened.probe() as conn:
        await conn.execute(text("CREATE TABLE notes (note text)"))
    yield opened
    await opened.close()


async def add_note(conn: AsyncConnection, note: str = "x") -> None:
    await conn.execute(text("INSERT INTO notes VALUES (:note)"), {"note": note})


async def test_a_transaction_is_bound_to_the_calls_tenant_or_the_one_named(database):
    async def outside_a_call() -> None:
        with pytest.raises(LookupError):
            async with database.transaction():
                raise AssertionError

    await asyncio.create_task(outside_a_call(), context=Context())
    set_tenant("acme")
    async with database.transaction() as conn:
        assert await conn.scalar(TENANT) == "acme"
    async with database.transaction("other") as conn:
        assert await conn.scalar(TENANT) == "other"
    async with database.snapshot("third") as conn:
        assert await conn.scalar(TENANT) == "third"
    async with database.probe() as conn:
        assert not await conn.scalar(TENANT)


async def test_a_transaction_keeps_all_or_nothing(database):
    async with database.transaction("acme") as conn:
        await add_note(conn)
    with pytest.raises(DBAPIError):  # noqa: PT012 the second statement is what fails
        async with database.transaction("acme") as conn:
            await add_note(conn)
            await conn.execute(text("SELECT 1/0"))
    async with database.probe() as conn:
        assert await conn.scalar(COUNT) == 1


async def test_a_snapshot_sees_one_moment_and_writes_nothing(database):
    async with database.snapshot("acme") as seen:
        assert await seen.scalar(COUNT) == 0
        async with database.transaction("acme") as conn:
            await add_note(conn)
        assert await seen.scalar(COUNT) == 0
        with pytest.raises(DBAPIError, match="read-only"):
            await add_note(seen)
    async with database.snapshot("acme") as seen:
        assert await seen.scalar(COUNT) == 1


async def test_a_transaction_after_a_snapshot_may_write_and_sees_what_others_commit(database):
    for _ in range(3):  # whichever of the pool's connections it gets
        async with database.snapshot("acme") as seen:
            await seen.scalar(COUNT)
        async with database.transaction("acme") as conn:
            before = await conn.scalar(COUNT)
            async with database.transaction("acme") as other:
                await add_note(other)
            assert await conn.scalar(COUNT) == before + 1


async def test_a_full_pool_does_not_stop_pings(empty_database_url, monkeypatch):
    database = Database(empty_database_url, "postgres", pool_size=1)
    monkeypatch.setattr(database._engine.pool, "_timeout", 0.1)
    async with database.probe():
        await database.ping()
        with pytest.raises(PoolTimeoutError):
            async with database.probe():
                pass
    await database.close()


async def test_an_error_does_not_tell_the_parameters(database):
    with pytest.raises(DBAPIError) as caught:
        async with database.probe() as conn:
            await conn.execute(text("SELECT 1/0, CAST(:note AS text)"), {"note": "Ada Lovelace"})
    assert "Lovelace" not in str(caught.value)


async def test_a_role_that_row_level_security_does_not_bind_is_refused(database):
    with pytest.raises(StartError, match="role postgres may bypass row-level security"):
        await database.check()


async def test_a_role_that_it_binds_is_taken(empty_database_url, database):
    async with database.probe() as conn:
        await conn.execute(text("CREATE ROLE rapport_checked"))
    bound = Database(empty_database_url, "rapport_checked")
    try:
        await bound.check()
    finally:
        await bound.close()
        async with database.probe() as conn:
            await conn.execute(text("DROP ROLE rapport_checked"))


TERMINATE = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> :mine")


async def cut_the_others(database: Database) -> None:
    async with database.probe() as conn:
        mine = await conn.scalar(text("SELECT pg_backend_pid()"))
        await conn.execute(TERMINATE, {"mine": mine})


@pytest.mark.parametrize("opened", [Database.transaction, Database.snapshot])
async def test_connections_that_were_cut_while_they_were_idle_are_not_noticed(database, empty_database_url, opened):
    async with opened(database, "acme") as first, opened(database, "acme") as second:
        pids = {await c.scalar(text("SELECT pg_backend_pid()")) for c in (first, second)}
    other = Database(empty_database_url, "postgres", pool_size=1)
    await cut_the_others(other)
    async with opened(database, "acme") as first, opened(database, "acme") as second:
        assert not pids & {await c.scalar(text("SELECT pg_backend_pid()")) for c in (first, second)}
    await other.close()


async def test_a_connection_that_is_cut_at_work_is_an_error_and_undoes_everything(database, empty_database_url):
    other = Database(empty_database_url, "postgres", pool_size=1)
    with pytest.raises(DBAPIError) as cut:  # noqa: PT012 the second statement is what fails
        async with database.transaction("acme") as conn:
            await add_note(conn)
            await cut_the_others(other)
            await add_note(conn)
    error = as_service_error(cut.value)
    assert error is not None
    assert error.reason == "DATABASE_UNAVAILABLE"
    async with other.probe() as conn:
        assert await conn.scalar(COUNT) == 0
    await other.close()


async def test_a_statement_ends_with_the_callers_deadline(database):
    deadlines.begin(0.2)
    began = time.monotonic()
    with pytest.raises(DBAPIError) as stopped:
        async with database.transaction("acme") as conn:
            await conn.execute(text("SELECT pg_sleep(60)"))
    assert time.monotonic() - began < 30
    error = as_service_error(stopped.value)
    assert error is not None
    assert error.reason == "DEADLINE_EXCEEDED"
    deadlines.begin(None)
    async with database.transaction("acme") as conn:  # the limit was that call's, not the connection's
        assert await conn.scalar(text("SHOW statement_timeout")) == "0"


async def test_a_transaction_ends_at_its_limit(empty_database_url):
    limited = Database(empty_database_url, "postgres", transaction_limit=timedelta(seconds=0.3))

    async def works() -> bool:
        """Whoever is held up for so long has met the limit too."""
        with suppress(DBAPIError, psycopg.Error):
            async with limited.transaction("acme") as conn:
                return await conn.scalar(text("SELECT 1")) == 1
        return False

    await until(works)
    with pytest.raises((DBAPIError, psycopg.Error)) as stopped:  # noqa: PT012 the second statement is what fails
        async with limited.transaction("acme") as conn:
            await asyncio.sleep(0.6)
            await conn.scalar(text("SELECT 1"))
    error = as_service_error(stopped.value)
    assert error is not None
    assert error.reason in {"DEADLINE_EXCEEDED", "DATABASE_UNAVAILABLE"}
    await until(works)
    await limited.close()


async def test_a_call_that_is_cancelled_twice_ends_as_cancelled(database):
    """At whatever moment: a failure in the cancellation's place would be taken for the database's, and work would go on."""

    async def read_on() -> None:
        while True:
            async with database.snapshot("acme") as conn:
                await conn.scalar(TENANT)

    for turn in range(60):
        reading = asyncio.create_task(read_on())
        await asyncio.sleep(0.0002 * turn)
        for _ in range(2):
            reading.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await reading
    async with database.snapshot("acme") as conn:
        assert await conn.scalar(TENANT) == "acme"


async def test_a_network_that_swallows_everything_is_given_up(empty_database_url):
    folder = make_url(empty_database_url).query["host"]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there = await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.5432")
        await asyncio.gather(pump(reader, there), pump(there_reader, writer))

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while some := await reader.read(65536):
            writer.write(some)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        far = Database(str(make_url(empty_database_url).set(host=host, port=port, query={})), "postgres")
        async with far.probe() as conn:
            driver = (await conn.get_raw_connection()).driver_connection
            with socket.socket(fileno=os.dup(driver.pgconn.socket)) as link:
                assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) < SILENCE_S
                assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == SILENCE_S * 1000
        await far.close()
