"""Scoring may ask which tenants have changes in quarantine."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE POLICY probe ON scoring.quarantine FOR SELECT TO rapport_scoring "
        "USING (nullif(current_setting('rapport.tenant', true), '') IS NULL)"
    )
