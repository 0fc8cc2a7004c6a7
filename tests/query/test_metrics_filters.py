"""Which facts are meant: every field of a filter, several values of one, what is not known, and several fields at once."""

from __future__ import annotations

import random

from rapport.query.v1 import filter_pb2
from rapport.query.v1 import metrics_pb2 as pb

from tests.query.conftest import Service
from tests.query.metrics_oracle import ENUMS, FIELDS, Oracle, midnights
from tests.query.metrics_world import ask, counted, populate
from tests.query.test_metrics import FIRST, LAST, NAMES, compare_all


def values_of(oracle: Oracle, dimension: int) -> list[str]:
    """Return the words that facts have of a dimension."""
    return sorted({word for fact in oracle.facts for word in fact.values[dimension]})


def number(dimension: int, word: str) -> str | int:
    return word if dimension not in ENUMS else ENUMS[dimension].Value(word) if word else 0


def filters(oracle: Oracle, r: random.Random) -> list[filter_pb2.FactFilter]:
    """Return filters by each field: a known word, what is not known, both; and by several fields at once."""
    single = []
    for field, dimension in FIELDS.items():
        known = [word for word in values_of(oracle, dimension) if word]
        assert known, field
        words = [r.choice(known)], [""], ["", *known[:2]]
        single += [filter_pb2.FactFilter(**{field: [number(dimension, word) for word in each]}) for each in words]
    single.append(filter_pb2.FactFilter(customer_ids=["customer-1", "nobody"]))
    both = []
    for one, other in (r.sample(single, 2) for _ in range(10)):
        merged = filter_pb2.FactFilter()
        merged.MergeFrom(one)
        if {f.name for f, _ in one.ListFields()} != {f.name for f, _ in other.ListFields()}:
            merged.MergeFrom(other)
        both.append(merged)
    return single + both


async def test_every_filter_means_the_facts_that_fit_it(service: Service, database_url: str) -> None:
    r = random.Random(7)
    async with counted(service, database_url) as house:
        await populate(house, service, 3)
    oracle = Oracle(database_url)
    bounds = midnights(FIRST, LAST, "Europe/Berlin", 7)
    smaller = 0
    for only in filters(oracle, r):
        names, by = r.sample(NAMES, 5), r.sample(range(1, 15), r.randrange(3))
        answer = await ask(
            service, *names, dimensions=by, filter=only, limit=1000, start=bounds[0], end=bounds[-1],
            granularity=pb.GRANULARITY_UNSPECIFIED,
        )  # fmt: skip
        compare_all(oracle, answer, names, by, bounds, only=only, has_series=False)
        smaller += 0 < len(oracle.meant(oracle.facts, only)) < len(oracle.facts)
    # The control: filters that leave everything, or nothing, would show little.
    assert smaller > 40
