"""Counting of every event kind: carts and follow-ups, outcomes, tallies, costs by period, and what falls due."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from services.storage.migrations.securing import secure

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

#: How an event of one entity comes after another.
LATER = 'occurred_at DESC, event_id COLLATE "C" DESC, source DESC'


def upgrade() -> None:
    entities()
    contributions()
    tallies()
    costs()
    due()
    fold_what_is_stored()
    ask_to_count_again()


def tenant() -> sa.Column[str]:
    return sa.Column("tenant_id", sa.Text(), nullable=False)


def constraints(table: str, *key: str) -> tuple[sa.Constraint, ...]:
    return (
        sa.CheckConstraint("tenant_id <> ''", name=op.f(f"{table}_tenant_check")),
        sa.PrimaryKeyConstraint("tenant_id", *key, name=op.f(f"{table}_pkey")),
    )


def index(schema: str, table: str, *columns: str) -> None:
    op.create_index(op.f(f"{table}_{'_'.join(columns)}_idx"), table, columns, schema=schema)


def time(name: str, *, nullable: bool = True, comment: str | None = None) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, comment=comment)


def entities() -> None:
    op.create_table(
        "cart",
        tenant(),
        sa.Column("cart_id", sa.Text(), nullable=False),
        sa.Column("status", sa.SmallInteger(), comment="what was done with it last"),
        sa.Column("value", sa.Numeric()),
        sa.Column("currency", sa.Text()),
        sa.Column("agent_id", sa.Text()),
        sa.Column("customer_id", sa.Text()),
        sa.Column("conversation_id", sa.Text()),
        time("created_at", comment="its first event"),
        time("changed_at", comment="its last event"),
        *constraints("cart", "cart_id"),
        schema="ingest",
    )
    op.create_table(
        "follow_up",
        tenant(),
        sa.Column("follow_up_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text()),
        time("due"),
        sa.Column("assignee", sa.Text()),
        sa.Column("status", sa.SmallInteger()),
        sa.Column("agent_id", sa.Text()),
        sa.Column("customer_id", sa.Text()),
        sa.Column("conversation_id", sa.Text()),
        time("opened_at", comment="its first event"),
        time("status_at", comment="since when it has had its status"),
        *constraints("follow_up", "follow_up_id"),
        schema="ingest",
    )
    for table in ("cart", "follow_up"):
        index("ingest", table, "tenant_id", "customer_id")
        index("ingest", table, "tenant_id", "conversation_id")
        secure(f"ingest.{table}", readers=["scoring", "query"])
    op.create_index(
        op.f("event_tenant_id_conversation_id_idx"),
        "event",
        ["tenant_id", "conversation_id"],
        schema="ingest",
        postgresql_where=sa.text("conversation_id IS NOT NULL"),
    )
    failed_at = time("failed_at", comment="when it became FAILED and stayed so; absent while it is not")
    op.add_column("transaction", failed_at, schema="ingest")
    op.create_index(
        op.f("transaction_tenant_id_customer_id_failed_at_idx"),
        "transaction",
        ["tenant_id", "customer_id", "failed_at"],
        schema="ingest",
        postgresql_where=sa.text("failed_at IS NOT NULL"),
    )
    said = "how often RESCHEDULED was reported"
    reschedules = sa.Column("reschedules", sa.Integer(), server_default=sa.text("0"), nullable=False, comment=said)
    op.add_column("appointment", reschedules, schema="ingest")


def contributions() -> None:
    for column in (
        sa.Column("outcome", sa.SmallInteger(), comment="success, or which kind of miss; absent while neither"),
        sa.Column("measure", sa.SmallInteger(), comment="what an event is counted in"),
        sa.Column("quantity", sa.BigInteger(), comment="how much it counts there"),
        sa.Column("cost", sa.Numeric()),
        sa.Column("category", sa.SmallInteger(), comment="what a cost is for"),
        sa.Column("campaign", sa.Text(), comment="of a cost or an interaction"),
        sa.Column("end_day", sa.Date(), comment="the day after the last that a cost is for"),
    ):
        op.add_column("contribution", column, schema="scoring")
    op.alter_column("contribution", "currency", comment="of the amount or the cost", schema="scoring")
    op.create_index(
        "contribution_campaign_idx",
        "contribution",
        ["tenant_id", "customer_id", "at"],
        schema="scoring",
        postgresql_where=sa.text("campaign IS NOT NULL"),
    )
    campaign = sa.Column("campaign", sa.Text(), comment="of the first interaction that names one")
    op.add_column("customer_state", campaign, schema="scoring")


def tallies() -> None:
    for grain, bucket in (("day", sa.Date()), ("interval", sa.DateTime(timezone=True))):
        table = f"tally_{grain}"
        op.create_table(
            table,
            tenant(),
            sa.Column("agent_id", sa.Text(), nullable=False),
            sa.Column("bucket", bucket, nullable=False),
            sa.Column("platform", sa.SmallInteger(), nullable=False),
            sa.Column("measure", sa.SmallInteger(), nullable=False),
            sa.Column("n", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
            *constraints(table, "agent_id", "bucket", "platform", "measure"),
            schema="scoring",
        )
        index("scoring", table, "tenant_id", "bucket")
        secure(f"scoring.{table}", readers=["query", "alerting"])


def costs() -> None:
    op.create_table(
        "cost_period",
        tenant(),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("category", sa.SmallInteger(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("end_day", sa.Date(), nullable=False),
        sa.Column("n", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("amount", sa.Numeric(), server_default=sa.text("0"), nullable=False),
        *constraints("cost_period", "agent_id", "customer_id", "category", "campaign", "currency", "first_day", "end_day"),
        schema="scoring",
    )
    index("scoring", "cost_period", "tenant_id", "customer_id")
    index("scoring", "cost_period", "tenant_id", "first_day")
    secure("scoring.cost_period", readers=["query"])


def due() -> None:
    op.create_table(
        "due",
        tenant(),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("entity_id", sa.Text(), nullable=False),
        time("due_at", nullable=False),
        *constraints("due", "kind", "entity_id"),
        schema="scoring",
    )
    index("scoring", "due", "due_at")
    secure("scoring.due", readers=["query"], probers=["scoring"])


def fold_what_is_stored() -> None:
    """Give entities what events that are stored already tell of them."""
    op.execute(
        """
        UPDATE ingest.event SET entity_kind = CASE kind WHEN 17 THEN 6 ELSE 7 END,
            entity_id = body ->> CASE kind WHEN 17 THEN 'cart_id' ELSE 'follow_up_id' END
        WHERE kind IN (17, 18)
        """
    )
    op.execute(
        f"""
        INSERT INTO ingest.cart
            (tenant_id, cart_id, status, value, currency, agent_id, customer_id, conversation_id, created_at, changed_at)
        SELECT tenant_id, entity_id, {last("(body ->> 'action')::smallint")}, {last("(body ->> 'value')::numeric")},
               {last("body ->> 'currency'")}, {last("agent_id")}, {last("customer_id")}, {last("conversation_id")},
               min(occurred_at), max(occurred_at)
        FROM ingest.event WHERE kind = 17 GROUP BY tenant_id, entity_id
        """
    )
    op.execute(
        f"""
        INSERT INTO ingest.follow_up
            (tenant_id, follow_up_id, action, due, assignee, status, agent_id, customer_id, conversation_id, opened_at, status_at)
        SELECT tenant_id, entity_id, {last("body ->> 'action'")}, {last("(body ->> 'due')::timestamptz")},
               {last("body ->> 'assignee'")}, {last("(body ->> 'status')::smallint")},
               {last("agent_id")}, {last("customer_id")}, {last("conversation_id")}, min(occurred_at), NULL
        FROM ingest.event WHERE kind = 18 GROUP BY tenant_id, entity_id
        """
    )
    op.execute(f"UPDATE ingest.follow_up AS t SET status_at = {since(7, 'follow_up_id', 't.status')}")
    op.execute(f"UPDATE ingest.transaction AS t SET failed_at = {since(2, 'transaction_id', '3')} WHERE status = 3")
    op.execute(
        """
        UPDATE ingest.appointment AS t SET reschedules = e.n
        FROM (SELECT tenant_id, entity_id, count(*) AS n FROM ingest.event
              WHERE entity_kind = 3 AND (body ->> 'status')::int = 2 GROUP BY 1, 2) AS e
        WHERE e.tenant_id = t.tenant_id AND e.entity_id = t.appointment_id
        """
    )


def last(value: str) -> str:
    """Return the last value that is there."""
    return f"(array_agg({value} ORDER BY {LATER}) FILTER (WHERE {value} IS NOT NULL))[1]"


def since(kind: int, key: str, status: str) -> str:
    """Return when the run of a status that ends an entity's events began."""
    return f"""(
        SELECT min(e.occurred_at) FROM ingest.event AS e
        WHERE e.tenant_id = t.tenant_id AND e.entity_kind = {kind} AND e.entity_id = t.{key}
            AND (e.body ->> 'status')::int = {status} AND NOT EXISTS (
            SELECT FROM ingest.event AS x
            WHERE x.tenant_id = t.tenant_id AND x.entity_kind = {kind} AND x.entity_id = t.{key}
                AND (x.body ->> 'status')::int <> {status}
                AND (x.occurred_at, x.event_id COLLATE "C", x.source) > (e.occurred_at, e.event_id COLLATE "C", e.source)))"""


def ask_to_count_again() -> None:
    """Have scoring count every fact again: each may have an outcome or a measure now."""
    op.execute(
        """
        INSERT INTO ingest.change (tenant_id, kind, entity_id)
        SELECT tenant_id, 1, conversation_id FROM ingest.conversation
        UNION ALL SELECT tenant_id, 2, transaction_id FROM ingest.transaction
        UNION ALL SELECT tenant_id, 3, appointment_id FROM ingest.appointment
        UNION ALL SELECT tenant_id, 6, cart_id FROM ingest.cart
        UNION ALL SELECT tenant_id, 7, follow_up_id FROM ingest.follow_up
        UNION ALL SELECT tenant_id, 8, source || '/' || event_id FROM ingest.event
            WHERE kind NOT IN (11, 12, 17, 18)
        """
    )
