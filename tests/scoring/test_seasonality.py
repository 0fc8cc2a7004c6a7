"""Quarters of the year: of one customer, of a segment, of everybody."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapport.insight.v1 import vocabulary_pb2
from rapport.scoring.v1 import scoring_service_pb2 as pb
from scipy.stats import chi2, chisquare  # the tests' second opinion

from services.runtime.errors import NotFound
from services.scoring.seasonality import QUARTERS, Cohort, Counts, Seasonality, exposure, seasonality, unevenness
from tests.fix_services import House
from tests.scoring.clientele import Clientele

FIRST, LAST = date(2023, 1, 1), date(2024, 12, 31)
EVEN = [0.25] * 4


def one(days: Mapping[int, int], purchases: Mapping[int, int], first: date | None = FIRST, today: date = LAST) -> Seasonality:
    """Return the pattern of one customer, from counts by quarter."""
    counts = {q: Counts(days.get(q, 0), purchases.get(q, 0)) for q in QUARTERS}
    cohorts = [Cohort(first, 1, sum(days.values()), sum(purchases.values()))] if first else []
    return seasonality(counts, cohorts, today)


@given(st.lists(st.integers(0, 50), min_size=4, max_size=4))
def test_the_probability_is_pearsons(counts: list[int]) -> None:
    if sum(counts) < 12:
        assert unevenness(counts, EVEN) is None
    else:
        assert unevenness(counts, EVEN) == pytest.approx(chisquare(counts).pvalue, rel=1e-9, abs=1e-300)


def test_degrees_of_freedom_are_of_the_quarters_lived_through() -> None:
    statistic = (12 - 9) ** 2 / 9 + (6 - 9) ** 2 / 9
    assert unevenness([12, 6, 0, 0], [0.5, 0.5, 0, 0]) == pytest.approx(chi2.sf(statistic, 1))
    assert unevenness([30, 0, 0, 0], [1, 0, 0, 0]) is None


@given(st.dates(date(2019, 1, 1), date(2021, 12, 31)), st.integers(min_value=0, max_value=900))
def test_exposure_counts_days(first: date, days: int) -> None:
    counted = dict.fromkeys(QUARTERS, 0)
    for n in range(days + 1):
        counted[((first + timedelta(days=n)).month + 2) // 3] += 1
    assert exposure(first, first + timedelta(days=days)) == counted


def test_an_even_year_is_1() -> None:
    found = one({1: 5, 2: 5, 3: 5, 4: 5}, {})
    assert [p.engagement_index for p in found.quarters] == pytest.approx([1, 1, 1, 1], abs=0.01)
    assert [p.purchase_index for p in found.quarters] == [1, 1, 1, 1]
    assert not any(p.significant for p in found.quarters)
    assert found.p_value == pytest.approx(1, abs=0.001)


def test_an_index_by_hand() -> None:
    # 731 days, of which 90 + 91 in the first quarters of 2023 and 2024; 12 of 16 engagement days in them.
    share = 181 / 731
    found = one({1: 12, 3: 4}, {2: 3}).quarters
    assert found[0].engagement_index == (12 + 8 * share) / (24 * share)
    # Over whole years that is nearly 4 (n + 8/4) / (N + 8).
    assert found[0].engagement_index == pytest.approx(4 * (12 + 2) / 24, rel=0.02)
    assert found[1].purchase_index == (3 + 8 * (182 / 731)) / (11 * (182 / 731))
    assert (found[0].engagement_days, found[1].purchases, found[0].exposure_days) == (12, 3, 181)


def test_significant_from_12_days_and_below_5_percent() -> None:
    assert one({1: 12, 3: 4}, {}).quarters[0].significant
    assert not one({1: 11}, {}).quarters[0].significant  # too few days, however uneven
    assert one({1: 11}, {}).p_value is None
    assert not one({1: 6, 2: 5, 3: 4, 4: 3}, {}).quarters[0].significant  # as uneven as chance


def test_significance_takes_exposure_into_account() -> None:
    # All 20 days in the first quarter, of which there was nothing but 89 days, and a single day of the second.
    assert not any(p.significant for p in one({1: 20}, {}, date(2023, 1, 2), date(2023, 4, 1)).quarters)
    assert not any(p.significant for p in one({1: 20}, {}, date(2023, 1, 2), date(2023, 3, 31)).quarters)


def test_a_quarter_not_lived_through_says_nothing() -> None:
    found = one({1: 3}, {1: 1}, date(2023, 1, 1), date(2023, 2, 1)).quarters
    assert [p.exposure_days for p in found] == [32, 0, 0, 0]
    assert [p.engagement_index for p in found] == [1, 1, 1, 1]


def test_before_the_first_engagement() -> None:
    found = one({}, {}, None)
    assert [(p.quarter, p.engagement_days, p.engagement_index, p.exposure_days) for p in found.quarters] == [
        (q, 0, 1, 0) for q in QUARTERS
    ]
    assert (found.customers, found.p_value) == (0, None)


def test_a_clock_that_runs_ahead() -> None:
    assert exposure(date(2023, 1, 2), date(2023, 1, 1)) == {1: 1, 2: 0, 3: 0, 4: 0}


def test_those_who_come_often_count_as_often() -> None:
    """Two customers with even years of their own are even together; by pooled days alone they would not be."""
    half = date(2024, 7, 1)  # lives through two quarters, and comes a hundred times as often
    lived = exposure(half, LAST)
    counts = {q: Counts(20 + 1000 * lived[q] // sum(lived.values())) for q in QUARTERS}
    cohorts = [Cohort(FIRST, 1, 80, 0), Cohort(half, 1, 1000, 0)]
    found = seasonality(counts, cohorts, LAST)
    assert [p.engagement_index for p in found.quarters] == pytest.approx([1, 1, 1, 1], abs=0.02)
    assert found.p_value is not None
    assert found.p_value > 0.9
    # The control: as one customer with the same days lived through.
    days = [p.exposure_days for p in found.quarters]
    control = unevenness([c.engagement_days for c in counts.values()], [d / sum(days) for d in days])
    assert control is not None
    assert control < 1e-6


@pytest.fixture
def clientele(house: House) -> Clientele:
    """Today is 20 November 2026: one who came 14 times in autumn, one who came in spring, and one with one order."""
    made = Clientele(house)
    made.add("autumn", [600, *range(20, 33)], {45: 10.0})
    made.add("spring", [220, 219, 218])
    made.add("once", [], {5: 1.0})
    made.write()
    return made


async def asked(house: House, **subject: object) -> pb.GetSeasonalityResponse:
    return await house.scoring.GetSeasonality(pb.GetSeasonalityRequest(**subject), house.caller)  # type: ignore[arg-type]


async def test_one_customers_pattern(house: House, clientele: Clientele) -> None:
    answer = await asked(house, customer_id="autumn")
    counts = {1: Counts(1), 4: Counts(14, 1)}
    expected = seasonality(counts, [Cohort(clientele.today - timedelta(days=600), 1, 15, 1)], clientele.today)
    assert [(q.engagement, q.purchases, q.engagement_index, q.purchase_index, q.exposure_days) for q in answer.quarters] == [
        (p.engagement_days, p.purchases, p.engagement_index, p.purchase_index, p.exposure_days) for p in expected.quarters
    ]
    assert all(q.significant for q in answer.quarters)
    assert (answer.customers, answer.p_value, answer.quality.n) == (1, expected.p_value, 15)
    assert answer.quality.HasField("watermark")


async def test_two_agents_on_one_day_are_one_day(house: House, clientele: Clientele) -> None:
    before = await asked(house)
    with psycopg.connect(house.url) as conn:
        conn.execute(
            "INSERT INTO scoring.customer_day (tenant_id, customer_id, day, agent_id, platform, conversations, orders) "
            "SELECT tenant_id, customer_id, day, 'a-2', platform, conversations, 0 FROM scoring.customer_day"
        )
    assert await asked(house) == before


async def test_everybodys_pattern_sums_counts_and_days(house: House, clientele: Clientele) -> None:
    everybody = await asked(house)
    each = [await asked(house, customer_id=c) for c in ("autumn", "spring", "once")]
    for i, quarter in enumerate(everybody.quarters):
        assert quarter.engagement == sum(a.quarters[i].engagement for a in each)
        assert quarter.purchases == sum(a.quarters[i].purchases for a in each)
        assert quarter.exposure_days == sum(a.quarters[i].exposure_days for a in each)
    assert (everybody.customers, everybody.quality.n) == (3, 19)


async def test_a_segments_pattern_is_that_of_who_is_in_it(house: House, clientele: Clientele) -> None:
    with psycopg.connect(house.url) as conn:
        conn.execute("UPDATE scoring.customer_state SET segment = 2 WHERE customer_id IN ('autumn', 'spring')")
    inside = await asked(house, segment=vocabulary_pb2.CustomerSegment.at_risk)
    assert (inside.customers, inside.quality.n) == (2, 18)
    nobody = await asked(house, segment=vocabulary_pb2.CustomerSegment.regular)
    assert (nobody.customers, nobody.quality.n, nobody.HasField("p_value")) == (0, 0, False)
    assert [(q.quarter, q.engagement_index) for q in nobody.quarters] == [(q, 1) for q in QUARTERS]


async def test_nobody_has_heard_of_the_customer(house: House, clientele: Clientele) -> None:
    with pytest.raises(NotFound) as unknown:
        await asked(house, customer_id="nobody")
    assert unknown.value.reason == "CUSTOMER_NOT_FOUND"
