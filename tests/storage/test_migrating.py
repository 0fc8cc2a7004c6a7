"""Who may migrate a database, and what everybody else is told."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

import psycopg
import pytest
import sqlalchemy as sa

from services.runtime.database import Database
from services.stack import postgres
from services.stack.postgres import Server
from services.storage import migrate
from tests import fix_database
from tests.until import until

ROLES = ("rapport_ingest", "rapport_scoring", "rapport_query", "rapport_alerting")
WAITING = "SELECT FROM pg_locks WHERE relation = 'scoring.progress'::regclass AND NOT granted"
PASSWORD = "it's%20a%20p%40ss"  # "it's a p@ss": the server trusts everybody and never asks for it


@pytest.fixture(scope="module")
def other_server(postgres_server: Server) -> Iterator[Server]:
    """A server of this module's own: its roles come and go."""
    server = postgres.start(postgres_server.data.with_name("other"), durable=False)
    yield server
    server.stop()


@dataclass(frozen=True, slots=True)
class House:
    """A new server without roles of ours, and an empty database that belongs to the superuser."""

    server: Server
    database_url: str

    def sql(self, *statements: str) -> None:
        """Do what only the superuser may."""
        with psycopg.connect(self.database_url, autocommit=True) as conn:
            for statement in statements:
                conn.execute(statement.encode())

    @property
    def name(self) -> str:
        return str(sa.make_url(self.database_url).database)

    def url(self, login: str = "keeper") -> str:
        return self.database_url.replace("postgres@", f"{login}:{PASSWORD}@")


@pytest.fixture
def house(other_server: Server) -> Iterator[House]:
    with fix_database.database(other_server, "TEMPLATE template0") as url:
        house = House(other_server, url)
        try:
            yield house
        finally:
            house.sql("DROP SCHEMA IF EXISTS ingest, scoring, alerting CASCADE", "DROP OWNED BY keeper")
            house.sql(f"ALTER DATABASE {house.name} OWNER TO postgres", f"DROP ROLE IF EXISTS {', '.join(ROLES)}, keeper")


def refusal(house: House) -> str:
    """Return what the login is told; nothing may be left of the attempt."""
    with pytest.raises(migrate.MigrationError) as caught:
        migrate.upgrade(house.url())
    assert caught.value.__cause__ is None
    with psycopg.connect(house.database_url) as conn:
        assert conn.execute("SELECT to_regnamespace('ingest'), to_regclass('public.alembic_version')").fetchone() == (None, None)
    return str(caught.value)


async def serve(house: House) -> None:
    """Do as a service does: act as each role."""
    for role in ROLES:
        database = Database(house.url(), role, pool_size=1)
        await database.check()
        await database.close()


async def test_an_owner_with_createrole_needs_nobody(house: House) -> None:
    house.sql("CREATE ROLE keeper LOGIN CREATEROLE", f"ALTER DATABASE {house.name} OWNER TO keeper")
    migrate.upgrade(house.url())
    await serve(house)
    migrate.upgrade(house.url())


async def test_an_owner_with_prepared_roles_needs_no_createrole(house: House) -> None:
    house.sql("CREATE ROLE keeper LOGIN", f"ALTER DATABASE {house.name} OWNER TO keeper")
    house.sql(*(f"CREATE ROLE {role}; GRANT {role} TO keeper WITH SET TRUE" for role in ROLES))
    migrate.upgrade(house.url())
    await serve(house)


async def test_an_owner_who_is_no_superuser_changes_the_rows_of_every_tenant(house: House) -> None:
    """Row-level security binds the owner, too."""
    house.sql("CREATE ROLE keeper LOGIN CREATEROLE", f"ALTER DATABASE {house.name} OWNER TO keeper")
    migrate.upgrade(house.url(), "0014")
    with psycopg.connect(house.database_url) as conn:
        for tenant in ("north", "south"):
            conn.execute(
                "INSERT INTO alerting.notification (tenant_id, notification_id, channel_id, route_id, names, alert_ids, payload, "
                "state, created_at) VALUES (%s, gen_random_uuid(), 'c', 'r', '{}', '{}', '{}', 3, now())",
                [tenant],
            )
        conn.execute(
            "INSERT INTO alerting.attempt (tenant_id, notification_id, number, at, took_ms, error) "
            "SELECT tenant_id, notification_id, 1, now(), 0, 'the channel was deleted' FROM alerting.notification"
        )
    migrate.upgrade(house.url())
    with psycopg.connect(house.database_url) as conn:
        assert conn.execute("SELECT tenant_id, state FROM alerting.notification ORDER BY 1").fetchall() == [
            ("north", 4), ("south", 4)
        ]  # fmt: skip


async def test_rights_to_create_do_for_ownership(house: House) -> None:
    house.sql(
        "CREATE ROLE keeper LOGIN CREATEROLE",
        f"GRANT CREATE ON DATABASE {house.name} TO keeper",
        "GRANT CREATE ON SCHEMA public TO keeper",
    )
    migrate.upgrade(house.url())
    await serve(house)


def test_a_login_without_rights_is_told_of_each(house: House) -> None:
    house.sql("CREATE ROLE keeper LOGIN")
    assert refusal(house) == (
        f"the login keeper lacks rights: it must own the database {house.name}, or have CREATE on it and on its schema public; "
        "it must have CREATEROLE, or somebody who has makes the roles rapport_alerting, rapport_ingest, rapport_query, "
        "rapport_scoring and grants them to it"
    )


