"""The small world of `scenario_facts`, `scenario_rollups` and `scenario_kept`, in databases of its own."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from services.stack.postgres import Server
from tests.fix_database import database
from tests.storage import scenario_facts, scenario_kept, scenario_rollups


def fill(url: str) -> None:
    """Insert tenants north and south: facts, the rollups that belong to them, and what else is kept."""
    with psycopg.connect(url) as conn:
        for scenario in (scenario_facts, scenario_rollups, scenario_kept):
            scenario_facts.insert(conn, "north", scenario.NORTH)
            scenario_facts.insert(conn, "south", scenario.SOUTH)


@pytest.fixture(scope="session")
def shared_world_url(postgres_server: Server, template_database: str) -> Iterator[str]:
    """The URL of the small world, for tests that undo what they do."""
    with database(postgres_server, f"TEMPLATE {template_database}") as url:
        fill(url)
        yield url


@pytest.fixture
def world_url(database_url: str) -> str:
    """The URL of a small world of the test's own."""
    fill(database_url)
    return database_url
