"""Samples one by one, as tests write them, and as the services take them: in columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from services.scoring.grading import Metric
from services.scoring.shrinkage import Measured, Samples
from services.scoring.significance import Evidence, weigh
from services.scoring.standings import measure
from services.scoring.team import Sums, team_of


class Sample(NamedTuple):
    n: float
    mean: float
    variance: float


def columns(samples: Sequence[Sample]) -> Samples:
    return Samples(*(np.array([s[i] for s in samples], dtype=np.float64) for i in range(3)))


def rows(samples: Samples) -> list[Sample]:
    return [Sample(*map(float, row)) for row in zip(samples.n, samples.mean, samples.variance, strict=True)]


def samples_of(sums: Sums) -> dict[Metric, Sample]:
    """Return the metrics of one agent that are defined."""
    return {m: rows(found.samples)[0] for m, found in measure(team_of([sums]).sums).items() if len(found.where)}


def weigh_each(agents: Mapping[str, Mapping[Metric, Sample]]) -> dict[str, dict[Metric, Evidence]]:
    """Return the evidence for each agent's metrics."""
    measured = {}
    for metric in Metric:
        where = [place for place, own in enumerate(agents.values()) if metric in own]
        own = [each[metric] for each in agents.values() if metric in each]
        measured[metric] = Measured(np.array(where, dtype=np.int64), columns(own))
    found = weigh(measured, len(agents))
    return {
        agent: {m: evidence for m in Metric if (evidence := found[m].of(place)) is not None} for place, agent in enumerate(agents)
    }
