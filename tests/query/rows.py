"""Rows as ingest and scoring would leave them, written by the owner of the database."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from services.runtime.windows import floor_to_quarter, local_day

ZONE = "Asia/Kolkata"
NOW = datetime(2026, 5, 20, 10, 7, tzinfo=UTC)
TODAY = date(2026, 5, 20)
NEVER = date(1, 1, 1)
WHATSAPP, INSTAGRAM, WEB = 1, 2, 4

_WELL_ENDED = ("conversations", "ended", "completed")
_NOTHING = dict.fromkeys(
    ("conversations", "ended", "completed", "escalated", "conversions", "booked", "kept", "no_show", "cancelled", "orders"), 0
)


class Rows:
    """Writes rows of one tenant."""

    def __init__(self, url: str, tenant: str = "default") -> None:
        self.conn = psycopg.connect(url, autocommit=True)
        self.tenant = tenant

    def insert(self, table: str, **values: Any) -> None:
        given = {"tenant_id": self.tenant, **values}
        self.conn.execute(
            sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                sql.Identifier(*table.split(".")),
                sql.SQL(", ").join(map(sql.Identifier, given)),
                sql.SQL(", ").join(sql.Placeholder() * len(given)),
            ),
            list(given.values()),
        )

    def settings(self, currency: str = "INR", zone: str = ZONE) -> None:
        self.insert(
            "ingest.tenant_settings",
            reporting_currency=currency, time_zone=zone, attribution_window_days=7, version=1, updated_at=NOW,
        )  # fmt: skip

    def agent(
        self,
        agent_id: str,
        *,
        name: str | None = None,
        state: int | None = None,
        industry: str | None = None,
        revision: int = 1,
    ) -> None:
        self.insert("scoring.agent_state", agent_id=agent_id, revision=revision)
        if name is not None or state is not None or industry is not None:
            self.insert("ingest.agent", agent_id=agent_id, name=name, state=state, industry=industry)

    def counts(self, agent_id: str, at: datetime, platform: int = WHATSAPP, **counts: int) -> None:
        """Write one row of counts by interval and by day, and add it to the tenant's day; `n` conversations all end completed."""
        n = counts.pop("n", 0)
        values = dict.fromkeys(_WELL_ENDED, n) | counts
        for grain, bucket in (("interval", floor_to_quarter(at)), ("day", local_day(at, ZONE))):
            self.insert(f"scoring.agent_{grain}", agent_id=agent_id, bucket=bucket, platform=platform, **values)
        self.add("scoring.counts_total_day", {"bucket": local_day(at, ZONE), "platform": platform}, **values)

    def money(
        self, agent_id: str, at: datetime, amount: str, *, platform: int = WHATSAPP, currency: str = "INR", orders: int = 1
    ) -> None:
        for grain, bucket in (("interval", floor_to_quarter(at)), ("day", local_day(at, ZONE))):
            self.insert(
                f"scoring.revenue_{grain}",
                agent_id=agent_id, bucket=bucket, platform=platform, currency=currency, orders=orders, amount=amount,
            )  # fmt: skip
        key = {"bucket": local_day(at, ZONE), "platform": platform, "currency": currency}
        self.add("scoring.revenue_total_day", key, orders=orders, amount=amount)

    def times(self, agent_id: str, at: datetime, log_bucket: int, n: int, platform: int = WHATSAPP) -> None:
        self._histogram("response", agent_id, at, {"platform": platform, "log_bucket": log_bucket}, n)

    def lengths(self, agent_id: str, at: datetime, log_bucket: int, n: int, platform: int = WHATSAPP) -> None:
        self._histogram("duration", agent_id, at, {"platform": platform, "log_bucket": log_bucket}, n)

    def add(self, table: str, key: dict[str, Any], **values: Any) -> None:
        """Add to the row of a key, which may not be there yet."""
        given = {"tenant_id": self.tenant, **key, **values}
        name, rollup = sql.Identifier(*table.split(".")), sql.Identifier("rollup")
        added = [sql.SQL("{0} = {1}.{0} + excluded.{0}").format(sql.Identifier(v), rollup) for v in values]
        self.conn.execute(
            sql.SQL("INSERT INTO {} AS rollup ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}").format(
                name,
                sql.SQL(", ").join(map(sql.Identifier, given)),
                sql.SQL(", ").join(sql.Placeholder() * len(given)),
                sql.SQL(", ").join(map(sql.Identifier, ("tenant_id", *key))),
                sql.SQL(", ").join(added),
            ),
            list(given.values()),
        )

    def _histogram(self, name: str, agent_id: str, at: datetime, where: dict[str, int], n: int) -> None:
        for grain, bucket in (("interval", floor_to_quarter(at)), ("day", local_day(at, ZONE))):
            self.insert(f"scoring.{name}_{grain}", agent_id=agent_id, bucket=bucket, **where, n=n)
        self.add(f"scoring.{name}_total_day", {"bucket": local_day(at, ZONE), **where}, n=n)
        self.add(f"scoring.{name}_total_month", {"bucket": local_day(at, ZONE).replace(day=1), **where}, n=n)

    def presence(self, grouping: int, group_id: str, day: date, n: int, previous: date = NEVER) -> None:
        self.insert("scoring.presence", grouping=grouping, group_id=group_id, day=day, previous_day=previous, n=n)

    def contribution(self, fact_id: str, at: datetime, *, agent_id: str = "1", customer_id: str = "c1", **values: Any) -> None:
        given = {"kind": 1, "platform": WHATSAPP, **_NOTHING, "conversations": 1, **values}
        self.insert(
            "scoring.contribution",
            fact_id=fact_id, agent_id=agent_id, customer_id=customer_id, at=at, day=local_day(at, ZONE), **given,
        )  # fmt: skip

    def conversation(
        self, conversation_id: str, start: datetime, *, agent_id: str = "1", customer_id: str = "c1", **values: Any
    ) -> None:
        given = {"platform": WHATSAPP, "intents": "[]", "follow_up_required": False, "industry": "", **values}
        given["intents"] = json.dumps([{"intent": i} for i in values.get("intents", [])])
        self.insert(
            "ingest.conversation",
            conversation_id=conversation_id, agent_id=agent_id, customer_id=customer_id, session_id="s", start_time=start,
            message_count=1, customer_messages=1, agent_responses=0, revision=1, content_hash=b"x", **given,
        )  # fmt: skip

    def customer(
        self,
        customer_id: str,
        first: date | None,
        last: date | None,
        *,
        days: int = 1,
        orders: int = 0,
        campaign: str | None = None,
    ) -> None:
        self.insert(
            "scoring.customer_state",
            customer_id=customer_id, engagement_days=days, first_day=first, last_day=last, order_days=0, orders=orders,
            advocate=False, campaign=campaign,
        )  # fmt: skip
        if first:
            self.add("scoring.new_customers_day", {"day": first}, n=1)

    def paid(self, customer_id: str, day: date, amount: str, currency: str = "INR", orders: int = 1) -> None:
        self.insert(
            "scoring.customer_revenue_day", customer_id=customer_id, day=day, currency=currency, orders=orders, amount=amount
        )

    def rate(self, currency: str, day: date, rate: str, into: str = "INR") -> None:
        self.insert("ingest.exchange_rate", from_currency=currency, to_currency=into, day=day, rate=rate, updated_at=NOW)

    def cost(
        self, amount: str, first: date, end: date, *, agent_id: str = "", customer_id: str = "", category: int = 1,
        campaign: str = "", currency: str = "INR",
    ) -> None:  # fmt: skip
        """Write a cost for the days [first, end)."""
        self.insert(
            "scoring.cost_period",
            agent_id=agent_id, customer_id=customer_id, category=category, campaign=campaign, currency=currency,
            first_day=first, end_day=end, n=1, amount=amount,
        )  # fmt: skip

    def touch(self, agent_id: str) -> None:
        """Tell, as scoring does, that an agent's numbers moved."""
        self.conn.execute("UPDATE scoring.agent_state SET revision = revision + 1 WHERE agent_id = %s", [agent_id])

    def log_head(self, revision: int) -> None:
        self.conn.execute("DELETE FROM alerting.log_head")
        self.insert("alerting.log_head", revision=revision, first_revision=1, epoch="e")


def ago(**units: float) -> datetime:
    return NOW - timedelta(**units)
