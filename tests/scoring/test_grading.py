"""Grades: the two sample agents, missing metrics, boundaries, and what chance explains."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from services.scoring.agents import grade_agents
from services.scoring.grading import GRADES, Metric, full_weights, grade, letter, lowest_scores, sub_score
from services.scoring.policy import CutOffs, Policy
from services.scoring.shrinkage import prior, shrink, tame
from services.scoring.team import Sums, Team, team_of
from tests.scoring.samples import Sample, columns, rows, samples_of

POLICY = Policy()
SAMPLE_1 = {
    Metric.SATISFACTION: 5.0,
    Metric.COMPLETION: 100.0,
    Metric.CONVERSION: 100.0,
    Metric.REVENUE: 1200.0,
    Metric.RESPONSE: 35_000.0,
    Metric.ESCALATION: 0.0,
}
SAMPLE_2 = SAMPLE_1 | {Metric.SATISFACTION: 4.0, Metric.REVENUE: 2500.0}


def test_the_sample_agents() -> None:
    first, second = grade(SAMPLE_1, 1, POLICY), grade(SAMPLE_2, 1, POLICY)
    assert (first.grade, second.grade) == ("A", "B+")
    assert first.score == pytest.approx(91.89587523187515, abs=1e-12)
    assert second.score == pytest.approx(88.39587523187515, abs=1e-12)
    assert first.improvement_areas == ()
    assert second.improvement_areas == ("Customer satisfaction could be higher",)
    # A quarter of the satisfaction scale, at a weight of .4 x .7.
    points = {r.metric: r.points for r in second.recommendations}
    assert points[Metric.SATISFACTION] == pytest.approx(25 * 0.28)


def test_points_add_up_to_the_score() -> None:
    graded = grade(SAMPLE_2, 100, POLICY)
    assert sum(p.points for p in graded.breakdown) == pytest.approx(graded.score)
    assert sum(p.weight for p in graded.breakdown) == pytest.approx(1)


@pytest.mark.parametrize(
    ("metric", "value", "score"),
    [
        (Metric.SATISFACTION, 1, 0),
        (Metric.SATISFACTION, 3, 50),
        (Metric.CONVERSION, 15, 50),
        (Metric.CONVERSION, 90, 100),
        (Metric.REVENUE, -10, 0),
        (Metric.RESPONSE, 0, 100),
        (Metric.RESPONSE, 10_000, 100),
        (Metric.RESPONSE, 300_000, 0),
        (Metric.ESCALATION, 12.5, 50),
        (Metric.ESCALATION, 40, 0),
    ],
)
def test_sub_scores_are_clipped(metric: Metric, value: float, score: float) -> None:
    assert sub_score(metric, value, POLICY) == pytest.approx(score)


def test_a_missing_metric_gives_its_weight_to_its_sibling() -> None:
    graded = grade({m: v for m, v in SAMPLE_1.items() if m is not Metric.SATISFACTION}, 40, POLICY)
    weight = {p.metric: p.weight for p in graded.breakdown}
    assert weight[Metric.COMPLETION] == pytest.approx(0.40)
    assert graded.coverage == pytest.approx(1 - 0.28)


def test_a_missing_part_gives_its_weight_to_the_others() -> None:
    graded = grade({Metric.SATISFACTION: 5.0, Metric.CONVERSION: 0.0}, 40, POLICY)
    assert graded.score == pytest.approx(100 * 0.40 / 0.75)


def test_nothing_to_grade_is_no_grade() -> None:
    graded = grade({}, 0, POLICY)
    assert (graded.grade, graded.score, graded.coverage) == (None, None, None)


@pytest.mark.parametrize("cut_offs", [CutOffs(), CutOffs(a_plus=99, a=80, b_plus=60, b=40, c_plus=20, c=0.5)])
def test_cut_offs_belong_to_the_better_grade(cut_offs: CutOffs) -> None:
    lowest = lowest_scores(cut_offs)
    assert [letter(score, cut_offs, provisional=False) for score in lowest.values()] == list(GRADES)
    below = [letter(score - 0.001, cut_offs, provisional=False) for score in list(lowest.values())[:-1]]
    assert below == list(GRADES[1:])
    assert letter(0, cut_offs, provisional=False) == "D"


def test_a_provisional_grade_is_at_most_a() -> None:
    assert letter(99, CutOffs(), provisional=True) == "A"
    assert letter(89, CutOffs(), provisional=True) == "B+"


def test_a_sum_that_rounding_leaves_a_hair_below_has_the_grade() -> None:
    assert letter(90 - 1e-12, CutOffs(), provisional=False) == "A"


def test_weights_add_up_to_one() -> None:
    assert sum(full_weights(POLICY).values()) == pytest.approx(1)


def sums(agent: str, n: int, **changes: int | Decimal) -> Sums:
    """Return an agent who does everything right in `n` conversations."""
    best = Sums(
        agent_id=agent,
        conversations=n,
        ended=n,
        completed=n,
        conversions=n,
        csat_n=n,
        csat_x100=500 * n,
        csat_x100_sq=250_000 * n,
        response_n=n,
        response_ms=10_000 * n,
        response_ms_sq=Decimal(10**8 * n),
        revenue=Decimal(1500 * n),
        revenue_sq=Decimal(1500**2 * n),
    )
    return replace(best, **changes)  # type: ignore[arg-type]


def team(*agents: Sums) -> Team:
    return team_of(agents)


def test_one_perfect_conversation_is_no_a_plus() -> None:
    (graded,) = grade_agents(team(sums("a", 1)), ["a"], POLICY)
    assert (graded.grade.grade, graded.grade.provisional) == ("A", True)
    (many,) = grade_agents(team(sums("a", 30)), ["a"], POLICY)
    assert (many.grade.grade, many.grade.provisional) == ("A+", False)


def test_ranks_go_by_the_adjusted_score() -> None:
    lucky = sums("lucky", 1)
    # Agents with ratings around 4.5 (deviation .7), conversion from 5 % to 26 %, and half the revenue wanted.
    steady = [
        sums(
            f"s{i}",
            200,
            conversions=10 + 6 * i,
            csat_x100=450 * 200,
            csat_x100_sq=450**2 * 200 + 70**2 * 200,
            revenue=Decimal(150_000),
            revenue_sq=Decimal(150_000 * 2500),
        )
        for i in range(8)
    ]
    graded = grade_agents(team(lucky, *steady), [s.agent_id for s in [lucky, *steady]], POLICY)
    by_id = {g.agent_id: g for g in graded}
    assert by_id["lucky"].grade.score == pytest.approx(100)
    assert by_id["lucky"].rank is not None
    assert by_id["lucky"].rank > 1  # one conversation proves little
    assert [g.rank for g in graded] == list(range(1, 10))
    adjusted = by_id["s0"].adjusted
    assert adjusted is not None
    assert adjusted.low < adjusted.score < adjusted.high


def test_an_agent_without_conversations_comes_last_without_a_grade() -> None:
    graded = grade_agents(team(sums("a", 3)), ["nobody", "a"], POLICY)
    assert [(g.agent_id, g.n, g.rank, g.grade.grade) for g in graded] == [("a", 3, 1, "A"), ("nobody", 0, None, None)]


def test_shrinkage_by_hand() -> None:
    # Two agents of 10 values each, means 0 and 10, variance 25 within each.
    found = prior(columns([Sample(10, 0.0, 25.0), Sample(10, 10.0, 25.0)]), guess=25.0)
    assert found is not None
    # spread = 10*25 + 10*25 = 500; effective = 20 - 200/20 = 10; between = (500 - 25)/10 = 47.5
    assert (found.mean, found.within) == (5.0, 25.0)
    assert found.k == pytest.approx(25 / 47.5)
    estimate, variance = shrink(columns([Sample(10, 0.0, 25.0)]), found)
    assert estimate == pytest.approx(5 * found.k / (10 + found.k))
    share = found.k / (10 + found.k)
    # The variance between may be larger by its standard error: sqrt(2/1) (47.5 + 25/10).
    at_most = 47.5 + 2**0.5 * 50
    assert variance == pytest.approx(1 / (10 / 25 + 1 / at_most) + share**2 * 25 / 20)


def test_agents_who_do_not_differ_are_all_the_mean() -> None:
    found = prior(columns([Sample(10, 4.9, 25.0), Sample(10, 5.1, 25.0)]), guess=25.0)
    assert found is not None
    # They may differ after all, by as much as the standard error of nothing: sqrt(2) x 25/10.
    left = 1 / (10 / 25 + 1 / (2**0.5 * 2.5))
    assert shrink(columns([Sample(10, 4.9, 25.0)]), found) == (pytest.approx(5.0), pytest.approx(left + 25 / 20))


def test_one_outlier_does_not_carry_the_others_away() -> None:
    poor = [sums(f"p{i}", 40, revenue=Decimal(0), revenue_sq=Decimal(0)) for i in range(5)]
    rich = sums("rich", 1, revenue=Decimal(10) ** 12, revenue_sq=Decimal(10) ** 24)
    wanted = ["p0"]
    (without,) = grade_agents(team(*poor), wanted, POLICY)
    (beside,) = grade_agents(team(*poor, rich), wanted, POLICY)
    assert without.adjusted is not None
    assert beside.adjusted is not None
    assert beside.adjusted.score == pytest.approx(without.adjusted.score, abs=1)


def test_one_agents_wild_values_do_not_hide_how_the_others_differ() -> None:
    """The control: without the taming of variances nobody's revenue would tell anything."""
    others = [
        sums(f"o{i}", 60, revenue=Decimal(9000 + 9000 * i), revenue_sq=Decimal(60) * (150 + 150 * i) ** 2 + 60 * 100**2)
        for i in range(8)
    ]
    wild = sums("wild", 2, revenue=Decimal(10) ** 12, revenue_sq=Decimal(10) ** 24)
    (without,), (beside,) = (grade_agents(team(*agents), ["o0"], POLICY) for agents in (others, [*others, wild]))
    assert without.adjusted is not None
    assert beside.adjusted is not None
    assert beside.adjusted.score == pytest.approx(without.adjusted.score, abs=0.5)
    measured = [samples_of(s)[Metric.REVENUE] for s in [*others, wild]]
    untamed = prior(columns(measured), 1500.0**2)
    assert untamed is not None
    assert untamed.within > 1e20


