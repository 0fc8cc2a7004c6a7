"""Brings a database to the newest schema: `python -m services.storage.migrate` or `upgrade(url)`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import OperationalError

#: Any constant: migrations of one database wait for each other on it.
_LOCK = 7_260_411


def config(url: str) -> Config:
    """Return Alembic's configuration for a database."""
    options = Config()
    options.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    options.attributes["url"] = url
    return options


def upgrade(url: str, revision: str = "head") -> None:
    """Apply every migration up to `revision` that is not applied yet. Safe to call from several processes at once."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.connect() as conn:
        conn.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        conn.commit()
        options = config(url)
        options.attributes["connection"] = conn
        command.upgrade(options, revision)
    engine.dispose()


if __name__ == "__main__":
    database_url = os.environ.get("RAPPORT_DATABASE_URL", "")
    if not database_url:
        sys.exit("RAPPORT_DATABASE_URL is not set: name the database to migrate")
    try:
        upgrade(database_url)
    except OperationalError:
        sys.exit("the database that RAPPORT_DATABASE_URL names cannot be reached")
