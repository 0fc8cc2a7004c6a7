"""The decision whether a statement is bound to one tenant is right, and finds out what is not."""

from __future__ import annotations

import pytest

from tests.storage.binding import unbound

# A statement a line.
# ruff: noqa: E501

TABLES = {"ingest.change", "scoring.due", "scoring.customer_state"}

BOUND = """
SELECT 1
SELECT set_config('rapport.tenant', $1, true)
SELECT kind FROM ingest.change WHERE tenant_id = $1
SELECT kind FROM ingest.change AS c WHERE $1::text = c.tenant_id AND kind > 3
SELECT rolname FROM pg_roles WHERE rolname = current_user
SELECT 1 FROM ingest.change c JOIN scoring.due d ON d.tenant_id = c.tenant_id WHERE c.tenant_id = $1
SELECT 1 FROM ingest.change c JOIN scoring.due d USING (tenant_id, kind) WHERE c.tenant_id = $1
SELECT 1 FROM ingest.change c LEFT JOIN scoring.due d ON d.tenant_id = c.tenant_id AND d.kind = c.kind WHERE c.tenant_id = $1
SELECT 1 FROM ingest.change c, scoring.due d WHERE (c.tenant_id, c.kind) = (d.tenant_id, d.kind) AND d.tenant_id = $1
SELECT 1 FROM ingest.change c WHERE c.tenant_id = $1 AND EXISTS (SELECT FROM scoring.due d WHERE d.tenant_id = c.tenant_id)
SELECT 1 FROM ingest.change c WHERE tenant_id = $1 AND kind IN (SELECT kind FROM scoring.due WHERE tenant_id = $1)
SELECT 1 FROM ingest.change c WHERE (tenant_id, kind) IN (SELECT tenant_id, kind FROM scoring.due WHERE tenant_id = $1)
SELECT count(*) FROM (SELECT 1 FROM ingest.change WHERE tenant_id = $1 LIMIT 3) AS c
SELECT 1 FROM ingest.change c CROSS JOIN LATERAL (SELECT FROM scoring.due d WHERE d.tenant_id = c.tenant_id LIMIT 1) AS w WHERE c.tenant_id = $1
WITH c AS (SELECT * FROM ingest.change WHERE tenant_id = $1) SELECT 1 FROM c JOIN scoring.due d ON d.tenant_id = c.tenant_id
WITH RECURSIVE c AS (SELECT tenant_id, kind FROM ingest.change WHERE tenant_id = $1 UNION ALL SELECT d.tenant_id, d.kind FROM scoring.due d JOIN c ON d.tenant_id = c.tenant_id) SELECT 1 FROM c
SELECT kind FROM ingest.change WHERE tenant_id = $1 UNION ALL SELECT kind FROM scoring.due WHERE tenant_id = $1
SELECT (SELECT count(*) FROM ingest.change c WHERE c.tenant_id = d.tenant_id) FROM scoring.due d WHERE d.tenant_id = $1
INSERT INTO ingest.change (tenant_id, kind) VALUES ($1, 1), ($1, 2)
INSERT INTO scoring.due (tenant_id, kind) SELECT $1, * FROM unnest($2::smallint[]) ON CONFLICT (tenant_id, kind) DO UPDATE SET kind = excluded.kind
INSERT INTO scoring.due (tenant_id, kind) SELECT c.tenant_id, c.kind FROM ingest.change c WHERE c.tenant_id = $1 RETURNING old.kind, new.kind
INSERT INTO ingest.event_of_no_tenant (kind) VALUES (1)
UPDATE scoring.due AS d SET kind = n.kind FROM unnest($2::smallint[]) AS n(kind) WHERE d.tenant_id = $1 AND d.kind = n.kind RETURNING old.kind
UPDATE scoring.due d SET kind = c.kind FROM ingest.change c WHERE d.tenant_id = $1 AND c.tenant_id = d.tenant_id
DELETE FROM scoring.due USING ingest.change c WHERE due.tenant_id = c.tenant_id AND c.tenant_id = $1
WITH gone AS (DELETE FROM ingest.change WHERE tenant_id = $1 RETURNING *) INSERT INTO scoring.due (tenant_id, kind) SELECT $1, kind FROM gone
""".strip().splitlines()

