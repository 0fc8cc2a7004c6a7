"""The one table of measures: complete, consistent, and what ListMeasures and the page say of it."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from rapport.query.v1 import metrics_pb2 as pb

from services.query.costs import Costs
from services.query.histograms import Percentiles, middle
from services.query.measure_words import absent_when, dimensions_of, formula
from services.query.measures import MEASURES, TERMS, Keeping, Measure, Shape, Unit
from services.query.metrics import Change, Money, Sums, Value, change, largest, value
from services.query.uncertainty import (
    Sample,
    mean_interval,
    p_value,
    sample,
    wilson,
    z_of_means,
    z_of_separation,
    z_of_shares,
    z_of_t,
)
from services.scoring import measures as scoring
from services.storage import schema
from tests.query.conftest import Service
from tests.query.oracle.figures import students

ROOT = Path(__file__).parent.parent.parent


def test_every_measure_is_made_of_terms_as_its_shape_asks() -> None:
    for measure in MEASURES.values():
        terms = () if measure.shape is Shape.PERCENTILE else (*measure.of, *measure.per)
        assert all(term in TERMS for term in terms), measure
        assert bool(measure.per) == (measure.shape is Shape.QUOTIENT), measure
        assert not measure.squares or measure.squares in TERMS, measure
        assert measure.description[0].isupper(), measure
        assert not measure.description.endswith("."), measure


def test_rates_are_of_things_among_others() -> None:
    """What is counted above is counted below, too, so that no rate exceeds 100 and Wilson's interval is right."""
    below = {"escalated", "completed", "conversions", "abandoned_conversations", "abandoned_carts"}
    for measure in MEASURES.values():
        if measure.is_rate:
            assert measure.of[0] in measure.per or measure.of[0] in below, measure


def test_terms_are_kept_where_they_say() -> None:
    counts = {c.name for c in schema.agent_day.columns}
    for term in TERMS.values():
        assert (term.keeping is Keeping.TALLY) == bool(term.tally)
        if term.keeping is Keeping.COUNTS:
            assert term.name in counts
    tallies = [term.tally for term in TERMS.values() if term.tally]
    assert sorted(tallies) == sorted([*scoring.Outcome, *scoring.Measure])


async def test_every_measure_is_listed_by_name(service: Service) -> None:
    listed = (await service.stub.ListMeasures(pb.ListMeasuresRequest())).measures
    assert [each.name for each in listed] == sorted(MEASURES)
    by_name = {each.name: each for each in listed}
    rate, cost = by_name["noShowRate"], by_name["totalCost"]
    assert (rate.unit, rate.direction, rate.has_rows) == (pb.MEASURE_UNIT_PERCENT, pb.MEASURE_DIRECTION_DOWN, False)
    assert (rate.formula, rate.absent_when) == ("100 \N{MULTIPLICATION SIGN} no_show ÷ (kept + no_show)", "kept + no_show is 0")
    assert len(rate.dimensions) == 14
    assert list(cost.dimensions) == [pb.DIMENSION_AGENT]
    assert {each.name for each in listed if not each.unit} == set()
    assert Counter(each.has_rows for each in listed)[True] > 30
    assert {each.direction for each in listed} == {0, 1, 2}
    assert by_name["misses"].has_rows
    assert not by_name["totalRevenue"].has_rows


