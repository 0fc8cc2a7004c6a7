"""Notifications that there was no need for any more are told from those that failed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

FAILED, DROPPED = 3, 4
#: Why they were given up, as their last attempts say.
NEEDLESS = (
    "a newer notification tells the same",
    "what it tells is silenced, explained by another alert or acknowledged by now",
    "the beginning of what it ends was never told",
    "the channel was deleted",
    "the channel has become another",
)
#: Needless only where it was the first: what was tried before was tried in vain.
OVER = "what it tells was over before it could be told"


def upgrade() -> None:
    # Of all tenants: who owns the tables sees every row.
    dropped = sa.text(
        """
        UPDATE alerting.notification AS n SET state = :dropped
        FROM alerting.attempt AS a
        WHERE n.state = :failed AND a.tenant_id = n.tenant_id AND a.notification_id = n.notification_id
            AND (a.error = ANY (CAST(:needless AS text[])) OR a.error = :over AND a.number = 1)
            AND NOT EXISTS (
                SELECT 1 FROM alerting.attempt AS later
                WHERE later.tenant_id = a.tenant_id AND later.notification_id = a.notification_id AND later.number > a.number
            )
        """
    )
    op.execute(dropped.bindparams(dropped=DROPPED, failed=FAILED, needless=list(NEEDLESS), over=OVER))
