"""Random questions that a tenant may be asked, and how the contract has them."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from tests.query.oracle.answers import Question, can_cost
from tests.query.oracle.days import DAY, QUARTER, date_at, dawn, of_days
from tests.query.oracle.dimensions import DIMENSIONS, EVERYTHING, Value, Wanted
from tests.query.oracle.facts import Tenant
from tests.query.oracle.inventing import stamp
from tests.query.oracle.measures import MEASURES

_OTHER_ZONES = ("UTC", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe", "Europe/Berlin")
#: How many parts a series may have here, so that a case takes little time.
_PARTS = 130


class Asker:
    """Asks random questions about a tenant."""

    def __init__(self, tenant: Tenant, chance: random.Random) -> None:
        self._tenant, self._random = tenant, chance
        self._today = date_at(tenant.now, tenant.zone)

    def question(self) -> Question:
        """Return a question of up to 20 measures, any dimensions, filter, granularity, window and zone."""
        r = self._random
        dimensions = r.sample(sorted(DIMENSIONS), r.choice([0, 0, 1, 1, 2, 3]))
        wanted = self._wanted()
        measures = sorted(MEASURES if can_cost(dimensions, wanted) else MEASURES.keys() - {"totalCost"})
        measures = r.sample(measures, r.randint(1, 20))
        zone, start, end = self._window()
        return Question(
            measures=measures,
            dimensions=dimensions,
            granularity=self._granularity(zone, start, end),
            time_zone=zone,
            start=start,
            end=end,
            compares=r.random() < 0.4,
            wanted=wanted,
            limit=r.choice([1000, 1000, 1000, 2, 7]),
            order_by=r.choice(["", r.choice(measures)]),
        )

    def _window(self) -> tuple[str, datetime | None, datetime | None]:
        r, zone = self._random, self._tenant.zone
        way = r.random()
        if way < 0.15:
            return "", None, None
        if way < 0.55:
            first = self._today - r.randrange(30) * DAY
            return "", dawn(first, zone), dawn(first + r.choice([1, 1, 2, 7, 30]) * DAY, zone)
        recent = (self._tenant.now - 34 * DAY).replace(minute=0, second=0, microsecond=0)
        if way < 0.75:
            start = recent + QUARTER * r.randrange(34 * 96)
            return "", start, start + QUARTER * r.choice([1, 3, 96, 500])
        other = r.choice([z for z in _OTHER_ZONES if z != zone])
        first = date_at(recent, other) + r.randrange(1, 33) * DAY
        window = of_days(first, first + r.choice([1, 2, 7]) * DAY, other)
        return other, window.start, window.end

    def _granularity(self, zone: str, start: datetime | None, end: datetime | None) -> int:
        length = end - start if start and end else 30 * DAY
        shortest = timedelta(days=35) if start is None or start < self._tenant.now - 34 * DAY else length
        fitting = [4, 5]
        if length / DAY <= _PARTS:
            fitting.append(3)
        if shortest is length and length / timedelta(hours=1) <= _PARTS:
            fitting.append(2)
        if shortest is length and length / QUARTER <= _PARTS:
            fitting.append(1)
        return self._random.choice([0, *fitting])

    def _wanted(self) -> Wanted:
        r = self._random
        if r.random() < 0.5:
            return EVERYTHING
        fields: dict[str, list[Value]] = {}
        for number in r.sample(sorted(DIMENSIONS), r.choice([1, 1, 2])):
            dimension = DIMENSIONS[number]
            known = sorted({value for f in self._tenant.facts for value in dimension.values(f)}, key=str)
            fields[dimension.field] = r.sample(known, min(len(known), r.choice([1, 2, 3])))
        if r.random() < 0.2:
            known = sorted({f.counts.customer_id for f in self._tenant.facts})
            fields["customer_ids"] = r.sample(known, min(len(known), 2))
        return Wanted(fields)


def fields_of(question: Question) -> dict[str, Any]:
    """Return the fields of the question's request."""
    fields: dict[str, Any] = {
        "measures": question.measures,
        "dimensions": question.dimensions,
        "granularity": question.granularity,
        "time_zone": question.time_zone,
        "compare_with_previous": question.compares,
        "filter": dict(question.wanted.fields),
        "limit": question.limit,
        "order_by": question.order_by,
    }
    for name, moment in (("start_time", question.start), ("end_time", question.end)):
        if moment is not None:
            fields[name] = stamp(moment)
    return fields
