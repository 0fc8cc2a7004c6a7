"""Who speaks for a customer's advocacy is found without reading all of their conversations; a rebuild may change settings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "conversation_advocate_idx",
        "conversation",
        ["tenant_id", "customer_id"],
        schema="ingest",
        postgresql_where=sa.text("conversion_type = 4 OR stage = 5"),
    )
    # What was erased and is not counted yet is looked for by name.
    op.create_index(
        "change_erased_idx", "change", ["tenant_id", "entity_id"], schema="ingest", postgresql_where=sa.text("kind > 100")
    )
    # The time zone and the attribution window change with the numbers that they shape, in one transaction.
    op.execute("GRANT INSERT, UPDATE ON ingest.tenant_settings TO rapport_scoring")
