"""The oracle itself: it shares no code with the services, knows every measure, and says what docs/numbers.md says."""

from __future__ import annotations

import ast
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from tests.query.oracle.days import DAY, Period, before, dawn, of_days, parts, position, whole_days
from tests.query.oracle.figures import mean, percentile, rate, students
from tests.query.oracle.money import Rates, purse

FOLDER = Path(__file__).parent / "oracle"
HOUR = timedelta(hours=1)
#: Making tenants goes through the services; computing what is expected must not.
_MAKES_TENANTS = {"inventing.py"}


def imports(path: Path) -> set[str]:
    """Return the modules that a file imports, anywhere in it."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    named = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return named | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


def test_the_oracle_shares_no_code_with_the_services() -> None:
    files = sorted(FOLDER.glob("*.py"))
    found = {path.name: {m for m in imports(path) if m.split(".")[0] == "services"} for path in files}
    assert len(files) > 10
    assert {name: modules for name, modules in found.items() if modules and name not in _MAKES_TENANTS} == {}
    assert not any(m.startswith(("services.query", "services.storage")) for m in found["inventing.py"])


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("UTC", date(2026, 10, 25), 24),
        ("Asia/Kathmandu", date(2026, 10, 25), 24),
        ("Europe/Berlin", date(2026, 10, 25), 25),
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("America/St_Johns", date(2026, 11, 1), 25),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("America/Santiago", date(2026, 9, 6), 23),
        ("America/Santiago", date(2026, 4, 4), 25),
    ],
)
def test_a_day_lasts_from_the_first_moment_of_its_date_to_that_of_the_next(zone: str, day: date, hours: float) -> None:
    assert dawn(day + DAY, zone) - dawn(day, zone) == timedelta(hours=hours)
    assert whole_days(of_days(day, day + DAY, zone), zone) == (day, day + DAY)
    assert position(dawn(day, zone) + timedelta(hours=hours / 2), zone) == day.toordinal() + Fraction(1, 2)
    assert len(list(parts(of_days(day, day + DAY, zone), 1, zone))) == hours * 4


def test_hours_are_those_of_the_clock_on_the_wall() -> None:
    kathmandu = list(parts(of_days(date(2026, 5, 1), date(2026, 5, 2), "Asia/Kathmandu"), 2, "Asia/Kathmandu"))
    assert len(kathmandu) == 24
    assert kathmandu[0] == Period(datetime(2026, 4, 30, 18, 15, tzinfo=UTC), datetime(2026, 4, 30, 19, 15, tzinfo=UTC))
    howe = list(parts(of_days(date(2026, 4, 5), date(2026, 4, 6), "Australia/Lord_Howe"), 2, "Australia/Lord_Howe"))
    assert [p.end - p.start for p in howe[:4]] == [HOUR, HOUR, HOUR / 2, HOUR]


def test_weeks_and_months_are_cut_by_the_window() -> None:
    window = of_days(date(2026, 10, 29), date(2026, 11, 10), "America/St_Johns")
    weeks, months = (list(parts(window, granularity, "America/St_Johns")) for granularity in (4, 5))
    assert [p.start for p in weeks] == [dawn(date(2026, m, d), "America/St_Johns") for m, d in ((10, 29), (11, 2), (11, 9))]
    assert [p.start for p in months] == [window.start, dawn(date(2026, 11, 1), "America/St_Johns")]
    assert weeks[-1].end == months[-1].end == window.end


def test_the_period_before_has_as_many_days_or_as_many_hours() -> None:
    assert before(of_days(date(2026, 10, 26), date(2026, 10, 27), "Europe/Berlin"), "Europe/Berlin") == of_days(
        date(2026, 10, 25), date(2026, 10, 26), "Europe/Berlin"
    )
    noon = datetime(2026, 10, 26, 12, tzinfo=UTC)
    assert before(Period(noon, noon + 3 * HOUR), "Europe/Berlin") == Period(noon - 3 * HOUR, noon)


def test_a_rate_holds_for_a_week() -> None:
    rates = Rates("EUR", {("USD", date(2026, 5, 1)): Decimal("0.5"), ("USD", date(2026, 5, 3)): Decimal("0.25")})
    days = [date(2026, 5, d) for d in (1, 2, 3, 10)]
    assert [rates.rate("USD", day) for day in days] == [Fraction(1, 2), Fraction(1, 2), Fraction(1, 4), Fraction(1, 4)]
    assert rates.rate("USD", date(2026, 5, 11)) is rates.rate("USD", date(2026, 4, 30)) is None
    told = purse([(Decimal(8), "USD", days[1], 1), (Decimal(-2), "EUR", days[1], 0), (Decimal(5), "CHF", days[1], 1)], rates)
    assert (told.total, told.orders, dict(told.rest)) == (2, 1, {"CHF": 5})


def test_intervals_are_those_of_the_textbook() -> None:
    """Wilson's for 8 of 10 as Newcombe (1998) has it: 0.4901 to 0.9433; of five ratings, the mean ± 2.776 standard errors."""
    low, high = rate(8, 10).interval or (0, 0)
    assert (round(low, 2), round(high, 2)) == (49.02, 94.33)
    of_five = mean(20, 5, 90)
    assert of_five.value == 4
    assert of_five.interval == pytest.approx((4 - 2.776445 * (2.5 / 5) ** 0.5, 4 + 2.776445 * (2.5 / 5) ** 0.5))
    assert mean(20, 5, 90, scale=(3, 5)).interval == (3, 5)
    assert mean(4, 1, 16).interval is mean(20, 5, 80).interval is None
    # The table of Abramowitz and Stegun (1964), 26.10.
    for freedom, t in ((1, 12.706), (2, 4.303), (3, 3.182), (8, 2.306), (15, 2.131), (30, 2.042), (120, 1.980)):
        assert round(students(freedom), 3) == t
    assert rate(0, 0).value is None


@pytest.mark.parametrize(("percent", "expected"), [(50, 1000), (90, 30_000), (99, 30_000)])
def test_a_percentile_is_within_two_percent_of_the_value_of_its_rank(percent: int, expected: int) -> None:
    assert percentile([1, 1000, 1000, 30_000], percent) == pytest.approx(expected, rel=0.02)
    assert percentile([], percent) is None