def test_the_page_is_what_the_table_gives() -> None:
    checked = subprocess.run(
        [sys.executable, "tools/measures.py", "check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    # The control: it tells measures by their names.
    assert all(f"| `{name}` |" in (ROOT / "docs" / "measures.md").read_text() for name in MEASURES)


def test_how_measures_read() -> None:
    assert formula(MEASURES["averageConversationDuration"]) == "duration_ms ÷ ended ÷ 1000"
    assert absent_when(MEASURES["revenuePerConversation"]) == "conversations is 0, or money has no exchange rate"
    assert absent_when(MEASURES["averageOrderValue"]) == "reported_orders is 0"
    assert absent_when(MEASURES["orders"]) == ""
    for measure in MEASURES.values():
        assert formula(measure)
        assert dimensions_of(measure)


def test_values_of_sums() -> None:
    money = {"EUR": Money(2, Decimal("10.5")), "USD": Money(3, Decimal(7))}
    sums = Sums(counts={"conversations": 4, "duration_ms": 3000, "ended": 2}, money=money, costs=Costs(Decimal(5)))
    assert value(MEASURES["orders"], sums, "EUR") == Value(5.0)
    assert value(MEASURES["totalRevenue"], sums, "EUR") == Value(10.5)
    assert value(MEASURES["averageOrderValue"], sums, "EUR") == Value(5.25, 2)
    # A part of the money says too little of all conversations.
    assert value(MEASURES["revenuePerConversation"], sums, "EUR") == Value(None, 4)
    whole = Sums(counts=sums.counts, money={"EUR": money["EUR"]})
    assert value(MEASURES["revenuePerConversation"], whole, "EUR").value == 2.625
    assert value(MEASURES["averageConversationDuration"], sums, "EUR") == Value(1.5, 2)
    assert value(MEASURES["totalCost"], sums, "EUR") == Value(5.0)
    nothing = Sums()
    assert value(MEASURES["totalCost"], nothing, "EUR") == value(MEASURES["conversionRate"], nothing, "EUR").__class__()
    assert value(MEASURES["conversionRate"], nothing, "EUR") == Value(None, 0)
    assert value(MEASURES["responseTimeP90"], nothing, "EUR") == Value(None, 0)
    timed = Sums(percentiles={"duration": Percentiles(7, {50: 100, 90: 200, 99: 300})})
    assert value(MEASURES["durationP90"], timed, "EUR") == Value(middle(200) / 1000, 7)
    assert sums.left_out("EUR") == (("USD", Decimal(7)),)


def test_the_middle_of_a_bucket_is_two_percent_from_its_bounds() -> None:
    for bucket in (1, 50, 400):
        assert 1.04**bucket / middle(bucket) == pytest.approx(1.02)
        assert middle(bucket) / 1.04 ** (bucket - 1) == pytest.approx(1.0196, abs=1e-4)


def test_changes_are_for_the_better_or_not() -> None:
    down = MEASURES["escalationRate"]
    assert change(down, 10.0, 20.0) == Change(20.0, -10.0, -50.0, better=True)
    assert change(MEASURES["totalRevenue"], -5.0, -10.0) == Change(-10.0, 5.0, 50.0, better=True)
    assert change(MEASURES["orders"], 5.0, 0.0) == Change(0.0, 5.0, None, better=True)
    assert change(down, 5.0, 5.0) == Change(5.0, 0.0, 0.0, None)
    assert change(MEASURES["totalConversations"], 5.0, 4.0).better is None
    assert (change(down, None, 4.0), change(down, 4.0, None)) == (Change(4.0), Change())


def test_the_largest_groups_are_the_same_in_any_order() -> None:
    by = Measure(name="x", description="X", unit=Unit.PERCENT, shape=Shape.QUOTIENT, of=("completed",), per=("ended",))
    groups = {
        ("b", 1): Sums(counts={"completed": 1, "ended": 2}),
        ("a", 2): Sums(counts={"completed": 2, "ended": 4}),
        ("c", 1): Sums(counts={"completed": 0, "ended": 4}),
        ("d", 1): Sums(),
        ("0", 1): Sums(),
    }

    def words(values: tuple[str | int, ...]) -> tuple[str, ...]:
        return tuple(map(str, values))

    expected = [("a", 2), ("b", 1), ("c", 1), ("0", 1), ("d", 1)]
    assert largest(groups, by, "EUR", 9, words) == expected
    assert largest(dict(reversed(groups.items())), by, "EUR", 3, words) == expected[:3]


def test_wilsons_intervals_are_those_of_the_literature() -> None:
    """Newcombe (1998), Table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29; score method without continuity correction."""
    for k, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)):
        assert wilson(k, n) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    assert wilson(20, 20)[1] == 1


def test_students_t_is_that_of_the_tables() -> None:
    """Abramowitz and Stegun (1964), table 26.10; to the millionth it is what the oracle finds by another way."""
    for freedom, t in ((1, 12.706), (2, 4.303), (3, 3.182), (8, 2.306), (15, 2.131), (30, 2.042), (120, 1.980)):
        found = mean_interval(Sample(freedom + 1, 0.0, freedom + 1.0), -100) or (0, 0)
        assert round(found[1], 3) == t
        assert found == (pytest.approx(-students(freedom), abs=1e-6), pytest.approx(students(freedom), abs=1e-6))
    # Of very many it is the normal distribution's.
    assert mean_interval(Sample(10**9, 0.0, 1e9), -100) == (pytest.approx(-1.959964, abs=1e-6), pytest.approx(1.959964, abs=1e-6))