def test_an_owner_without_createrole_is_told_of_the_roles_that_are_missing(house: House) -> None:
    house.sql("CREATE ROLE keeper LOGIN", f"ALTER DATABASE {house.name} OWNER TO keeper")
    house.sql(*(f"CREATE ROLE {role}; GRANT {role} TO keeper WITH SET TRUE" for role in ROLES[:3]))
    assert refusal(house) == (
        "the login keeper lacks rights: it must have CREATEROLE, or somebody who has makes the roles rapport_alerting "
        "and grants them to it"
    )


@pytest.mark.parametrize("more", ["", "CREATEROLE"])
def test_a_role_that_was_made_but_not_granted_is_named(house: House, more: str) -> None:
    house.sql(f"CREATE ROLE keeper LOGIN {more}", f"ALTER DATABASE {house.name} OWNER TO keeper")
    house.sql(*(f"CREATE ROLE {role}; GRANT {role} TO keeper WITH SET TRUE" for role in ROLES[:3]))
    house.sql(f"CREATE ROLE {ROLES[3]}; GRANT {ROLES[3]} TO keeper WITH SET FALSE")
    assert refusal(house) == "the login keeper lacks rights: it must be granted rapport_alerting WITH SET TRUE"


def test_other_failures_are_told_in_the_servers_words(house: House) -> None:
    house.sql("CREATE ROLE keeper LOGIN CREATEROLE", f"ALTER DATABASE {house.name} OWNER TO keeper", "CREATE SCHEMA scoring")
    with pytest.raises(migrate.MigrationError, match=r'newest schema: schema "scoring" already exists$'):
        migrate.upgrade(house.url())


def test_a_database_of_a_newer_version_is_told(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        conn.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(migrate.MigrationError, match=r"not at a schema that this version knows.*9999"):
        migrate.upgrade(database_url)


async def test_totals_wait_for_who_is_scoring(empty_database_url: str) -> None:
    """What a worker of the version before has not committed yet is in the totals, and it takes no tenant meanwhile."""
    migrate.upgrade(empty_database_url, "0010")
    take = "SELECT FROM scoring.progress WHERE tenant_id = 'north' FOR UPDATE SKIP LOCKED"
    with (
        ThreadPoolExecutor(1) as beside,
        psycopg.connect(empty_database_url) as worker,
        psycopg.connect(empty_database_url, autocommit=True) as other,
    ):
        other.execute("INSERT INTO scoring.progress (tenant_id) VALUES ('north')")
        worker.execute(take)
        worker.execute(
            "INSERT INTO scoring.agent_day (tenant_id, agent_id, bucket, platform, conversations) "
            "VALUES ('north', 'a1', '2026-05-01', 1, 7)"
        )
        done = beside.submit(migrate.upgrade, empty_database_url)
        await until(lambda: other.execute(WAITING).fetchall())
        other.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute(take)
        worker.commit()
        done.result(timeout=60)
        assert other.execute("SELECT bucket, platform, conversations FROM scoring.counts_total_day").fetchall() == [
            (date(2026, 5, 1), 1, 7)
        ]
        assert other.execute(take).fetchall() == [()]


def test_days_on_which_customers_were_new_are_made_of_what_is_kept(empty_database_url: str) -> None:
    """Of each tenant, those who were erased too; who only was named was never new."""
    migrate.upgrade(empty_database_url, "0010")
    with psycopg.connect(empty_database_url) as conn:
        for tenant, customer, first in (("n", "a", 1), ("n", "b", 1), ("n", "c", None), ("s", "a", 2)):
            conn.execute(
                "INSERT INTO scoring.customer_state "
                "(tenant_id, customer_id, engagement_days, first_day, order_days, orders, advocate) "
                "VALUES (%s, %s, 1, %s, 0, 0, false)",
                [tenant, customer, first and date(2026, 5, first)],
            )
        for first in ("2026-05-01", "2026-05-03"):
            conn.execute("INSERT INTO scoring.remainder_customer VALUES ('n', gen_random_uuid(), %s)", [first])
    migrate.upgrade(empty_database_url)
    with psycopg.connect(empty_database_url) as conn:
        assert conn.execute("SELECT tenant_id, day, n FROM scoring.new_customers_day ORDER BY 1, 2").fetchall() == [
            ("n", date(2026, 5, 1), 3), ("n", date(2026, 5, 3), 1), ("s", date(2026, 5, 2), 1)
        ]  # fmt: skip


def run(url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.storage.migrate"]
    environment = os.environ | {"RAPPORT_DATABASE_URL": url}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "RAPPORT_DATABASE_URL is not set"),
        ("hello", "RAPPORT_DATABASE_URL must be a URL such as"),
        ("mysql://u:secret@localhost/x", "RAPPORT_DATABASE_URL must be a URL such as"),
        ("postgresql://u@localhost:secret/x", "RAPPORT_DATABASE_URL must be a URL such as"),
        (f"postgresql://u:{PASSWORD}@127.0.0.1:1/x", "the database that RAPPORT_DATABASE_URL names cannot be reached: "),
        ("postgresql://u:secret@127.0.0.1:1/x?colour=red", "the database that RAPPORT_DATABASE_URL names cannot be reached: "),
    ],
)
def test_the_command_ends_with_one_sentence_that_holds_no_password(url: str, sentence: str) -> None:
    done = run(url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(sentence)
    assert done.stderr.count("\n") == 1
    for part in ("secret", "it's", "a p", "p@ss"):
        assert part not in done.stderr


def test_the_command_migrates_with_a_password_of_any_characters(house: House) -> None:
    house.sql("CREATE ROLE keeper LOGIN CREATEROLE", f"ALTER DATABASE {house.name} OWNER TO keeper")
    done = run(house.url())
    assert (done.returncode, done.stderr) == (0, "")
    house.sql("SELECT version_num FROM alembic_version")
