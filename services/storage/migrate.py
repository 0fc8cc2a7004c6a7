"""Brings a database to the newest schema: `python -m services.storage.migrate` or `upgrade(url)`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, NullPool, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from services.runtime.database import OLDEST_SERVER

#: Any constant: migrations of one database wait for each other on it.
_LOCK = 7_260_411

_VARIABLE = "RAPPORT_DATABASE_URL"
_NO_RIGHT = psycopg.errors.InsufficientPrivilege.sqlstate

_RIGHTS = text(
    """
    SELECT current_user::text AS login, current_database()::text AS database,
           has_database_privilege(current_database(), 'CREATE') AS may_create,
           coalesce(has_schema_privilege(to_regnamespace('public'), 'CREATE'), false) AS may_use_public,
           (SELECT rolcreaterole OR rolsuper FROM pg_roles WHERE rolname = current_user) AS may_make_roles
    """
)
#: The services' roles that are missing (`made` is false) or that the login may not act as.
_ROLES = text(
    """
    SELECT name, r.oid IS NOT NULL AS made
    FROM unnest(ARRAY['rapport_ingest', 'rapport_scoring', 'rapport_query', 'rapport_alerting']) AS name
    LEFT JOIN pg_roles r ON r.rolname = name
    WHERE r.oid IS NULL OR NOT pg_has_role(current_user, r.oid, 'SET')
    ORDER BY name
    """
)


class MigrationError(RuntimeError):
    """The database was left as it was; the text is one sentence for the operator and holds no password."""


def config() -> Config:
    """Return Alembic's configuration."""
    options = Config()
    options.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return options


def upgrade(url: str, revision: str = "head") -> None:
    """Apply every migration up to `revision` that is not applied yet. Safe to call from several processes at once.

    Raises MigrationError, which names the right that the login lacks when that is the reason.
    """
    # What is raised below has no cause attached: a driver's or a parser's own words may quote the password.
    with _connection(_parsed(url)) as conn:
        try:
            _apply(conn, revision)
        except CommandError as error:
            raise MigrationError(f"the database is not at a schema that this version knows: {error}") from None
        except DBAPIError as error:
            conn.rollback()
            raise MigrationError(_why(conn, error)) from None


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "postgresql":
            return parsed.set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        pass  # ValueError: a port that is no number
    raise MigrationError(
        f"{_VARIABLE} must be a URL such as postgresql://user:password@localhost/rapport, "
        "with / : @ ? # % and spaces in the password written as %2F %3A %40 %3F %23 %25 %20"
    )


@contextmanager
def _connection(url: URL) -> Iterator[Connection]:
    """Connect for as long as the block runs."""
    try:
        conn = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 10}).connect()
    except (ArgumentError, DBAPIError) as error:
        raise MigrationError(f"the database that {_VARIABLE} names cannot be reached: {_words(error)}") from None
    with conn:
        yield conn


def _apply(conn: Connection, revision: str) -> None:
    version = int(conn.execute(text("SHOW server_version_num")).scalar_one())
    if version < OLDEST_SERVER:
        raise MigrationError(f"PostgreSQL 18 or newer is needed; the server that {_VARIABLE} names is {version // 10000}")
    conn.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
    conn.commit()
    options = config()
    options.attributes["connection"] = conn
    command.upgrade(options, revision)


def _why(conn: Connection, error: DBAPIError) -> str:
    """Return why a migration failed: the rights that the login lacks, or what the server said."""
    said = f"the database could not be brought to the newest schema: {_words(error)}"
    if error.connection_invalidated or getattr(error.orig, "sqlstate", None) != _NO_RIGHT:
        return said
    rights = conn.execute(_RIGHTS).one()
    lacking = []
    if not (rights.may_create and rights.may_use_public):
        lacking.append(f"it must own the database {rights.database}, or have CREATE on it and on its schema public")
    roles = conn.execute(_ROLES).all()
    if missing := [role.name for role in roles if not role.made and not rights.may_make_roles]:
        lacking.append(f"it must have CREATEROLE, or somebody who has makes the roles {', '.join(missing)} and grants them to it")
    if made := [role.name for role in roles if role.made]:
        lacking.append(f"it must be granted {', '.join(made)} WITH SET TRUE")
    return f"the login {rights.login} lacks rights: {'; '.join(lacking)}" if lacking else said


def _words(error: ArgumentError | DBAPIError) -> str:
    """Return what the driver or the server said, on one line."""
    driver = error.orig if isinstance(error, DBAPIError) else error
    diagnosis = driver.diag.message_primary if isinstance(driver, psycopg.Error) else None
    return " ".join((diagnosis or str(driver)).split())


def main() -> None:
    """Migrate the database of the environment; end the process with a sentence and code 1 when that fails."""
    url = os.environ.get(_VARIABLE, "")
    if not url:
        sys.exit(f"{_VARIABLE} is not set: name the database to migrate")
    try:
        upgrade(url)
    except MigrationError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
