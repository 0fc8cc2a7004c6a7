"""Any measure by any dimension, asked over a real channel, next to the same computed fact by fact in plain Python."""

from __future__ import annotations

import random
from datetime import date, datetime
from itertools import pairwise

import pytest
from rapport.query.v1 import filter_pb2
from rapport.query.v1 import metrics_pb2 as pb

from services.query.measures import MEASURES, Shape
from tests.query.conftest import Service
from tests.query.metrics_oracle import Fact, Oracle, midnights
from tests.query.metrics_world import ask, counted, populate

#: Every measure but costs, which tests/query/test_metrics_costs.py has.
NAMES = sorted(name for name, measure in MEASURES.items() if measure.shape is not Shape.COST)
DIMENSIONS = list(range(1, 15))
FIRST, LAST = date(2026, 10, 18), date(2026, 11, 9)


def chunks(r: random.Random) -> list[list[str]]:
    names = r.sample(NAMES, len(NAMES))
    return [names[n : n + 20] for n in range(0, len(names), 20)]


def compare(told: pb.MetricsGroup | pb.MetricsPart, facts: list[Fact], oracle: Oracle) -> None:
    for each in told.measures:
        value, n = oracle.value(each.measure, facts)
        assert (each.value if each.HasField("value") else None) == (None if value is None else pytest.approx(value)), each.measure
        assert (each.n if each.HasField("n") else None) == n, each.measure


def compare_all(
    oracle: Oracle,
    answer: pb.QueryMetricsResponse,
    names: list[str],
    by: list[int],
    bounds: list[datetime],
    *,
    only: filter_pb2.FactFilter | None = None,
    has_series: bool = True,
) -> int:
    """Compare an answer with what plain Python makes of the facts between the bounds of its parts."""
    facts = oracle.meant(oracle.facts, only or filter_pb2.FactFilter())
    inside = [fact for fact in facts if bounds[0] <= fact.at < bounds[-1]]
    compare(answer.total, inside, oracle)
    groups = oracle.groups(names, by, inside) if by else {}
    assert sorted(tuple(g.values) for g in answer.groups) == sorted(groups)
    for group in answer.groups:
        compare(group, groups[tuple(group.values)], oracle)
    for told, of in [(answer.total, inside), *((g, groups[tuple(g.values)]) for g in answer.groups)]:
        spans = list(pairwise(bounds)) if has_series else []
        for part, (start, end) in zip(told.series, spans, strict=True):
            assert (part.start.ToDatetime(start.tzinfo), part.end.ToDatetime(start.tzinfo)) == (start, end)
            compare(part, [fact for fact in of if start <= fact.at < end], oracle)
    return len(groups)


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_measure_by_every_dimension_is_what_the_facts_add_up_to(
    service: Service, database_url: str, seed: int
) -> None:
    r = random.Random(seed)
    async with counted(service, database_url) as house:
        await populate(house, service, seed)
    oracle = Oracle(database_url)
    days = midnights(FIRST, LAST, "Europe/Berlin")
    weeks = [day for n, day in enumerate(days) if n % 7 == 1 or n == 0]
    window = {"start": days[0], "end": days[-1]}
    found = 0
    for by in [[], *([d] for d in DIMENSIONS), [1, 2], [2, 14], [4, 1], [5, 7, 4], [9, 10, 12]]:
        bounds, granularity = (weeks, pb.GRANULARITY_WEEK) if by else (days, pb.GRANULARITY_DAY)
        for names in chunks(r):
            answer = await ask(service, *names, dimensions=by, limit=1000, granularity=granularity, **window)
            found += compare_all(oracle, answer, names, by, bounds)
    assert found > 200
