"""The embedded PostgreSQL: made, found again, ended, and none the worse for a kill."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from services.stack import postgres


@pytest.fixture
def data(open_folder: Path) -> Iterator[Path]:
    yield open_folder / "pg"
    postgres.end(open_folder / "pg")


def test_a_server_is_new_enough_listens_to_its_folder_alone_and_keeps_its_data(data: Path) -> None:
    server = postgres.start(data)
    postgres.check_version(server.url)
    with psycopg.connect(server.url, autocommit=True) as conn:
        shown = {
            name: conn.info.parameter_status(name) or conn.execute(f"SHOW {name}").fetchone()[0]
            for name in ("listen_addresses", "fsync", "server_encoding")
        }
        conn.execute("CREATE TABLE kept AS SELECT 1 AS one")
    assert shown == {"listen_addresses": "", "fsync": "on", "server_encoding": "UTF8"}
    assert server.socket_folder.stat().st_mode & 0o077 == 0
    server.stop()
    assert not postgres.is_running(data)
    with psycopg.connect(postgres.start(data).url) as conn:
        assert conn.execute("SELECT one FROM kept").fetchone() == (1,)


def test_a_server_that_outlived_its_starter_is_taken_over(data: Path) -> None:
    first = postgres.start(data, durable=False)
    second = postgres.start(data)
    assert (first.found_running, second.found_running) == (False, True)
    assert second.url == first.url
    second.stop()
    assert not postgres.is_running(data)
    first.stop()  # nothing left to stop


def test_a_killed_server_is_started_again_with_what_was_committed(data: Path) -> None:
    server = postgres.start(data)
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute("CREATE TABLE kept AS SELECT 1 AS one")
        os.kill(int((data / "postmaster.pid").read_text().split("\n")[0]), signal.SIGKILL)
        again = postgres.start(data)
    assert not again.found_running
    with psycopg.connect(again.url) as conn:
        assert conn.execute("SELECT one FROM kept").fetchone() == (1,)


def test_a_note_of_another_process_is_not_taken_for_a_server(data: Path) -> None:
    postgres.start(data, durable=False).stop()
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n")
    assert not postgres.start(data, durable=False).found_running


def test_a_path_too_long_for_a_socket_does(open_folder: Path) -> None:
    data = open_folder / ("x" * 100) / "with space" / "pg"
    server = postgres.start(data, log=data.parent / "logs" / "postgres.log", durable=False)
    try:
        assert len(str(server.socket_folder)) < 80
        postgres.ensure_database(server.url, "rapport")
        postgres.ensure_database(server.url, "rapport")
        with psycopg.connect(server.url_of("rapport")) as conn:
            assert conn.execute("SELECT current_database()").fetchone() == ("rapport",)
    finally:
        server.stop()
    assert not server.socket_folder.exists()


def test_a_server_that_does_not_answer_is_told_in_one_sentence(open_folder: Path) -> None:
    with pytest.raises(postgres.PostgresError, match="no PostgreSQL answers at RAPPORT_DATABASE_URL"):
        postgres.check_version(f"postgresql+psycopg://postgres@/postgres?host={open_folder}")
