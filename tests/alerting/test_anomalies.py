"""Drifts of counts: what is found, how soon, and how often without a reason. Sampled with a seed."""

from __future__ import annotations

import math
import random

import pytest

from services.alerting.anomalies import BASELINE_DAYS, DAYS, drift

K, H = 0.5, 5.0
UP, DOWN = 1, -1


def siegmund(k: float, h: float) -> float:
    """Return how many days pass on average until chance alone reaches h."""
    b = h + 1.166
    return (math.exp(2 * k * b) - 2 * k * b - 1) / (2 * k * k)


def poisson(chance: random.Random, mean: float, phi: float = 1) -> int:
    """Return a count of a variance of phi times its mean: its own mean varies from day to day (gamma)."""
    if phi > 1:
        mean = chance.gammavariate(mean / (phi - 1), phi - 1)
    total, count = chance.expovariate(1), 0
    while total < mean:
        total += chance.expovariate(1)
        count += 1
    return count


def first_alarm(counts: list[int], direction: int) -> int | None:
    """Return after how many days beyond the first 56 the sum is past h, or None."""
    for end in range(DAYS, len(counts) + 1):
        found = drift(counts[end - DAYS : end], K, direction)
        if found and found.total > H:
            return end - DAYS
    return None


def days_until(chance: random.Random, before: float, after: float, phi: float, days: int) -> int | None:
    """Return on which day after a fall, from 1, it is found, or None if not in time. Series with alarms before do not count."""
    while True:
        counts = [poisson(chance, before, phi) for _ in range(DAYS)] + [poisson(chance, after, phi) for _ in range(days)]
        found = first_alarm(counts, DOWN)
        if found != 0:
            return found


def test_the_theory_tells_of_a_false_alarm_in_938_days():
    assert round(siegmund(K, H)) == 938


@pytest.mark.parametrize(("mean", "phi", "least", "most"), [(40, 1, 400, 4000), (40, 4, 150, 900), (8, 1, 300, 12_000)])
@pytest.mark.parametrize("direction", [UP, DOWN])
def test_false_alarms_are_as_rare_as_said(mean, phi, least, most, direction):
    chance, days, alarms, is_past = random.Random(1), 6000, 0, False
    counts = [poisson(chance, mean, phi) for _ in range(DAYS + days)]
    for end in range(DAYS, len(counts)):
        found = drift(counts[end - DAYS : end], K, direction)
        assert found is not None
        alarms += found.total > H and not is_past
        is_past = found.total > H
    assert least <= days / max(alarms, 1) <= most


@pytest.mark.parametrize(
    ("mean", "fall", "phi", "least", "most"),
    [(40, 0.3, 1, 0.95, 1), (40, 0.5, 4, 0.95, 1), (40, 0.3, 4, 0.4, 0.9), (8, 0.3, 1, 0.2, 0.8)],
)
def test_falls_are_found_within_two_weeks_as_often_as_said(mean, fall, phi, least, most):
    chance = random.Random(2)
    found = [days_until(chance, mean, mean * (1 - fall), phi, 14) for _ in range(60)]
    assert least <= sum(day is not None for day in found) / len(found) <= most


def test_weekdays_differ_without_being_a_drift():
    week = [50, 48, 52, 47, 60, 15, 5]
    counts = (week * 8)[:DAYS]
    found = drift(counts, K, DOWN)
    assert found is not None
    assert (found.total, found.expected, found.samples) == (0.0, 5.0, 4 * sum(week))


def test_a_new_series_says_nothing_until_there_are_four_weeks_of_it():
    assert drift([0] * (DAYS - BASELINE_DAYS) + [40] * BASELINE_DAYS, K, UP) is None
    found = drift([0] * (DAYS - BASELINE_DAYS - 1) + [40] * BASELINE_DAYS + [90], K, UP)
    assert found is not None
    assert found.total == pytest.approx(2 * (math.sqrt(90.375) - math.sqrt(40.375)) / math.sqrt(1.25) - K)


def test_a_weekday_without_a_past_says_nothing():
    counts = ([10] * 5 + [0, 0]) * 8
    assert drift(counts, K, UP) is None, "the last day is a Sunday"
    assert drift([0, 0, *counts[:-2]], K, UP) is not None, "a Friday"
    assert drift([0] * DAYS, K, DOWN) is None