def test_tame_values_stay_as_they_are() -> None:
    found = [Sample(40, 3.9, 1.1), Sample(1, 5.0, 0.0), Sample(300, 4.5, 0.6)]
    assert rows(tame(columns(found), (1.0, 5.0), 1.0)) == found
    alone = [Sample(30, 20_000.0, 10.0**10)]
    assert tame(columns(alone), (0.0, 1500.0), 1500.0**2).variance[0] == 10.0**10


def test_one_conversation_leaves_a_wide_interval_that_holds_its_score() -> None:
    (graded,) = grade_agents(team(sums("a", 1, csat_x100=400, csat_x100_sq=160_000)), ["a"], POLICY)
    (many,) = grade_agents(team(sums("a", 500)), ["a"], POLICY)
    assert graded.adjusted is not None
    assert many.adjusted is not None
    assert graded.grade.score is not None
    assert graded.adjusted.low < graded.grade.score < graded.adjusted.high
    assert graded.adjusted.high - graded.adjusted.low > 10
    assert many.adjusted.high - many.adjusted.low < 2


def test_a_conversation_that_goes_on_is_not_counted_as_left() -> None:
    going_on = samples_of(sums("a", 4, ended=2, completed=2))
    assert going_on[Metric.COMPLETION].mean == 100
    assert Metric.COMPLETION not in samples_of(sums("a", 4, ended=0, completed=0))


