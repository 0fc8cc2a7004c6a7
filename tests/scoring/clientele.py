"""Customers with a history, written as the worker would leave them: hundreds of them in a blink."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import psycopg

from services.scoring.lifetime import Mbg
from tests.fix_services import House
from tests.scoring.buyers import simulate

_STATES = """
    INSERT INTO scoring.customer_state (tenant_id, customer_id, engagement_days, first_day, last_day, order_days, first_order_day,
        last_order_day, orders, advocate)
    SELECT 'default', customer_id, count(*), min(day), max(day), count(*) FILTER (WHERE orders > 0),
        min(day) FILTER (WHERE orders > 0), max(day) FILTER (WHERE orders > 0), sum(orders), customer_id = ANY(%s)
    FROM scoring.customer_day GROUP BY customer_id
    ON CONFLICT (tenant_id, customer_id) DO UPDATE SET engagement_days = EXCLUDED.engagement_days,
        first_day = EXCLUDED.first_day, last_day = EXCLUDED.last_day, order_days = EXCLUDED.order_days,
        first_order_day = EXCLUDED.first_order_day, last_order_day = EXCLUDED.last_order_day, orders = EXCLUDED.orders
"""
_MONEY = """
    TRUNCATE scoring.revenue_day;
    INSERT INTO scoring.revenue_day (tenant_id, agent_id, bucket, platform, currency, orders, amount, amount_sq)
    SELECT 'default', 'a-1', day, 4, currency, sum(orders), sum(amount), sum(amount * amount)
    FROM scoring.customer_revenue_day GROUP BY day, currency;
    TRUNCATE scoring.revenue_total_day;
    INSERT INTO scoring.revenue_total_day (tenant_id, bucket, platform, currency, orders, amount, amount_sq)
    SELECT tenant_id, bucket, platform, currency, orders, amount, amount_sq FROM scoring.revenue_day
"""


class Clientele:
    """Writes customers of the tenant "default" with days counted back from the house's today, in UTC."""

    def __init__(self, house: House) -> None:
        self.today = house.clock.now.date()
        self._url = house.url
        self._days: list[tuple[str, date, int]] = []
        self._money: list[tuple[str, date, float]] = []
        self._advocates: list[str] = []

    def add(
        self, customer: str, days: Sequence[int], orders: Mapping[int, float] | None = None, *, advocate: bool = False
    ) -> None:
        """Have a customer talk on some days, each so many days ago, and order on others (or the same) for an amount of USD."""
        bought = orders or {}
        for ago in sorted({*days, *bought}):
            self._days.append((customer, self.today - timedelta(days=ago), int(ago in bought)))
        self._money += [(customer, self.today - timedelta(days=ago), amount) for ago, amount in bought.items()]
        self._advocates += [customer] if advocate else []

    def simulate(self, n: int, model: Mbg, *, seed: int, mean: float = 100.0, years: float = 1.5) -> None:
        """Add customers who behave as a model says; every engagement of each second one is an order around a mean."""
        chance = np.random.default_rng(seed)
        age = chance.uniform(1, 52 * years, n)
        x, last = simulate(model, age, seed)
        for i in range(n):
            times = [0.0, *np.linspace(last[i] / x[i], last[i], int(x[i]))] if x[i] else [0.0]
            days = sorted({int((age[i] - t) * 7) for t in times})
            worth = mean * chance.lognormal(0, 0.3)
            orders = {ago: round(worth * chance.lognormal(0, 0.3), 2) for ago in days} if i % 2 else {}
            self.add(f"s-{i}", days, orders)

    def write(self) -> None:
        """Write what was added."""
        with psycopg.connect(self._url) as conn, conn.cursor() as cursor:
            conn.execute("INSERT INTO ingest.tenant (tenant_id) VALUES ('default') ON CONFLICT DO NOTHING")
            cursor.executemany(
                "INSERT INTO scoring.customer_day (tenant_id, customer_id, day, agent_id, platform, conversations, orders) "
                "VALUES ('default', %s, %s, 'a-1', 4, 1, %s)",
                self._days,
            )
            cursor.executemany(
                "INSERT INTO scoring.customer_revenue_day (tenant_id, customer_id, day, currency, orders, amount) "
                "VALUES ('default', %s, %s, 'USD', 1, %s)",
                self._money,
            )
            conn.execute(_STATES.encode(), [self._advocates])
            conn.execute(_MONEY.encode())
        self._days, self._money = [], []
