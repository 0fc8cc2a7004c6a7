"""What groups explain of a change: exactly all of it, whatever the groups."""

from __future__ import annotations

import random

import pytest

from services.query.decomposition import MOST_NAMED, Amount, Explanation, explain_count, explain_mean


def random_groups(r: random.Random, count: int) -> dict[str, tuple[Amount, Amount]]:
    """Groups of which some have nothing in a period, and some money of nothing."""

    def amount() -> Amount:
        n = r.choice([0, 1, 3, r.randrange(1000)])
        return Amount(r.choice([0.0, r.random() * 100]) if not n and r.random() < 0.3 else n * r.uniform(-5, 5), n)

    groups = {f"g{number}": (amount(), amount()) for number in range(count)}
    groups["whole"] = (Amount(50.0, 10), Amount(20.0, 10))
    return groups


def explained(explanation: Explanation) -> float:
    return sum(each.contribution for each in explanation.contributions) + explanation.rest


@pytest.mark.parametrize("seed", range(100))
def test_contributions_and_rest_are_the_difference(seed: int) -> None:
    r = random.Random(seed)
    groups = random_groups(r, r.choice([0, 1, 4, 5, 40]))
    (total, n), (before, m) = ((sum(g[i].total for g in groups.values()), sum(g[i].n for g in groups.values())) for i in (0, 1))
    found = explain_mean(groups)
    assert explained(found) == pytest.approx(total / n - before / m, abs=1e-9)
    assert explained(explain_count(groups)) == pytest.approx(total - before, abs=1e-6)
    assert len(found.contributions) <= MOST_NAMED
    for each in found.contributions:
        assert each.contribution == each.rate_effect + each.mix_effect
    # What is left over belongs to the groups that are not named, and is nothing when all are.
    if len(groups) <= MOST_NAMED:
        assert found.rest == pytest.approx(0, abs=1e-9)


def test_a_group_that_changed_explains_by_its_rate() -> None:
    """Half of the conversations, from 10 % to 20 %: 5 points; nobody's share moved."""
    found = explain_mean({"a": (Amount(2000, 100), Amount(1000, 100)), "b": (Amount(1000, 100), Amount(1000, 100))})
    (only,) = found.contributions
    assert (only.value, only.rate_effect, only.mix_effect, only.current, only.previous, only.n) == ("a", 5, 0, 20, 10, 100)
    assert (found.rest, found.groups) == (0, 2)


def test_groups_that_only_grew_explain_by_the_mix() -> None:
    """Nobody's own rate moved: Simpson's case. A third group that is like all the others explains nothing, however it grew."""
    found = explain_mean(
        {"low": (Amount(1000, 100), Amount(3000, 300)), "high": (Amount(9000, 300), Amount(3000, 100)),
         "average": (Amount(0, 0), Amount(0, 0))}
    )  # fmt: skip
    assert {each.value: (each.rate_effect, each.mix_effect) for each in found.contributions} == {"low": (0, 5), "high": (0, 5)}
    grown = {"a": (Amount(2000, 100), Amount(2000, 100)), "b": (Amount(18000, 900), Amount(2000, 100))}
    assert explain_mean(grown).contributions == ()


def test_a_group_that_came_or_went_is_all_mix() -> None:
    groups = {"old": (Amount(1000, 100), Amount(1000, 100)), "new": (Amount(5000, 100), Amount())}
    new = next(each for each in explain_mean(groups).contributions if each.value == "new")
    assert (new.rate_effect, new.previous, new.current) == (0, None, 50)
    assert explained(explain_mean(groups)) == 20


def test_groups_that_have_nothing_of_the_measure_are_none() -> None:
    """All conversations are of one platform; events are of another, which has no part in what conversations do."""
    groups = {"whatsapp": (Amount(4000, 100), Amount(1000, 100)), "none": (Amount(), Amount())}
    assert (explain_mean(groups).groups, explain_count(groups).groups) == (1, 1)
    # What was there before only, or is money of nothing, does count.
    for pair in ((Amount(), Amount(10, 1)), (Amount(5, 0), Amount())):
        assert explain_mean(groups | {"other": pair}).groups == explain_count(groups | {"other": pair}).groups == 2


def test_counts_explain_their_own_difference() -> None:
    found = explain_count({f"g{n}": (Amount(float(n), n), Amount(0.0, 0)) for n in range(8)})
    assert [each.contribution for each in found.contributions] == [7, 6, 5, 4, 3]
    # The first has nothing, neither now nor before.
    assert (found.rest, found.groups) == (3, 7)
