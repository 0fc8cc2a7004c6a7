"""The year's questions as SQL of the raw conversations, for PostgreSQL and for DuckDB: what the answers hold, and no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where conversations are, and what the dialects say differently."""

    source: str
    percentiles: Callable[[str], str]
    milliseconds: str
    response: str
    satisfaction: str
    resolved: str
    abandoned: str


def _postgres_percentiles(value: str) -> str:
    return f"percentile_disc(ARRAY[0.5, 0.9, 0.99]) WITHIN GROUP (ORDER BY {value})"


def _duckdb_percentiles(value: str) -> str:
    return f"quantile_disc({value}, [0.5, 0.9, 0.99])"


POSTGRES = Dialect(
    "ingest.conversation",
    _postgres_percentiles,
    "extract(epoch FROM end_time - start_time) * 1000",
    "response_ms",
    "csat_x100 / 100.0",
    "1",
    "2",
)
DUCKDB = Dialect(
    "conversation",
    _duckdb_percentiles,
    "date_diff('millisecond', start_time, end_time)",
    "response_time_avg_ms",
    "customer_satisfaction_score",
    "'resolved'",
    "'abandoned'",
)


def _measures(d: Dialect) -> str:
    return f"""
        count(*) AS conversations, count(end_time) AS ended,
        count(*) FILTER (WHERE end_time IS NOT NULL AND resolution IS DISTINCT FROM {d.abandoned}
            AND (escalated IS NOT TRUE OR resolution = {d.resolved} OR escalation_resolved_by IS NOT NULL)) AS completed,
        count(*) FILTER (WHERE escalated) AS escalated, count(conversion_type) AS conversions,
        avg({d.milliseconds}) AS duration, avg({d.satisfaction}) AS satisfaction, count({d.satisfaction}) AS rated,
        avg({d.response}) AS response, sum(conversion_value) AS revenue, count(conversion_value) AS orders"""


def _spread(d: Dialect) -> str:
    return f"var_samp({d.satisfaction}), var_samp({d.response}), sum(power(CAST(conversion_value AS double precision), 2))"


def _distribution(d: Dialect) -> str:
    return f"{d.percentiles(d.response)} AS responses, {d.percentiles(d.milliseconds)} AS durations"


def system(d: Dialect, last: date) -> list[str]:
    """All measures of the year and of the one before, by platform and in all; by day; and the agents with most revenue."""
    first, before = last - timedelta(days=365), last - timedelta(days=730)
    both = (
        f"FROM (SELECT *, start_time >= '{first}' AS is_now FROM {d.source} "
        f"WHERE start_time >= '{before}' AND start_time < '{last}') AS c GROUP BY GROUPING SETS ((is_now), (is_now, platform))"
    )
    now = f"FROM {d.source} WHERE start_time >= '{first}' AND start_time < '{last}'"
    return [
        f"SELECT is_now, platform, {_measures(d)}, count(DISTINCT customer_id) {both}",
        f"SELECT {_distribution(d)} {now}",
        f"SELECT CAST(start_time AS date), {_measures(d)} {now} GROUP BY 1 ORDER BY 1",
        f"SELECT agent_id, sum(conversion_value) AS revenue {now} GROUP BY 1 ORDER BY 2 DESC NULLS LAST LIMIT 10",
    ]


def comparison(d: Dialect, last: date) -> list[str]:
    """All agents' measures with what ranks them; a page of 50 with percentiles, customers and platforms; all platforms."""
    year = f"FROM {d.source} WHERE start_time >= '{last - timedelta(days=365)}' AND start_time < '{last}'"
    page = f"agent_id IN (SELECT agent_id {year} GROUP BY 1 ORDER BY avg({d.satisfaction}) DESC NULLS LAST, 1 LIMIT 50)"
    return [
        f"SELECT agent_id, {_measures(d)}, {_spread(d)} {year} GROUP BY 1",
        f"SELECT agent_id, count(DISTINCT customer_id), {_distribution(d)} {year} AND {page} GROUP BY 1",
        f"SELECT agent_id, platform, {_measures(d)} {year} AND {page} GROUP BY 1, 2",
        f"SELECT platform, {_measures(d)}, count(DISTINCT customer_id) {year} GROUP BY 1",
    ]


QUESTIONS: dict[str, Callable[[Dialect, date], list[str]]] = {"system": system, "comparison": comparison}
