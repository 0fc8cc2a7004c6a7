"""What is called a difference: values worked out elsewhere, and how often chance alone is called one."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from scipy import stats

from services.scoring import significance
from services.scoring.grading import Metric
from services.scoring.significance import RATES, wilson
from tests.scoring.samples import Sample, columns, rows
from tests.scoring.samples import weigh_each as weigh

Team = dict[str, Mapping[Metric, Sample]]


def p_value(metric: Metric, own: Sample, others: Sample) -> float | None:
    found = float(significance.p_value(metric, columns([own]), columns([others]))[0])
    return None if math.isnan(found) else found


def merge(one: Sample, other: Sample) -> Sample:
    return rows(significance.merge(columns([one]), columns([other])))[0]


def largest_discovery(p_values: list[float], share: float) -> float | None:
    found = significance.largest_discovery(np.array(p_values), share)
    return None if found < 0 else found


def sample(values: np.ndarray) -> Sample:
    return Sample(len(values), float(values.mean()), float(values.var(ddof=1)))


def rate(k: int, n: int) -> Sample:
    return sample(np.array([100.0] * k + [0.0] * (n - k)))


@pytest.mark.parametrize(("k", "n"), [(0, 10), (1, 29), (15, 148), (5, 5), (81, 263), (1, 1)])
def test_the_interval_of_a_rate_is_wilsons(k: int, n: int) -> None:
    low, high = wilson(100 * k / n, n)
    other = stats.binomtest(k, n).proportion_ci(0.95, "wilson")
    assert (low, high) == (pytest.approx(100 * other.low, abs=1e-9), pytest.approx(100 * other.high, abs=1e-9))
    assert 0 <= low <= 100 * k / n <= high <= 100


def test_the_interval_of_newcombes_example() -> None:
    # 81 of 263: Newcombe 1998, Statistics in Medicine 17, table I, method 3.
    assert wilson(100 * 81 / 263, 263) == (pytest.approx(25.53, abs=0.005), pytest.approx(36.62, abs=0.005))


def test_two_proportions_are_compared_by_their_pooled_estimate() -> None:
    # 45 of 100 against 120 of 400: z = .15 / sqrt(.33 x .67 x (1/100 + 1/400)) = 2.8532.
    z = 0.15 / math.sqrt(0.33 * 0.67 * (1 / 100 + 1 / 400))
    found = p_value(Metric.CONVERSION, rate(45, 100), rate(120, 400))
    assert found == pytest.approx(2 * stats.norm.sf(z), rel=1e-9)


def test_two_means_are_compared_by_their_own_variances() -> None:
    found = p_value(Metric.SATISFACTION, Sample(50, 4.5, 0.5), Sample(200, 4.2, 1.0))
    assert found == pytest.approx(2 * stats.norm.sf(0.3 / math.sqrt(0.5 / 50 + 1.0 / 200)), rel=1e-9)


@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [
        (Sample(29, 4.5, 0.5), Sample(200, 4.2, 1.0), None),
        (Sample(200, 4.5, 0.5), Sample(29, 4.2, 1.0), None),
        (Sample(30, 4.9, 0.0), Sample(30, 4.9 + 1e-15, 0.0), 1.0),
        (Sample(30, 5.0, 0.0), Sample(30, 4.0, 0.0), 0.0),
    ],
)
def test_too_few_values_are_not_compared_and_equal_ones_are_equal(own: Sample, others: Sample, expected: float | None) -> None:
    assert p_value(Metric.SATISFACTION, own, others) == expected


def test_rates_that_are_the_same_are_no_difference_at_either_end() -> None:
    assert p_value(Metric.CONVERSION, rate(40, 40), rate(90, 90)) == 1.0
    assert p_value(Metric.CONVERSION, rate(0, 40), rate(0, 90)) == 1.0


def test_samples_merge_to_the_sample_of_all_values() -> None:
    random = np.random.default_rng(1)
    parts = [random.normal(m, s, n) for m, s, n in [(5, 1, 40), (900, 30, 3), (5, 0.1, 1), (-3, 2, 500)]]
    merged = Sample(0, 0.0, 0.0)
    for part in parts:
        merged = merge(merged, Sample(1, float(part[0]), 0.0) if len(part) == 1 else sample(part))
    whole = sample(np.concatenate(parts))
    assert (merged.n, merged.mean, merged.variance) == (544, pytest.approx(whole.mean), pytest.approx(whole.variance))


def test_discoveries_of_benjaminis_and_hochbergs_example() -> None:
    # The fifteen p-values of their paper, section 3.2: at 5 % the first four are called findings.
    p = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0,
    ]  # fmt: skip
    assert largest_discovery(p[::-1], 0.05) == 0.0095
    assert largest_discovery([0.04, 0.9], 0.05) is None
    assert largest_discovery([], 0.05) is None


def test_discoveries_are_those_of_adjusted_p_values() -> None:
    random = np.random.default_rng(2)
    for m in (1, 5, 60):
        p = random.uniform(0, 1, m) ** 4
        limit = largest_discovery(list(p), 0.05)
        assert sum(p <= (-1.0 if limit is None else limit)) == sum(stats.false_discovery_control(p) <= 0.05)


def test_peers_are_all_others_each_by_its_values() -> None:
    agents: Team = {
        "a": {Metric.SATISFACTION: Sample(100, 4.0, 1.0)},
        "b": {Metric.SATISFACTION: Sample(300, 5.0, 0.2)},
        "c": {Metric.SATISFACTION: Sample(100, 3.0, 0.5), Metric.ESCALATION: rate(10, 100)},
    }
    found = weigh(agents)
    assert found["a"][Metric.SATISFACTION].peer_mean == pytest.approx(4.5)
    assert found["b"][Metric.SATISFACTION].peer_mean == pytest.approx(3.5)
    alone = found["c"][Metric.ESCALATION]
    assert (alone.n, alone.peer_mean, alone.p_value, alone.significant) == (100, None, None, False)
    assert alone.interval == wilson(10.0, 100)
    assert found["a"][Metric.SATISFACTION].interval is None


def test_an_agent_that_outweighs_the_others_leaves_them_their_digits() -> None:
    agents: Team = {
        "huge": {Metric.REVENUE: Sample(10**6, 1e11, 1e20)},
        "a": {Metric.REVENUE: Sample(40, 1.25, 0.5)},
        "b": {Metric.REVENUE: Sample(40, 1.75, 0.5)},
    }
    assert weigh(agents)["huge"][Metric.REVENUE].peer_mean == pytest.approx(1.5, rel=1e-12)


def test_fewer_than_100_values_are_never_flagged() -> None:
    few: Team = {"a": {Metric.CONVERSION: rate(0, 99)}, "b": {Metric.CONVERSION: rate(990, 1000)}}
    enough: Team = {"a": {Metric.CONVERSION: rate(0, 100)}, "b": {Metric.CONVERSION: rate(990, 1000)}}
    assert (weigh(few)["a"][Metric.CONVERSION].p_value or 0) < 1e-6
    assert not weigh(few)["a"][Metric.CONVERSION].significant
    assert weigh(enough)["a"][Metric.CONVERSION].significant


def alike(random: np.random.Generator, agents: int, n: int) -> Team:
    """Return agents who do not differ at all: ratings of 1 to 5, and a rate of 30 %."""
    ratings = random.choice([1, 2, 3, 4, 5], p=[0.05, 0.05, 0.15, 0.35, 0.4], size=(agents, n))
    rates = random.binomial(n, 0.3, size=agents)
    return {
        f"a{i}": {Metric.SATISFACTION: sample(ratings[i].astype(float)), Metric.CONVERSION: rate(int(rates[i]), n)}
        for i in range(agents)
    }


@pytest.mark.parametrize("metric", [Metric.SATISFACTION, Metric.CONVERSION])
def test_chance_is_called_a_difference_about_as_often_as_it_says(metric: Metric) -> None:
    """At 30 values the normal distribution is a little too narrow, for skewed values more so: 5 to 7.5 % instead of 5."""
    found = weigh(alike(np.random.default_rng(3), 4000, 30))
    wrong = np.mean([(evidence[metric].p_value or 0.0) < 0.05 for evidence in found.values()])
    assert 0.045 < wrong < 0.08


def test_among_many_comparisons_chance_flags_next_to_nothing() -> None:
    """The control: by p < .05 alone some fifty of a thousand agents who are all alike would be flagged."""
    teams = [weigh(alike(np.random.default_rng(seed), 250, 120)) for seed in range(4)]
    all_evidence = [e for team in teams for each in team.values() for e in each.values()]
    by_p_value = sum((e.p_value or 0.0) < 0.05 for e in all_evidence)
    assert by_p_value > 60
    assert sum(e.significant for e in all_evidence) <= 2


def test_of_what_is_flagged_at_most_a_twentieth_or_so_is_chance() -> None:
    """As many agents are better as are worse, so that those between do not differ from the mean of all others."""
    random = np.random.default_rng(5)
    right = wrong = 0
    for _ in range(20):
        shares = {f"good{i}": 0.5 for i in range(8)} | {f"poor{i}": 0.1 for i in range(8)}
        unlike = {a: {Metric.CONVERSION: rate(int(random.binomial(150, p)), 150)} for a, p in shares.items()}
        for agent, evidence in weigh(alike(random, 100, 150) | unlike).items():
            flagged = evidence[Metric.CONVERSION].significant
            right, wrong = right + (flagged and agent in unlike), wrong + (flagged and agent not in unlike)
    assert right > 0.95 * 320
    assert wrong / (right + wrong) < 0.06


def test_rates_are_those_in_percent() -> None:
    assert frozenset({Metric.COMPLETION, Metric.CONVERSION, Metric.ESCALATION}) == RATES


def test_evidence_does_not_depend_on_the_order_of_agents() -> None:
    team = alike(np.random.default_rng(8), 12, 150)
    one, other = weigh(team), weigh(dict(reversed(team.items())))
    for agent in team:
        for metric in team[agent]:
            assert one[agent][metric].p_value == pytest.approx(other[agent][metric].p_value)
