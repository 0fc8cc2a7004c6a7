"""The same small world: what its rollups must hold, worked out by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.storage import scenario_events as events
from tests.storage.scenario_events import fact
from tests.storage.scenario_facts import WEB, WHATSAPP, Row

NEVER = "0001-01-01"
# The functions below take a table's columns in their order.
# ruff: noqa: PLR0917


def counts(agent_id: str, bucket: str, platform: int, **counts: int) -> Row:
    return {"agent_id": agent_id, "bucket": bucket, "platform": platform, **counts}


def money(agent_id: str, bucket: str, platform: int, currency: str, orders: int, amount: str, amount_sq: str) -> Row:
    where = {"agent_id": agent_id, "bucket": bucket, "platform": platform, "currency": currency}
    return {**where, "orders": orders, "amount": amount, "amount_sq": amount_sq}


def times(agent_id: str, bucket: str, platform: int, log_bucket: int, n: int) -> Row:
    return {"agent_id": agent_id, "bucket": bucket, "platform": platform, "log_bucket": log_bucket, "n": n}


def customer_day(customer_id: str, day: str, agent_id: str, platform: int, conversations: int, orders: int) -> Row:
    where = {"customer_id": customer_id, "day": day, "agent_id": agent_id, "platform": platform}
    return {**where, "conversations": conversations, "orders": orders}


def paid(customer_id: str, day: str, currency: str, orders: int, amount: str) -> Row:
    return {"customer_id": customer_id, "day": day, "currency": currency, "orders": orders, "amount": amount}


def met(grouping: int, group_id: str, day: str, previous_day: str, n: int) -> Row:
    return {"grouping": grouping, "group_id": group_id, "day": day, "previous_day": previous_day, "n": n}


def came(day: str, n: int) -> Row:
    return {"day": day, "n": n}


def customer(customer_id: str, engaged: tuple[Any, ...], ordered: tuple[Any, ...], orders: int, advocate: bool) -> Row:
    return {
        "customer_id": customer_id, "engagement_days": engaged[0], "first_day": engaged[1], "last_day": engaged[2],
        "order_days": ordered[0], "first_order_day": ordered[1], "last_order_day": ordered[2],
        "orders": orders, "advocate": advocate,
    }  # fmt: skip


_ENDED = {"conversations": 1, "ended": 1}
_COMPLETED = {**_ENDED, "completed": 1}
_SUCCESS = {**_COMPLETED, "outcome": 1}
_NO_DAYS = (0, None, None)
#: c1, and c4 with c5, whose rows by interval and by day are the same.
_C1 = {**_COMPLETED, "conversions": 1, "duration_ms": 600001, "csat_n": 1, "csat_x100": 450, "csat_x100_sq": 202500,
       "response_n": 1, "response_ms": 35000, "response_ms_sq": 1225000000, "positive": 1}  # fmt: skip
_C4_C5 = {"conversations": 2, "ended": 2, "completed": 1, "escalated": 1, "conversions": 1, "duration_ms": 1800000,
          "response_n": 2, "response_ms": 2000, "response_ms_sq": 2000000, "neutral": 1}  # fmt: skip

#: What a row is told apart by, whatever its table.
_KEY = ("bucket", "platform", "currency", "log_bucket", "measure")
_TOTALS = {
    "agent_day": "counts_total_day", "revenue_day": "revenue_total_day", "response_day": "response_total_day",
    "duration_day": "duration_total_day", "tally_day": "tally_total_day",
}  # fmt: skip


def together(rows: list[Row]) -> list[Row]:
    """Return the rows of all agents added up."""
    added: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        total = added.setdefault(tuple(row.get(k) for k in _KEY), {k: row[k] for k in _KEY if k in row})
        for name in row.keys() - {"agent_id", *_KEY}:
            amount = Decimal(total.get(name, 0)) + Decimal(row[name])
            total[name] = str(amount) if isinstance(row[name], str) else int(amount)
    return list(added.values())


def with_totals(tables: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Return the tables with those of all agents together."""
    days = {f"scoring.{total}": together(tables.get(f"scoring.{by_agent}", [])) for by_agent, total in _TOTALS.items()}
    months = {
        f"scoring.{name}_total_month": together(
            [row | {"bucket": row["bucket"][:8] + "01"} for row in days[f"scoring.{name}_total_day"]]
        )
        for name in ("response", "duration")
    }
    return tables | days | months


