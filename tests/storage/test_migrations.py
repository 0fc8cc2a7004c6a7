"""All migrations together make exactly what `schema` says: tables, keys, roles, grants and row-level security."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from services.storage import migrate
from services.storage.schema import metadata
from tests import fix_database

SERVICES = ("ingest", "scoring", "query", "alerting")
SCHEMAS = {"ingest", "scoring", "alerting"}
TENANT = "(tenant_id = NULLIF(current_setting('rapport.tenant'::text, true), ''::text))"
NO_TENANT = "(NULLIF(current_setting('rapport.tenant'::text, true), ''::text) IS NULL)"
TABLES = pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda t: t.fullname)


@pytest.fixture(scope="module")
def migrated(postgres_server: Any, template_database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection to a migrated database that tests only look at."""
    with (
        fix_database.database(postgres_server, f"TEMPLATE {template_database}") as url,
        psycopg.connect(url, autocommit=True) as conn,
    ):
        yield conn


def differences(url: str) -> list[Any]:
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    options = {
        "include_schemas": True,
        "include_name": lambda name, kind, _parents: kind != "schema" or name in SCHEMAS,
        "compare_type": True,
        "compare_server_default": True,
    }
    with engine.connect() as conn:
        found: list[Any] = compare_metadata(MigrationContext.configure(conn, opts=options), metadata)
    engine.dispose()
    return found


def test_migrations_equal_the_metadata(database_url: str) -> None:
    assert differences(database_url) == []


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE scoring.presence ALTER n DROP DEFAULT",
        "ALTER TABLE scoring.presence ALTER n TYPE numeric",
        "ALTER TABLE ingest.conversation ALTER tags DROP NOT NULL",
        "ALTER TABLE ingest.agent ADD colour text",
        "DROP INDEX alerting.alert_open_key",
        "DROP TABLE scoring.progress",
    ],
)
def test_a_difference_would_be_seen(database_url: str, change: str) -> None:
    with psycopg.connect(database_url) as conn:
        conn.execute(change.encode())
    assert differences(database_url)


def test_migrating_again_changes_nothing_and_an_empty_database_is_brought_up(database_url: str, empty_database_url: str) -> None:
    migrate.upgrade(database_url)
    assert differences(empty_database_url)
    migrate.upgrade(empty_database_url)
    assert differences(database_url) == differences(empty_database_url) == []


@TABLES
def test_keys_begin_with_the_tenant(migrated: psycopg.Connection[Any], table: sa.Table) -> None:
    key = migrated.execute(
        "SELECT a.attname FROM pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (attnum, n) "
        "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum "
        "WHERE i.indisprimary AND i.indrelid = %s::regclass ORDER BY k.n",
        [table.fullname],
    ).fetchall()
    assert [name for (name,) in key] == [c.name for c in table.primary_key.columns]
    has_tenant = table.fullname != "alerting.probe"
    assert (key[0] == ("tenant_id",)) is has_tenant
    checks = migrated.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c' AND conrelid = %s::regclass", [table.fullname]
    ).fetchall()
    assert checks == ([("CHECK ((tenant_id <> ''::text))",)] if has_tenant else [])


@TABLES
def test_row_level_security_is_what_the_schema_says(migrated: psycopg.Connection[Any], table: sa.Table) -> None:
    flags = migrated.execute(
        "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass", [table.fullname]
    ).fetchone()
    found = migrated.execute(
        "SELECT policyname::text, permissive, roles::text[], cmd, qual, with_check FROM pg_policies "
        "WHERE schemaname = %s AND tablename = %s",
        [table.schema, table.name],
    ).fetchall()
    expected: set[tuple[Any, ...]] = set()
    if table.info["tenant_policy"]:
        expected = {
            ("tenant", "PERMISSIVE", ("public",), "ALL", TENANT, TENANT),
            ("owner", "PERMISSIVE", ("postgres",), "ALL", "true", "true"),
        }
        expected |= {
            ("probe", "PERMISSIVE", (f"rapport_{service}",), "SELECT", NO_TENANT, None)
            for service in (*table.info.get("deleters", ()), *table.info.get("probers", ()))
        }
    assert flags == (bool(expected), bool(expected))
    assert {(name, kind, tuple(roles), *rest) for name, kind, roles, *rest in found} == expected


@TABLES
def test_grants_are_what_the_schema_says(migrated: psycopg.Connection[Any], table: sa.Table) -> None:
    expected = {(f"rapport_{table.schema}", right) for right in ("SELECT", "INSERT", "UPDATE", "DELETE")}
    expected |= {(f"rapport_{service}", "SELECT") for service in table.info["readers"]}
    expected |= {(f"rapport_{service}", "DELETE") for service in table.info.get("deleters", ())}
    expected |= {(f"rapport_{service}", right) for service in table.info.get("writers", ()) for right in ("INSERT", "UPDATE")}
    found = migrated.execute(
        "SELECT coalesce(r.rolname, 'public'), a.privilege_type FROM pg_class c CROSS JOIN aclexplode(c.relacl) a "
        "LEFT JOIN pg_roles r ON r.oid = a.grantee WHERE c.oid = %s::regclass AND a.grantee <> c.relowner",
        [table.fullname],
    ).fetchall()
    assert set(found) == expected
    columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = %s::regclass AND attacl IS NOT NULL"
    assert migrated.execute(columns, [table.fullname]).fetchone() == (0,)


def test_roles_are_bound_by_row_level_security_and_own_nothing(migrated: psycopg.Connection[Any]) -> None:
    roles = migrated.execute(
        "SELECT rolname, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolcanlogin OR rolreplication "
        "FROM pg_roles WHERE rolname LIKE 'rapport%'"
    ).fetchall()
    assert dict(roles) == {f"rapport_{service}": False for service in SERVICES}
    owned = "SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE r.rolname LIKE 'rapport%'"
    assert migrated.execute(owned).fetchone() == (0,)
    memberships = "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname LIKE 'rapport%'"
    assert migrated.execute(memberships).fetchone() == (0,)


def test_roles_use_schemas_and_create_nothing_in_them(migrated: psycopg.Connection[Any]) -> None:
    rights = defaultdict(set)
    for schema, role, right in migrated.execute(
        "SELECT n.nspname, a.grantee::regrole::text, a.privilege_type FROM pg_namespace n CROSS JOIN aclexplode(n.nspacl) a "
        "WHERE n.nspname IN ('ingest', 'scoring', 'alerting') AND a.grantee <> n.nspowner"
    ):
        rights[schema].add((role, right))
    assert dict(rights) == {schema: {(f"rapport_{service}", "USAGE") for service in SERVICES} for schema in SCHEMAS}