def test_intervals_of_few_ratings_hold_the_true_mean() -> None:
    """Ratings that are 1 to 5 alike: the interval of how many of 4,000 samples holds 3; with few, the normal one's holds less."""
    r = np.random.default_rng(7)
    for n in (3, 5, 20):
        ratings = r.integers(1, 6, (4000, n))
        samples = [sample(n, int(each.sum()), int((each**2).sum())) for each in ratings]
        told = [found for each in samples if (found := mean_interval(each, 1, 5))]
        held = sum(low <= 3 <= high for low, high in told) / len(told)
        normal = sum(abs(each.mean - 3) <= 1.96 * (each.variance / n) ** 0.5 for each in samples) / len(samples)
        assert held > 0.92
        assert all(1 <= low < high <= 5 for low, high in told)
        assert (normal < 0.88) == (n < 20)


def test_what_a_conversation_brings_has_no_interval() -> None:
    """It may have several payments, whose squares are not its own."""
    money = {"EUR": Money(40, Decimal(4000))}
    found = value(MEASURES["revenuePerConversation"], Sums({"conversations": 10}, money), "EUR")
    assert found == Value(400.0, 10)


def test_ratings_intervals_are_of_the_scale() -> None:
    counts = {"csat_n": 2, "csat_x100": 800, "csat_x100_sq": 340_000, "response_n": 2, "response_ms": 11, "response_ms_sq": 101}
    assert value(MEASURES["customerSatisfactionAvg"], Sums(counts), "EUR") == Value(4.0, 2, (1.0, 5.0))
    assert (value(MEASURES["averageResponseTime"], Sums(counts), "EUR").interval or (9, 9))[0] == 0
    alike = {"csat_n": 2, "csat_x100": 1000, "csat_x100_sq": 500_000}
    assert value(MEASURES["customerSatisfactionAvg"], Sums(alike), "EUR") == Value(5.0, 2)


def test_intervals_of_means_and_tests() -> None:
    values = [1, 2, 3, 4]
    found = sample(4, sum(values), sum(v * v for v in values))
    assert (found.n, found.mean, found.variance) == (4, 2.5, 5 / 3)
    assert mean_interval(found) == (pytest.approx(2.5 - 2.05426, abs=1e-5), pytest.approx(2.5 + 2.05426, abs=1e-5))
    # No value is beyond the ends of the scale, so their mean is not either.
    assert mean_interval(found, 1, 4) == (1, 4)
    assert mean_interval(sample(2, 30, 698)) == (0, pytest.approx(15 + 12.7062 * 124**0.5, abs=1e-3))
    # One value says nothing of how values differ, nor do values that are all alike, however large.
    assert mean_interval(sample(1, 5, 25)) is None
    assert mean_interval(sample(2, 10, 50)) is None
    alike = 9_007_199
    assert mean_interval(sample(3_000_001, 3_000_001 * alike, 3_000_001 * alike**2)) is None
    assert z_of_means(found, found) is None
    many, more = sample(100, 500, 2600), sample(100, 520, 2804)
    assert z_of_means(more, many) == pytest.approx(0.2 / (2 * (100 / 99) / 100) ** 0.5)
    assert z_of_means(sample(30, 30, 30), sample(30, 30, 30)) is None
    # Of 4 values and 3 there are 35 ways to part them; each side of 2 in 35 is as far out as z = 1.902.
    assert p_value(z_of_separation(4, 3)) == pytest.approx(2 / 35)
    assert 1000 < z_of_separation(10**6, 10**6) < 2000
    # Student's t, at which a normal distribution's z is as improbable: 2.776 with 4 degrees of freedom, 2.042 with 30.
    assert (z_of_t(2.776445, 4), z_of_t(-2.042272, 30)) == (pytest.approx(1.96, abs=0.02), pytest.approx(-1.96, abs=1e-3))
    assert z_of_t(5, 10**9) == pytest.approx(5, abs=1e-6)
    assert z_of_t(0, 3) == 0
    # Of 100, 60 and 45: pooled 0.525.
    assert z_of_shares((60, 100), (45, 100)) == pytest.approx(0.15 / (0.525 * 0.475 * 0.02) ** 0.5)
    assert z_of_shares((3, 29), (3, 100)) is None
    assert z_of_shares((0, 100), (0, 100)) is None
    assert p_value(1.959963984540054) == pytest.approx(0.05)
    assert p_value(-1.959963984540054) == pytest.approx(0.05)
