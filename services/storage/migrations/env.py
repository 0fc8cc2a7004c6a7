"""Runs migrations on the connection that `services.storage.migrate` opened."""

from __future__ import annotations

from alembic import context

from services.storage.schema import metadata

SCHEMAS = {"ingest", "scoring", "alerting"}


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "schema" or name in SCHEMAS


connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, include_schemas=True, include_name=include_name)
with context.begin_transaction():
    context.run_migrations()
