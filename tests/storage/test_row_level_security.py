"""A service sees and writes one tenant's rows only, whatever its statements say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege
from psycopg.sql import SQL, Identifier

from services.storage.schema import metadata

#: Tables that the small world fills, that query may read and that are bound to a tenant.
FILLED = [
    t
    for t in metadata.sorted_tables
    if t.info["tenant_policy"] and "query" in t.info["readers"] and (t.schema == "scoring" or t.name in {"conversation", "event"})
    and t.name not in {"customer_sweep", "quarantine", "segment_transition"} and not t.name.startswith("remainder")
]  # fmt: skip

Connection = psycopg.Connection[Any]


@pytest.fixture
def world(shared_world_url: str) -> Iterator[Connection]:
    """The small world in a transaction that is undone."""
    with psycopg.connect(shared_world_url) as conn, conn.transaction(force_rollback=True):
        yield conn


@contextmanager
def acting(conn: Connection, service: str, tenant_id: str | None) -> Iterator[None]:
    """Open a transaction as a service does, and leave nothing of it."""
    with conn.transaction(force_rollback=True):
        conn.execute(SQL("SET LOCAL ROLE {}").format(Identifier(f"rapport_{service}")))
        if tenant_id is not None:
            conn.execute("SELECT set_config('rapport.tenant', %s, true)", [tenant_id])
        yield


def tenants_seen(conn: Connection, table: str) -> set[str]:
    query = SQL("SELECT DISTINCT tenant_id FROM {}").format(Identifier(*table.split(".")))
    return {row[0] for row in conn.execute(query)}


@pytest.mark.parametrize("table", FILLED, ids=lambda t: t.fullname)
def test_a_tenant_sees_its_own_rows_only(world: Connection, table: Any) -> None:
    both = tenants_seen(world, table.fullname)
    assert "north" in both
    for tenant_id in ("north", "south"):
        with acting(world, "query", tenant_id):
            assert tenants_seen(world, table.fullname) == both & {tenant_id}
    for nobody in (None, "", "west", "north' OR true --", "%"):
        with acting(world, "query", nobody):
            assert tenants_seen(world, table.fullname) == set()
    # The control: the policy is what keeps them apart.
    world.execute(SQL("ALTER TABLE {} DISABLE ROW LEVEL SECURITY").format(Identifier(*table.fullname.split("."))))
    with acting(world, "query", "north"):
        assert tenants_seen(world, table.fullname) == both


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda t: t.fullname)
def test_query_writes_nothing(world: Connection, table: Any) -> None:
    name = Identifier(*table.fullname.split("."))
    column = Identifier(next(iter(table.columns)).name)
    for statement in (
        SQL("DELETE FROM {}").format(name),
        SQL("UPDATE {} SET {} = DEFAULT").format(name, column),
        SQL("INSERT INTO {} DEFAULT VALUES").format(name),
        SQL("TRUNCATE {}").format(name),
    ):
        with pytest.raises(InsufficientPrivilege), acting(world, "query", "north"):
            world.execute(statement)


def test_a_service_writes_its_own_tenants_rows_only(world: Connection) -> None:
    add = "INSERT INTO ingest.agent (tenant_id, agent_id) VALUES (%s, 'new')"
    with acting(world, "ingest", "north"):
        world.execute(add, ["north"])
    with pytest.raises(InsufficientPrivilege, match="row-level security"), acting(world, "ingest", "north"):
        world.execute(add, ["south"])
    with pytest.raises(InsufficientPrivilege, match="row-level security"), acting(world, "ingest", None):
        world.execute(add, ["north"])
    with pytest.raises(InsufficientPrivilege, match="row-level security"), acting(world, "ingest", "north"):
        world.execute("UPDATE ingest.conversation SET tenant_id = 'south' WHERE conversation_id = 'c7'")
    with acting(world, "ingest", "north"):
        assert world.execute("UPDATE ingest.conversation SET tags = '{x}' WHERE tenant_id = 'south'").rowcount == 0
        assert world.execute("DELETE FROM ingest.conversation WHERE tenant_id = 'south'").rowcount == 0


def test_queues_are_seen_without_a_tenant_by_their_takers_only_and_not_taken(world: Connection) -> None:
    for tenant_id in ("north", "south"):
        world.execute("INSERT INTO ingest.change (tenant_id, kind, entity_id) VALUES (%s, 1, 'c1')", [tenant_id])
    with acting(world, "scoring", None):
        assert tenants_seen(world, "ingest.change") == {"north", "south"}
        assert world.execute("DELETE FROM ingest.change").rowcount == 0
    with acting(world, "scoring", "north"):
        assert tenants_seen(world, "ingest.change") == {"north"}
        assert world.execute("DELETE FROM ingest.change").rowcount == 1
    with acting(world, "query", None):
        assert tenants_seen(world, "ingest.change") == set()


def test_services_write_their_own_schema_only(world: Connection) -> None:
    for service, statement in (
        ("ingest", b"SELECT 1 FROM scoring.presence"),
        ("ingest", b"DELETE FROM scoring.contribution"),
        ("ingest", b"DELETE FROM scoring.presence"),
        ("scoring", b"UPDATE ingest.conversation SET tags = '{x}'"),
        ("scoring", b"UPDATE ingest.change SET kind = 2"),
        ("alerting", b"DELETE FROM scoring.contribution"),
        ("alerting", b"SELECT 1 FROM ingest.conversation"),
        ("query", b"SELECT 1 FROM alerting.alert"),
    ):
        with pytest.raises(InsufficientPrivilege, match="permission denied"), acting(world, service, "north"):
            world.execute(statement)
