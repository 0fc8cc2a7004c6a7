"""Quarters of the year."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2  # the tests' second opinion

from services.query.seasonality import chi_squared_survival, exposure, patterns

FIRST, LAST = date(2023, 1, 1), date(2024, 12, 31)


@pytest.mark.parametrize("degrees", [1, 2, 3])
@pytest.mark.parametrize("statistic", [0.0, 0.01, 1.0, 3.84, 7.815, 30.0, 200.0])
def test_the_closed_form_is_the_distribution(statistic: float, degrees: int) -> None:
    assert chi_squared_survival(statistic, degrees) == pytest.approx(chi2.sf(statistic, degrees), rel=1e-9)


@given(st.dates(date(2019, 1, 1), date(2021, 12, 31)), st.integers(min_value=0, max_value=900))
def test_exposure_counts_days(first: date, days: int) -> None:
    counted = dict.fromkeys((1, 2, 3, 4), 0)
    for n in range(days + 1):
        counted[((first + timedelta(days=n)).month + 2) // 3] += 1
    assert exposure(first, first + timedelta(days=days)) == counted


def test_an_even_year_is_1() -> None:
    found = patterns({1: 5, 2: 5, 3: 5, 4: 5}, {}, FIRST, LAST)
    assert [p.engagement_index for p in found] == pytest.approx([1, 1, 1, 1], abs=0.01)
    assert [p.purchase_index for p in found] == [1, 1, 1, 1]
    assert not any(p.significant for p in found)


def test_an_index_by_hand() -> None:
    # 731 days, of which 90 + 91 in the first quarters of 2023 and 2024; 12 of 16 engagement days in them.
    share = 181 / 731
    found = patterns({1: 12, 3: 4}, {2: 3}, FIRST, LAST)
    assert found[0].engagement_index == pytest.approx((12 + 8 * share) / (24 * share))
    # Over whole years that is nearly 4 (n + 8/4) / (N + 8).
    assert found[0].engagement_index == pytest.approx(4 * (12 + 2) / 24, rel=0.02)
    assert found[1].purchase_index == pytest.approx((3 + 8 * (182 / 731)) / (11 * (182 / 731)))
    assert (found[0].engagement_days, found[1].purchases, found[0].exposure_days) == (12, 3, 181)


def test_significant_from_12_days_and_below_5_percent() -> None:
    assert patterns({1: 12, 3: 4}, {}, FIRST, LAST)[0].significant
    assert not patterns({1: 11}, {}, FIRST, LAST)[0].significant  # too few days, however uneven
    assert not patterns({1: 6, 2: 5, 3: 4, 4: 3}, {}, FIRST, LAST)[0].significant  # as uneven as chance


def test_significance_takes_exposure_into_account() -> None:
    # All 20 days in the first quarter, of which there was nothing but 89 days, and a single day of the second.
    assert not any(p.significant for p in patterns({1: 20}, {}, date(2023, 1, 2), date(2023, 4, 1)))
    assert not any(p.significant for p in patterns({1: 20}, {}, date(2023, 1, 2), date(2023, 3, 31)))


def test_a_quarter_not_lived_through_says_nothing() -> None:
    found = patterns({1: 3}, {1: 1}, date(2023, 1, 1), date(2023, 2, 1))
    assert [p.exposure_days for p in found] == [32, 0, 0, 0]
    assert [p.engagement_index for p in found] == [1, 1, 1, 1]


def test_before_the_first_engagement() -> None:
    found = patterns({}, {}, None, LAST)
    assert [(p.quarter, p.engagement_days, p.engagement_index, p.exposure_days) for p in found] == [
        (q, 0, 1, 0) for q in (1, 2, 3, 4)
    ]


def test_a_clock_that_runs_ahead() -> None:
    assert exposure(date(2023, 1, 2), date(2023, 1, 1)) == {1: 1, 2: 0, 3: 0, 4: 0}
