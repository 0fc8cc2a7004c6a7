"""Real PostgreSQL for tests: one server a test process, and a migrated database of its own for every test that asks."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # ships no types
import psycopg
import pytest

from services.stack import postgres
from services.storage import migrate

TEMPLATE = "rapport_template"
_FOLDER = "rapport-test-"
_numbers = count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A server that syncs nothing to disk. Tests that kill a server start one of their own."""
    _clear_away_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-"))
    server = postgres.start(folder / "postgres", durable=False)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def template_database(postgres_server: postgres.Server) -> str:
    """The name of a database with every migration applied, that nobody is connected to."""
    postgres.ensure_database(postgres_server.url, TEMPLATE)
    migrate.upgrade(postgres_server.url_of(TEMPLATE))
    return TEMPLATE


@pytest.fixture
def database_url(postgres_server: postgres.Server, template_database: str) -> Iterator[str]:
    """The URL, for the owner, of a fresh database with every migration applied."""
    # A copy of the files takes half the time of one through the log; the checkpoints it needs cost nothing here.
    with database(postgres_server, f"TEMPLATE {template_database} STRATEGY FILE_COPY") as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_server: postgres.Server) -> Iterator[str]:
    """The URL, for the owner, of a fresh database without any migration."""
    with database(postgres_server, "TEMPLATE template0") as url:
        yield url


@contextmanager
def database(server: postgres.Server, source: str) -> Iterator[str]:
    """Make a database, as `source` says in CREATE DATABASE, for as long as the block runs; yield its URL."""
    name = f"rapport_test_{next(_numbers)}"
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} {source}".encode())
        try:
            yield server.url_of(name)
        finally:
            conn.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _clear_away_leftovers() -> None:
    """Stop the servers of test processes that were killed before they could."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}[0-9]*-*"):
        owner = int(folder.name.removeprefix(_FOLDER).split("-")[0])
        if not psutil.pid_exists(owner):
            # Another test process may be clearing away the same one.
            with suppress(postgres.PostgresError):
                postgres.Server(folder / "postgres", folder / "postgres", found_running=True).stop()
            shutil.rmtree(folder, ignore_errors=True)