UNBOUND = """
SELECT kind FROM ingest.change
SELECT tenant_id FROM ingest.change WHERE kind = 1
SELECT kind FROM ingest.change WHERE tenant_id = $2
SELECT kind FROM ingest.change WHERE tenant_id <> $1
SELECT kind FROM ingest.change WHERE tenant_id = $1 OR kind = 1
SELECT kind FROM ingest.change WHERE NOT (tenant_id = $1)
SELECT kind FROM ingest.change WHERE tenant_id LIKE $1
SELECT kind FROM ingest.change WHERE tenant_id IN ($1, $2)
SELECT kind FROM ingest.change c WHERE c.tenant_id = c.tenant_id
SELECT 1 FROM ingest.change c JOIN scoring.due d ON d.kind = c.kind WHERE c.tenant_id = $1
SELECT 1 FROM ingest.change c, scoring.due d WHERE d.tenant_id = c.tenant_id
SELECT 1 FROM ingest.change c JOIN scoring.due d USING (kind) WHERE c.tenant_id = $1
SELECT 1 FROM ingest.change c LEFT JOIN scoring.due d ON d.tenant_id = c.tenant_id AND c.tenant_id = $1
SELECT 1 FROM ingest.change c FULL JOIN scoring.due d ON d.tenant_id = c.tenant_id AND c.tenant_id = $1
SELECT 1 FROM ingest.change c RIGHT JOIN scoring.due d ON d.tenant_id = $1 AND c.tenant_id = $1
SELECT 1 FROM ingest.change c WHERE c.tenant_id = $1 AND EXISTS (SELECT FROM scoring.due d WHERE d.kind = c.kind)
SELECT 1 FROM ingest.change c WHERE EXISTS (SELECT FROM scoring.due d WHERE d.tenant_id = c.tenant_id AND c.tenant_id = $1)
SELECT 1 FROM ingest.change c WHERE tenant_id = $1 AND kind IN (SELECT kind FROM scoring.due)
SELECT 1 FROM ingest.change c WHERE kind IN (SELECT kind FROM scoring.due WHERE tenant_id = $1)
SELECT 1 FROM ingest.change c WHERE (tenant_id, kind) NOT IN (SELECT tenant_id, kind FROM scoring.due WHERE tenant_id = $1)
SELECT 1 FROM (SELECT tenant_id FROM ingest.change LIMIT 3) AS c WHERE c.tenant_id = $1
SELECT count(*) FILTER (WHERE tenant_id = $1) FROM ingest.change
SELECT 1 FROM ingest.change GROUP BY tenant_id HAVING tenant_id = $1
WITH c AS (SELECT * FROM ingest.change) SELECT 1 FROM c WHERE tenant_id = $1
SELECT kind FROM ingest.change WHERE tenant_id = $1 UNION ALL SELECT kind FROM scoring.due
SELECT (SELECT count(*) FROM ingest.change) FROM scoring.due d WHERE d.tenant_id = $1
SELECT kind FROM change WHERE tenant_id = $1
INSERT INTO ingest.change (tenant_id, kind) VALUES ($1, 1), ($2, 2)
INSERT INTO ingest.change (kind) VALUES (1)
INSERT INTO ingest.change DEFAULT VALUES
INSERT INTO scoring.due (tenant_id, kind) SELECT tenant_id, kind FROM ingest.change
INSERT INTO scoring.due (kind, tenant_id) SELECT $1, kind FROM ingest.change WHERE tenant_id = $1
INSERT INTO scoring.due (tenant_id, kind) SELECT r.* FROM unnest($2::text[], $3::smallint[]) AS r
UPDATE scoring.due SET kind = 1
UPDATE scoring.due SET tenant_id = $2 WHERE tenant_id = $1
UPDATE scoring.due d SET kind = c.kind FROM ingest.change c WHERE d.tenant_id = $1 AND c.kind = d.kind
DELETE FROM scoring.due WHERE kind IN (SELECT kind FROM ingest.change WHERE tenant_id = $1)
DELETE FROM scoring.due USING ingest.change c WHERE c.tenant_id = $1
WITH gone AS (DELETE FROM ingest.change RETURNING *) SELECT 1 FROM gone WHERE tenant_id = $1
TRUNCATE scoring.due
MERGE INTO scoring.due d USING ingest.change c ON d.tenant_id = c.tenant_id AND c.tenant_id = $1 WHEN MATCHED THEN DELETE
""".strip().splitlines()


@pytest.mark.parametrize("statement", BOUND)
def test_a_bound_statement_is_taken_for_one(statement: str) -> None:
    assert unbound(statement, TABLES, lambda number: number == 1) == []


@pytest.mark.parametrize("statement", UNBOUND)
def test_an_unbound_statement_is_found_out(statement: str) -> None:
    assert unbound(statement, TABLES, lambda number: number == 1)


@pytest.mark.parametrize("statement", [s for s in BOUND if "$1" in s and s not in BOUND[:2]])
def test_the_same_statement_for_another_tenant_is_found_out(statement: str) -> None:
    """The control: it is the tenant that is asked for that binds."""
    assert unbound(statement, TABLES, lambda number: False)