NORTH: dict[str, list[Row]] = with_totals({
    "scoring.contribution": [
        fact(1, "c1", "a1", WHATSAPP, "anna", "2040-03-24T23:30Z", "2040-03-25", **_SUCCESS, conversions=1, duration_ms=600001,
             csat_x100=450, response_ms=35000, sentiment=1, orders=1, amount="120.50", currency="EUR"),
        fact(1, "c2", "a1", WHATSAPP, "anna", "2040-03-25T22:30Z", "2040-03-26", **_ENDED, escalated=1, conversions=1,
             duration_ms=300000, csat_x100=200, response_ms=0, sentiment=3, outcome=4),
        fact(1, "c3", "a1", WEB, "ben", "2040-03-25T22:44:59.999Z", "2040-03-26", conversations=1, conversions=1),
        fact(1, "c4", "a2", WEB, "ben", "2040-03-26T10:00Z", "2040-03-26", **_ENDED, duration_ms=1200000, response_ms=1000,
             sentiment=2, outcome=2),
        fact(1, "c5", "a2", WEB, "cleo", "2040-03-26T10:05Z", "2040-03-26", **_SUCCESS, escalated=1, conversions=1,
             duration_ms=600000, response_ms=1000),
        fact(1, "C9", "a1", WHATSAPP, "cleo", "2040-03-26T10:05Z", "2040-03-26", **_COMPLETED, duration_ms=60000, outcome=3),
        fact(1, "c6", "a2", WHATSAPP, "ben", "2040-03-28T09:00Z", "2040-03-28", **_SUCCESS, escalated=1, duration_ms=432000000),
        fact(1, "c0", "a3", WEB, "cleo", "2040-03-26T09:00Z", "2040-03-26", conversations=1, conversions=1),
        fact(1, "c7", "a1", WEB, "ben", "2040-03-30T09:00Z", "2040-03-30", **_SUCCESS, duration_ms=60000),
        fact(1, "c8", "a1", WHATSAPP, "anna", "2020-06-01T12:00Z", "2020-06-01", **_SUCCESS, duration_ms=60000,
             csat_x100=500, response_ms=5000),
        fact(2, "t1", "a1", WEB, "ben", "2040-03-25T23:00Z", "2040-03-26", outcome=5),
        fact(2, "t2", "a1", WEB, "dora", "2040-03-26T11:00Z", "2040-03-26", orders=1, amount="75", currency="EUR", outcome=1),
        fact(2, "t3", "a2", WHATSAPP, "ben", "2040-04-09T09:00Z", "2040-04-09", orders=1, amount="10", currency="USD", outcome=1),
        fact(2, "t4", "a1", WEB, "ben", "2040-04-06T09:00Z", "2040-04-06", orders=1, amount="20", currency="EUR", outcome=1),
        fact(2, "t5", "", 0, "ben", "2040-04-20T00:00Z", "2040-04-20", orders=1, amount="5", currency="EUR", outcome=1),
        fact(2, "t6", "a2", 0, "", "2040-03-26T10:01Z", "2040-03-26", orders=1, amount="7.25", currency="EUR", outcome=1),
        fact(2, "t7", "a1", WEB, "ben", "2040-05-01T08:00Z", "2040-05-01", amount="-20", currency="EUR"),
        fact(2, "t8", "a2", WEB, "cleo", "2040-03-26T12:00Z", "2040-03-26", amount="-3", currency="EUR"),
        fact(2, "t10", "a1", WHATSAPP, "anna", "2040-03-25T22:10Z", "2040-03-26", amount="-1.50", currency="EUR"),
        fact(2, "t11", "", 0, "", "2040-03-26T23:00Z", "2040-03-27", orders=1, amount="9", currency="EUR", outcome=1),
        fact(2, "t12", "a1", WEB, "ben", "2040-03-26T11:14:59Z", "2040-03-26", orders=1, amount="30", currency="EUR", outcome=1),
        fact(2, "t13", "", 0, "", "2040-05-02T08:00Z", "2040-05-02", amount="-0.50", currency="EUR"),
        fact(3, "p1", "a1", WEB, "cleo", "2040-03-26T10:10Z", "2040-03-26", booked=1),
        fact(4, "p1", "a1", WEB, "cleo", "2040-03-27T09:00Z", "2040-03-27", kept=1, outcome=1),
        fact(4, "p2", "a2", WEB, "eve", "2040-03-27T09:05Z", "2040-03-27", no_show=1, outcome=6),
        fact(3, "p3", "", 0, "", "2040-03-27T09:10Z", "2040-03-27", booked=1),
        fact(4, "p3", "", 0, "", "2040-04-01T10:00Z", "2040-04-01", cancelled=1, outcome=7),
        fact(3, "p4", "a3", 0, "", "2040-03-27T09:00Z", "2040-03-27", booked=1),
        *events.CONTRIBUTIONS,
    ],
    "scoring.agent_interval": [
        counts("a1", "2040-03-24T23:30Z", WHATSAPP, **_C1),
        counts("a1", "2040-03-25T22:30Z", WHATSAPP, **_ENDED, escalated=1, conversions=1, duration_ms=300000,
               csat_n=1, csat_x100=200, csat_x100_sq=40000, response_n=1, negative=1),
        counts("a1", "2040-03-25T22:30Z", WEB, conversations=1, conversions=1),
        counts("a2", "2040-03-26T10:00Z", WEB, **_C4_C5),
        counts("a1", "2040-03-26T10:00Z", WHATSAPP, **_COMPLETED, duration_ms=60000),
        counts("a1", "2040-03-26T10:00Z", WEB, booked=1),
        counts("a3", "2040-03-26T09:00Z", WEB, conversations=1, conversions=1),
        counts("a1", "2040-03-27T09:00Z", WEB, kept=1),
        counts("a2", "2040-03-27T09:00Z", WEB, no_show=1),
        counts("a3", "2040-03-27T09:00Z", 0, booked=1),
        counts("", "2040-03-27T09:00Z", 0, booked=1),
        counts("a2", "2040-03-28T09:00Z", WHATSAPP, **_COMPLETED, escalated=1, duration_ms=432000000),
        counts("a1", "2040-03-30T09:00Z", WEB, **_COMPLETED, duration_ms=60000),
        counts("", "2040-04-01T10:00Z", 0, cancelled=1),
    ],
    "scoring.agent_day": [
        counts("a1", "2020-06-01", WHATSAPP, **_COMPLETED, duration_ms=60000, csat_n=1, csat_x100=500, csat_x100_sq=250000,
               response_n=1, response_ms=5000, response_ms_sq=25000000),
        counts("a1", "2040-03-25", WHATSAPP, **_C1),
        counts("a1", "2040-03-26", WHATSAPP, conversations=2, ended=2, completed=1, escalated=1, conversions=1,
               duration_ms=360000, csat_n=1, csat_x100=200, csat_x100_sq=40000, response_n=1, negative=1),
        counts("a1", "2040-03-26", WEB, conversations=1, conversions=1, booked=1),
        counts("a3", "2040-03-26", WEB, conversations=1, conversions=1),
        counts("a2", "2040-03-26", WEB, **_C4_C5),
        counts("a1", "2040-03-27", WEB, kept=1),
        counts("a2", "2040-03-27", WEB, no_show=1),
        counts("a3", "2040-03-27", 0, booked=1),
        counts("", "2040-03-27", 0, booked=1),
        counts("a2", "2040-03-28", WHATSAPP, **_COMPLETED, escalated=1, duration_ms=432000000),
        counts("a1", "2040-03-30", WEB, **_COMPLETED, duration_ms=60000),
        counts("", "2040-04-01", 0, cancelled=1),
    ],
    "scoring.revenue_interval": [
        money("a1", "2040-03-24T23:30Z", WHATSAPP, "EUR", 1, "120.50", "14520.25"),
        money("a1", "2040-03-25T22:00Z", WHATSAPP, "EUR", 0, "-1.50", "2.25"),
        money("a2", "2040-03-26T10:00Z", 0, "EUR", 1, "7.25", "52.5625"),
        money("a1", "2040-03-26T11:00Z", WEB, "EUR", 2, "105", "6525"),
        money("a2", "2040-03-26T12:00Z", WEB, "EUR", 0, "-3", "9"),
        money("", "2040-03-26T23:00Z", 0, "EUR", 1, "9", "81"),
        money("a1", "2040-04-06T09:00Z", WEB, "EUR", 1, "20", "400"),
        money("a2", "2040-04-09T09:00Z", WHATSAPP, "USD", 1, "10", "100"),
        money("", "2040-04-20T00:00Z", 0, "EUR", 1, "5", "25"),
        money("a1", "2040-05-01T08:00Z", WEB, "EUR", 0, "-20", "400"),
        money("", "2040-05-02T08:00Z", 0, "EUR", 0, "-0.50", "0.25"),
    ],
    "scoring.revenue_day": [
        money("a1", "2040-03-25", WHATSAPP, "EUR", 1, "120.50", "14520.25"),
        money("a1", "2040-03-26", WHATSAPP, "EUR", 0, "-1.50", "2.25"),
        money("a2", "2040-03-26", 0, "EUR", 1, "7.25", "52.5625"),
        money("a1", "2040-03-26", WEB, "EUR", 2, "105", "6525"),
        money("a2", "2040-03-26", WEB, "EUR", 0, "-3", "9"),
        money("", "2040-03-27", 0, "EUR", 1, "9", "81"),
        money("a1", "2040-04-06", WEB, "EUR", 1, "20", "400"),
        money("a2", "2040-04-09", WHATSAPP, "USD", 1, "10", "100"),
        money("", "2040-04-20", 0, "EUR", 1, "5", "25"),
        money("a1", "2040-05-01", WEB, "EUR", 0, "-20", "400"),
        money("", "2040-05-02", 0, "EUR", 0, "-0.50", "0.25"),
    ],
    # ln(35000) / ln(1.04) = 266.8, ln(1000) / ln(1.04) = 176.1, ln(5000) / ln(1.04) = 217.2
    "scoring.response_interval": [
        times("a1", "2040-03-24T23:30Z", WHATSAPP, 267, 1),
        times("a1", "2040-03-25T22:30Z", WHATSAPP, 0, 1),
        times("a2", "2040-03-26T10:00Z", WEB, 177, 2),
    ],
    "scoring.response_day": [
        times("a1", "2020-06-01", WHATSAPP, 218, 1),
        times("a1", "2040-03-25", WHATSAPP, 267, 1),
        times("a1", "2040-03-26", WHATSAPP, 0, 1),
        times("a2", "2040-03-26", WEB, 177, 2),
    ],
    # ln(600001) / ln(1.04) = 339.2, ln(300000) / ln(1.04) = 321.6, 1200000: 356.9, 60000: 280.5, 432000000: 507.0
    "scoring.duration_interval": [
        times("a1", "2040-03-24T23:30Z", WHATSAPP, 340, 1),
        times("a1", "2040-03-25T22:30Z", WHATSAPP, 322, 1),
        times("a2", "2040-03-26T10:00Z", WEB, 357, 1),
        times("a2", "2040-03-26T10:00Z", WEB, 340, 1),
        times("a1", "2040-03-26T10:00Z", WHATSAPP, 281, 1),
        times("a2", "2040-03-28T09:00Z", WHATSAPP, 507, 1),
        times("a1", "2040-03-30T09:00Z", WEB, 281, 1),
    ],
    "scoring.duration_day": [
        times("a1", "2020-06-01", WHATSAPP, 281, 1),
        times("a1", "2040-03-25", WHATSAPP, 340, 1),
        times("a1", "2040-03-26", WHATSAPP, 322, 1),
        times("a2", "2040-03-26", WEB, 357, 1),
        times("a2", "2040-03-26", WEB, 340, 1),
        times("a1", "2040-03-26", WHATSAPP, 281, 1),
        times("a2", "2040-03-28", WHATSAPP, 507, 1),
        times("a1", "2040-03-30", WEB, 281, 1),
    ],
    "scoring.customer_day": [
        customer_day("anna", "2020-06-01", "a1", WHATSAPP, 1, 0),
        customer_day("anna", "2040-03-25", "a1", WHATSAPP, 1, 1),
        customer_day("anna", "2040-03-26", "a1", WHATSAPP, 1, 0),
        customer_day("ben", "2040-03-26", "a1", WEB, 1, 1),
        customer_day("ben", "2040-03-26", "a2", WEB, 1, 0),
        customer_day("ben", "2040-03-28", "a2", WHATSAPP, 1, 0),
        customer_day("ben", "2040-03-30", "a1", WEB, 1, 0),
        customer_day("ben", "2040-04-06", "a1", WEB, 0, 1),
        customer_day("ben", "2040-04-09", "a2", WHATSAPP, 0, 1),
        customer_day("ben", "2040-04-20", "", 0, 0, 1),
        customer_day("cleo", "2040-03-26", "a2", WEB, 1, 0),
        customer_day("cleo", "2040-03-26", "a1", WHATSAPP, 1, 0),
        customer_day("cleo", "2040-03-26", "a3", WEB, 1, 0),
        customer_day("dora", "2040-03-26", "a1", WEB, 0, 1),
    ],
    "scoring.customer_revenue_day": [
        paid("anna", "2040-03-25", "EUR", 1, "120.50"),
        paid("anna", "2040-03-26", "EUR", 0, "-1.50"),
        paid("ben", "2040-03-26", "EUR", 1, "30"),
        paid("ben", "2040-04-06", "EUR", 1, "20"),
        paid("ben", "2040-04-09", "USD", 1, "10"),
        paid("ben", "2040-04-20", "EUR", 1, "5"),
        paid("ben", "2040-05-01", "EUR", 0, "-20"),
        paid("cleo", "2040-03-26", "EUR", 0, "-3"),
        paid("dora", "2040-03-26", "EUR", 1, "75"),
    ],
    "scoring.presence": [
        met(1, "", "2020-06-01", NEVER, 1),
        met(1, "", "2040-03-25", "2020-06-01", 1),
        met(1, "", "2040-03-26", "2040-03-25", 1),
        met(1, "", "2040-03-26", NEVER, 2),
        met(1, "", "2040-03-28", "2040-03-26", 1),
        met(1, "", "2040-03-30", "2040-03-28", 1),
        met(2, "a1", "2020-06-01", NEVER, 1),
        met(2, "a1", "2040-03-25", "2020-06-01", 1),
        met(2, "a1", "2040-03-26", "2040-03-25", 1),
        met(2, "a1", "2040-03-26", NEVER, 2),
        met(2, "a1", "2040-03-30", "2040-03-26", 1),
        met(2, "a2", "2040-03-26", NEVER, 2),
        met(2, "a2", "2040-03-28", "2040-03-26", 1),
        met(2, "a3", "2040-03-26", NEVER, 1),
        met(3, "1", "2020-06-01", NEVER, 1),
        met(3, "1", "2040-03-25", "2020-06-01", 1),
        met(3, "1", "2040-03-26", "2040-03-25", 1),
        met(3, "1", "2040-03-26", NEVER, 1),
        met(3, "1", "2040-03-28", NEVER, 1),
        met(3, "4", "2040-03-26", NEVER, 2),
        met(3, "4", "2040-03-30", "2040-03-26", 1),
    ],
    "scoring.customer_state": [
        customer("anna", (3, "2020-06-01", "2040-03-26"), (1, "2040-03-25", "2040-03-25"), 1, True),
        customer("ben", (6, "2040-03-26", "2040-04-20"), (4, "2040-03-26", "2040-04-20"), 4, False),
        {**customer("cleo", (1, "2040-03-26", "2040-03-26"), _NO_DAYS, 0, True), "campaign": "spring"},
        customer("dora", (1, "2040-03-26", "2040-03-26"), (1, "2040-03-26", "2040-03-26"), 1, False),
        customer("eve", _NO_DAYS, _NO_DAYS, 0, False),
        customer("finn", _NO_DAYS, _NO_DAYS, 0, False),
        customer("gus", _NO_DAYS, _NO_DAYS, 0, False),
    ],
    "scoring.new_customers_day": [came("2020-06-01", 1), came("2040-03-26", 3)],
    "scoring.agent_state": [{"agent_id": agent_id} for agent_id in ("a1", "a2", "a3", "a4", "a9")],
    **events.NORTH,
})  # fmt: skip

