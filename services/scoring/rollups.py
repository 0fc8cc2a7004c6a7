"""What every rollup holds, said once: SQL over `delta`, rows of contributions of which each counts `s` times, 1 or -1.

A batch of changes is what facts count for now (1) less what they counted for before (-1), added to the rollups. Everything
counted anew is every contribution (1), in the rollups' place. Parameter: `tenant`.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Table

from services.storage import schema

#: Width of the histogram's buckets of response times, less 1: the middle of each is at most 2 % off.
BUCKET_WIDTH = 0.04

#: The quarter of an hour (UTC) that holds a contribution's moment.
_QUARTER = "date_bin('15 minutes', at, TIMESTAMPTZ 'epoch')"


@dataclass(frozen=True, slots=True)
class Rollup:
    """A table and what it holds: the key's expressions, the values', and which contributions count.

    `source` is what is read, `where` which of it counts.
    """

    table: Table
    key: dict[str, str]
    values: dict[str, str]
    where: str = "true"
    source: str = "delta"

    def select(self) -> str:
        """Return the SELECT of the rows, in the columns' order, without those that hold nothing."""
        told = {"tenant_id": "CAST(:tenant AS text)"} | self.key | self.values
        columns = ", ".join(f"{told[c.name]} AS {c.name}" for c in self.table.columns)
        holds = " OR ".join(f"{value} <> 0" for value in self.values.values())
        grouped = ", ".join(self.key.values())
        return f"SELECT {columns} FROM {self.source} WHERE {self.where} GROUP BY {grouped} HAVING {holds}"  # noqa: S608  # no values

    def add(self, returning: str = "") -> str:
        """Return the statement that adds the rows to the table. In the key's order, so that no two wait for each other."""
        name, key = self.table.name, [c.name for c in self.table.primary_key]
        changes = ", ".join(f"{v} = {name}.{v} + EXCLUDED.{v}" for v in self.values)
        order = ", ".join(self.key.values())
        columns = ", ".join(c.name for c in self.table.columns)
        return (
            f"INSERT INTO {self.table.fullname} ({columns}) {self.select()} ORDER BY {order} "
            f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}{returning}"
        )


_COUNTED = ("conversations", "ended", "completed", "escalated", "conversions", "booked", "kept", "no_show", "cancelled")
_COUNTS = {name: f"sum(s * {name})" for name in _COUNTED} | {
    "duration_ms": "coalesce(sum(s * duration_ms), 0)",
    "csat_n": "coalesce(sum(s) FILTER (WHERE csat_x100 IS NOT NULL), 0)",
    "csat_x100": "coalesce(sum(s * csat_x100), 0)",
    "csat_x100_sq": "coalesce(sum(s * csat_x100 * csat_x100), 0)",
    "response_n": "coalesce(sum(s) FILTER (WHERE response_ms IS NOT NULL), 0)",
    "response_ms": "coalesce(sum(s * response_ms), 0)",
    "response_ms_sq": "coalesce(sum(s * CAST(response_ms AS numeric) * response_ms), 0)",
    "positive": "coalesce(sum(s) FILTER (WHERE sentiment = 1), 0)",
    "neutral": "coalesce(sum(s) FILTER (WHERE sentiment = 2), 0)",
    "negative": "coalesce(sum(s) FILTER (WHERE sentiment = 3), 0)",
}
_MONEY = {"orders": "sum(s * orders)", "amount": "sum(s * amount)"}
_MONEY_SQ = _MONEY | {"amount_sq": "sum(s * amount * amount)"}


def _log_bucket(ms: str) -> str:
    return f"CAST(ceil(ln(CAST(greatest({ms}, 1) AS float8)) / ln(CAST({1 + BUCKET_WIDTH} AS float8))) AS smallint)"


#: An outcome is counted once, a measure as often as its fact says.
_TALLIED = "delta CROSS JOIN LATERAL (VALUES (outcome, CAST(1 AS bigint)), (measure, quantity)) AS told (tallied, times)"


_TABLES = {t.name: t for t in schema.metadata.sorted_tables if t.schema == "scoring"}


def _histogram(name: str, key: dict[str, str], ms: str, recent: str = "true") -> Rollup:
    return Rollup(_TABLES[name], key | {"log_bucket": _log_bucket(ms)}, {"n": "sum(s)"}, f"{ms} IS NOT NULL AND {recent}")


def _rollups(names: str, key: dict[str, str], recent: str = "true") -> tuple[Rollup, ...]:
    return (
        Rollup(_TABLES[names.format("agent" if "agent_id" in key else "counts")], key, _COUNTS, recent),
        Rollup(
            _TABLES[names.format("revenue")],
            key | {"currency": "coalesce(currency, '')"},
            _MONEY_SQ,
            f"amount IS NOT NULL AND {recent}",
        ),
        _histogram(names.format("response"), key, "response_ms", recent),
        _histogram(names.format("duration"), key, "duration_ms", recent),
        Rollup(
            _TABLES[names.format("tally")],
            key | {"measure": "tallied"},
            {"n": "sum(s * times)"},
            f"tallied IS NOT NULL AND times IS NOT NULL AND {recent}",
            _TALLIED,
        ),
    )


_BY_AGENT = {"agent_id": "agent_id"}
BY_DAY = _rollups("{}_day", _BY_AGENT | {"bucket": "day", "platform": "platform"})
#: Quarters of an hour that began before the parameter `intervals_from` are not kept.
BY_INTERVAL = _rollups("{}_interval", _BY_AGENT | {"bucket": _QUARTER, "platform": "platform"}, "at >= :intervals_from")
#: All agents together, and what belongs to none.
TOTALS = _rollups("{}_total_day", {"bucket": "day", "platform": "platform"})
_MONTH = "CAST(date_trunc('month', day) AS date)"
#: Histograms of all agents together: those of a year's days are many rows.
MONTHS = (
    _histogram("response_total_month", {"bucket": _MONTH, "platform": "platform"}, "response_ms"),
    _histogram("duration_total_month", {"bucket": _MONTH, "platform": "platform"}, "duration_ms"),
)

COSTS = Rollup(
    schema.cost_period,
    {
        "agent_id": "agent_id",
        "customer_id": "customer_id",
        "category": "category",
        "campaign": "coalesce(campaign, '')",
        "currency": "currency",
        "first_day": "day",
        "end_day": "end_day",
    },
    {"n": "sum(s)", "amount": "sum(s * cost)"},
    "cost IS NOT NULL",
)
CUSTOMER_REVENUE = Rollup(
    schema.customer_revenue_day,
    {"customer_id": "customer_id", "day": "day", "currency": "coalesce(currency, '')"},
    _MONEY,
    "customer_id <> '' AND amount IS NOT NULL",
)
CUSTOMER_DAYS = Rollup(
    schema.customer_day,
    {"customer_id": "customer_id", "day": "day", "agent_id": "agent_id", "platform": "platform"},
    {"conversations": "sum(s * conversations)", "orders": "sum(s * orders)"},
    "customer_id <> '' AND (conversations > 0 OR orders > 0)",
)
