"""Whether an agent's metrics differ from its peers' beyond chance.

Each metric's values are compared with those of all other agents together by a two-sided z-test: of two means (variances
not assumed equal: Welch 1938), or of two proportions with a pooled estimate (Fleiss, Levin, Paik 2003). Many
comparisons at once find something by chance alone; Benjamini and Hochberg (1995) bound the share of wrong findings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from services.scoring.grading import Metric
from services.scoring.shrinkage import Sample

#: Metrics that are rates, in percent.
RATES = frozenset({Metric.COMPLETION, Metric.CONVERSION, Metric.ESCALATION})
#: Probability that the interval of a rate holds the true one, and its half width in standard deviations.
INTERVAL_LEVEL, _Z = 0.95, 1.959963984540054
#: Values, of the agent and of its peers together, from which the z-test's normal distribution is near enough.
ENOUGH_TO_TEST = 30
#: An agent's values from which a difference may be called significant, and the share of those called so wrongly.
ENOUGH_TO_FLAG, FALSE_DISCOVERIES = 100, 0.05

_NOBODY = Sample(0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a metric's value rests on and how it compares with the peers' mean, in the metric's unit.

    `interval` holds a rate with 95 % probability; None for what is no rate. `p_value` is None with too few values.
    """

    n: int
    interval: tuple[float, float] | None = None
    peer_mean: float | None = None
    p_value: float | None = None
    significant: bool = False


def weigh(agents: Mapping[str, Mapping[Metric, Sample]]) -> dict[str, dict[Metric, Evidence]]:
    """Return the evidence for every metric that every agent has values of; all of them are compared at once."""
    compared = {(a, m): (own, others) for m in Metric for a, own, others in _against_peers(agents, m)}
    p_values = {key: p_value(key[1], own, others) for key, (own, others) in compared.items()}
    tested = [p for key, p in p_values.items() if p is not None and compared[key][0].n >= ENOUGH_TO_FLAG]
    limit = largest_discovery(tested, FALSE_DISCOVERIES)
    found: dict[str, dict[Metric, Evidence]] = {agent: {} for agent in agents}
    for (agent, metric), (own, others) in compared.items():
        p = p_values[agent, metric]
        found[agent][metric] = Evidence(
            n=own.n,
            interval=wilson(own.mean, own.n) if metric in RATES else None,
            peer_mean=others.mean if others.n else None,
            p_value=p,
            significant=p is not None and limit is not None and own.n >= ENOUGH_TO_FLAG and p <= limit,
        )
    return found


def wilson(percent: float, n: int) -> tuple[float, float]:
    """Return the ends, in percent, of the 95 % score interval of a rate of `n` > 0 values (Wilson 1927)."""
    share, z_sq = percent / 100, _Z**2
    middle = (share + z_sq / (2 * n)) / (1 + z_sq / n)
    half = _Z / (1 + z_sq / n) * math.sqrt(share * (1 - share) / n + z_sq / (4 * n**2))
    return 100 * max(middle - half, 0.0), 100 * min(middle + half, 1.0)


def p_value(metric: Metric, own: Sample, others: Sample) -> float | None:
    """Return the probability that chance alone makes two means differ by as much; None with too few values on either side."""
    if min(own.n, others.n) < ENOUGH_TO_TEST:
        return None
    # Means of the same values, added up in another order, differ in their last digits; that is no difference.
    if math.isclose(own.mean, others.mean, rel_tol=1e-9, abs_tol=1e-9):
        return 1.0
    if metric in RATES:
        share = merge(own, others).mean / 100
        variance = 10_000 * share * (1 - share) * (1 / own.n + 1 / others.n)
    else:
        variance = own.variance / own.n + others.variance / others.n
    return math.erfc(abs(own.mean - others.mean) / math.sqrt(2 * variance)) if variance > 0 else 0.0


def largest_discovery(p_values: Sequence[float], share: float) -> float | None:
    """Return the largest p-value to be called a finding, when at most `share` of all findings may be wrong; None for none.

    The largest of the m sorted values with p(i) <= share i/m (Benjamini, Hochberg 1995).
    """
    m = len(p_values)
    return max((p for i, p in enumerate(sorted(p_values), start=1) if p <= share * i / m), default=None)


def merge(a: Sample, b: Sample) -> Sample:
    """Return the sample of all values of two (Chan, Golub, LeVeque 1983)."""
    n = a.n + b.n
    if not (a.n and b.n):
        return a if a.n else b
    delta = b.mean - a.mean
    squares = (a.n - 1) * a.variance + (b.n - 1) * b.variance + delta * delta * a.n * b.n / n
    return Sample(n, a.mean + delta * b.n / n, squares / (n - 1))


def _against_peers(agents: Mapping[str, Mapping[Metric, Sample]], metric: Metric) -> list[tuple[str, Sample, Sample]]:
    """Return each agent's sample of a metric, and that of all others together.

    Those before and those after an agent are merged: taking an agent back out of all would lose digits where it outweighs
    the others.
    """
    ids = [agent for agent, samples in agents.items() if metric in samples]
    own = [agents[agent][metric] for agent in ids]
    before = list(accumulate(own, merge, initial=_NOBODY))
    after = list(accumulate(reversed(own), merge, initial=_NOBODY))[::-1]
    return [(agent, sample, merge(before[i], after[i + 1])) for i, (agent, sample) in enumerate(zip(ids, own, strict=True))]