_PAID = {"orders": 1, "amount": "60", "currency": "GBP"}
SOUTH: dict[str, list[Row]] = with_totals(
    {
        "scoring.contribution": [
            fact(
                1, "c1", "a1", WHATSAPP, "anna", "2040-03-24T23:30Z", "2040-03-24", **_SUCCESS, conversions=1, duration_ms=600000
            ),
            fact(2, "t2", "a1", WHATSAPP, "anna", "2040-03-31T23:40Z", "2040-03-31", outcome=1, **_PAID),
        ],
        "scoring.agent_interval": [counts("a1", "2040-03-24T23:30Z", WHATSAPP, **_COMPLETED, conversions=1, duration_ms=600000)],
        "scoring.agent_day": [counts("a1", "2040-03-24", WHATSAPP, **_COMPLETED, conversions=1, duration_ms=600000)],
        "scoring.revenue_interval": [money("a1", "2040-03-31T23:30Z", WHATSAPP, "GBP", 1, "60", "3600")],
        "scoring.revenue_day": [money("a1", "2040-03-31", WHATSAPP, "GBP", 1, "60", "3600")],
        "scoring.duration_interval": [times("a1", "2040-03-24T23:30Z", WHATSAPP, 340, 1)],
        "scoring.duration_day": [times("a1", "2040-03-24", WHATSAPP, 340, 1)],
        "scoring.customer_day": [
            customer_day("anna", "2040-03-24", "a1", WHATSAPP, 1, 0),
            customer_day("anna", "2040-03-31", "a1", WHATSAPP, 0, 1),
        ],
        "scoring.customer_revenue_day": [paid("anna", "2040-03-31", "GBP", 1, "60")],
        "scoring.presence": [met(grouping, name, "2040-03-24", NEVER, 1) for grouping, name in ((1, ""), (2, "a1"), (3, "1"))],
        "scoring.customer_state": [customer("anna", (2, "2040-03-24", "2040-03-31"), (1, "2040-03-31", "2040-03-31"), 1, False)],
        "scoring.new_customers_day": [came("2040-03-24", 1)],
        "scoring.agent_state": [{"agent_id": "a1"}],
        **events.SOUTH,
    }
)
