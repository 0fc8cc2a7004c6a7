"""An export holds the rows of one tenant."""

from __future__ import annotations

from itertools import product

import pytest

from services.query.exporting import Dataset
from services.query.store_export_rows import SOURCES, Asked, query
from services.storage.schema import metadata
from tests.query.conftest import Service
from tests.query.exports import D, data, export, read
from tests.query.rows import Rows, ago
from tests.storage.binding import unbound

TABLES = {t.fullname for t in metadata.sorted_tables if "tenant_id" in t.c}


@pytest.mark.parametrize("dataset", list(SOURCES))
def test_every_query_is_bound_to_one_tenant(dataset: Dataset) -> None:
    """COPY goes past what records statements, so its queries are looked at here."""
    for flags in product((False, True), repeat=5):
        told = query(dataset, Asked(*flags))
        assert "'" not in told.replace("'[]'::json", "").split(" FROM ")[-1].replace("agent_id = ''", "").replace(
            "'period_start'", ""
        )
        numbered, names = told, ["tenant"]
        while "%(" in numbered:
            name = numbered.split("%(")[1].split(")s")[0]
            names += [] if name in names else [name]
            numbered = numbered.replace(f"%({name})s", f"${names.index(name) + 1}")
        assert unbound(numbered, TABLES, lambda number: number == 1) == []
        # The control: bound to anything else it is found out.
        assert unbound(numbered, TABLES, lambda number: number == 2)


async def test_another_tenant_sees_nothing(service: Service, rows: Rows, database_url: str) -> None:
    other = Rows(database_url, "other")
    for each in (rows, other):
        each.conversation(f"of-{each.tenant}", ago(days=1))
        each.counts(f"agent-of-{each.tenant}", ago(days=1), n=1)
    other.conn.close()
    assert [row["conversation_id"] for row in read(data(await export(service)), D.conversations)] == ["of-default"]
    assert {row["agent_id"] for row in read(data(await export(service, D.agent_days)), D.agent_days)} == {"agent-of-default"}
