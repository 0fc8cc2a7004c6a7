"""What every migration that makes a table does with it: who may do what, and one tenant a transaction."""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

_TENANT = "tenant_id = nullif(current_setting('rapport.tenant', true), '')"
_NO_TENANT = "nullif(current_setting('rapport.tenant', true), '') IS NULL"


def secure(table: str, *, readers: Sequence[str] = (), deleters: Sequence[str] = (), probers: Sequence[str] = ()) -> None:
    """Give a new table (schema.name) to the service that its schema is named for and bind it to the transaction's tenant.

    `readers` and `deleters` are other services. `probers` may ask, in a transaction bound to no tenant, which tenants have
    rows: every deleter is one.
    """
    owner = table.split(".", maxsplit=1)[0]
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO rapport_{owner}")
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON {table} USING ({_TENANT}) WITH CHECK ({_TENANT})")
    op.execute(f"CREATE POLICY owner ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")
    for service in readers:
        op.execute(f"GRANT SELECT ON {table} TO rapport_{service}")
    for service in deleters:
        op.execute(f"GRANT DELETE ON {table} TO rapport_{service}")
    for service in {*deleters, *probers}:
        op.execute(f"CREATE POLICY probe ON {table} FOR SELECT TO rapport_{service} USING ({_NO_TENANT})")