def test_revenue_that_is_partly_in_other_currencies_is_not_known() -> None:
    assert Metric.REVENUE not in samples_of(replace(sums("a", 4), is_partly_unconverted=True))


def test_what_would_help_most_is_said_first() -> None:
    graded = grade(SAMPLE_1 | {Metric.REVENUE: 0.0, Metric.COMPLETION: 50.0}, 40, POLICY)
    assert [r.metric for r in graded.recommendations][:2] == [Metric.REVENUE, Metric.COMPLETION]
    assert graded.recommendations[0].points == pytest.approx(17.5)


def test_rates_have_the_variance_of_yes_and_no() -> None:
    rate = samples_of(sums("a", 4, conversions=1))[Metric.CONVERSION]
    assert (rate.mean, rate.variance) == (25.0, pytest.approx((75**2 + 3 * 25**2) / 3))


@pytest.mark.parametrize(
    ("metric", "value", "changes", "strength"),
    [
        (Metric.SATISFACTION, 4.0, {"strong_satisfaction": 4.0}, "Excellent customer satisfaction"),
        (Metric.RESPONSE, 90_000.0, {"strong_response_ms": 90_000.0}, "Fast response times"),
        (Metric.CONVERSION, 12.0, {"conversion_rate_target": 12.0}, "High conversion rate"),
        (Metric.ESCALATION, 8.0, {"strong_escalation_rate": 8.0}, "Low escalation rate"),
    ],
)
def test_what_is_a_strength_is_the_policys_to_say(metric: Metric, value: float, changes: dict[str, float], strength: str) -> None:
    by_default, by_policy = grade({metric: value}, 40, POLICY), grade({metric: value}, 40, replace(POLICY, **changes))
    assert (by_default.strengths, len(by_default.improvement_areas)) == ((), 1)
    assert (by_policy.strengths, by_policy.improvement_areas) == ((strength,), ())


def test_every_number_of_the_policy_moves_the_score() -> None:
    values = {
        Metric.SATISFACTION: 4.1, Metric.COMPLETION: 80.0, Metric.CONVERSION: 17.0, Metric.REVENUE: 900.0,
        Metric.RESPONSE: 45_000.0, Metric.ESCALATION: 9.0,
    }  # fmt: skip
    changes = {
        "quality_weight": 0.5, "conversion_weight": 0.2, "efficiency_weight": 0.1, "satisfaction_share": 0.6,
        "conversion_rate_share": 0.4, "response_share": 0.7, "conversion_rate_target": 40.0, "revenue_target": 1000.0,
        "response_target_ms": 5_000.0, "response_limit_ms": 600_000.0, "escalation_limit": 30.0,
    }  # fmt: skip
    base = grade(values, 100, POLICY).score
    unmoved = [name for name, value in changes.items() if grade(values, 100, replace(POLICY, **{name: value})).score == base]
    assert unmoved == []


def test_the_score_without_values_is_none() -> None:
    assert grade({}, 100, POLICY).score is None
