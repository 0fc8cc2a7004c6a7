"""Tries two rules on real series, with what alerting itself reads and decides, and draws what they find.

backtests.py DATA [OUT]  read incidents.csv and hotel_bookings.csv, which may end in .gz, from anywhere below the folder DATA;
                         write backtest-incidents.svg and backtest-no-shows.svg to OUT, docs/ unless told
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from services.alerting.backtest_plan import Plan
from services.alerting.backtesting import Backtest, Facts, by_week, replay
from services.alerting.conditions import Anomaly, Change
from services.alerting.history import History, Row
from services.alerting.measures import MEASURES
from services.alerting.rules import AlertType, Comparison, Rule, Severity, SubjectKind
from tools.backtest_chart import Chart, Point, draw

DOCS = Path(__file__).resolve().parent.parent / "docs"
_DAY = timedelta(days=1)
_HOUR_S = 60 * 60

SLOW = Rule(
    rule_id="slow-resolution",
    message="Incidents take half as long again as on the same weekday in the four weeks before",
    type=AlertType.PERFORMANCE,
    severity=Severity.MEDIUM,
    subject_kind=SubjectKind.TENANT,
    measure="averageConversationDuration",
    comparison=Comparison.ABOVE,
    fire_at=50,
    min_samples=30,
    condition=Change(weeks=4),
)
NO_SHOWS = Rule(
    rule_id="no-shows",
    message="More guests do not come than the weeks before let expect",
    type=AlertType.PERFORMANCE,
    severity=Severity.HIGH,
    subject_kind=SubjectKind.TENANT,
    measure="totalConversations",
    comparison=Comparison.ABOVE,
    fire_at=5,
    condition=Anomaly(),
)


@dataclass(frozen=True, slots=True)
class Series:
    """Sums by day, in the order of the columns of a rule's measure, and the day after the last."""

    rule: Rule
    days: Mapping[date, tuple[int, ...]]
    end: date

    @property
    def first(self) -> date:
        return min(self.days)


def incidents(data: Path) -> Series:
    """Return how long incidents took, by the day on which they were opened; those of the months that the log covers."""
    sums: defaultdict[date, list[int]] = defaultdict(lambda: [0, 0])
    for row in _rows(data, "incidents.csv"):
        if row["opened_at"] and row["resolved_at"]:
            opened, resolved = (datetime.fromisoformat(row[name]).replace(tzinfo=UTC) for name in ("opened_at", "resolved_at"))
            day = sums[opened.date()]
            day[0] += round((resolved - opened).total_seconds() * 1000)
            day[1] += 1
    days = {day: (took, n) for day, (took, n) in sums.items()}
    assert MEASURES[SLOW.measure].columns == ("duration_ms", "ended")
    return Series(SLOW, days, _covered(days))


def no_shows(data: Path) -> Series:
    """Return how many guests did not come, by the day on which they were to arrive."""
    rows = list(_rows(data, "hotel_bookings.csv"))
    missed = Counter(row["arrival_date"] for row in rows if row["status"] == "no_show")
    days = {date.fromisoformat(row["arrival_date"]): (missed[row["arrival_date"]],) for row in rows}
    return Series(NO_SHOWS, days, max(days) + _DAY)


def tried(series: Series) -> tuple[Plan, Backtest]:
    """Return a rule tried on a series, looked at as each day ends."""
    count = (series.end - series.first).days
    plan = Plan(series.rule, tuple(_midnight(series.first + n * _DAY) for n in range(1, count + 1)), "UTC", is_daily=True)
    rows = [Row("", _midnight(day), values) for day, values in series.days.items() if any(values)]
    return plan, replay(plan, Facts(days=[History(MEASURES[series.rule.measure].columns, rows)]), "")


def points(series: Series, found: Backtest, unit: float) -> list[Point]:
    """Return what is drawn: of each day, what was measured in a unit, what was expected, and what the rule made of these."""
    drawn = []
    for point in found.points:
        day, reading = point.at.date() - _DAY, point.reading
        sums = series.days.get(day)
        own = None if sums is None else _measured(series.rule, sums)
        baseline = reading.baseline / unit if reading and reading.baseline is not None else None
        value = reading.value if reading else None
        drawn.append(Point(_midnight(day), own and own / unit, baseline, value, point.is_firing))
    return drawn


def main() -> None:
    data, out = Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else DOCS  # noqa: PLR2004  # the second is optional
    for name, series, unit, words in (
        ("incidents", incidents(data), _HOUR_S, _INCIDENTS),
        ("no-shows", no_shows(data), 1, _NO_SHOWS),
    ):
        plan, found = tried(series)
        path = out / f"backtest-{name}.svg"
        path.write_text(draw(Chart(**words, fire_at=series.rule.fire_at, points=points(series, found, unit))), encoding="utf-8")
        weeks = by_week(plan, found.firings)
        print(f"{path}: {len(found.firings)} alerts in {len(weeks)} weeks, {len(found.firings) / len(weeks):.2f} a week")
        for week in weeks:
            if week.firings:
                print(f"  week of {week.monday}: {week.firings}")


_INCIDENTS = {
    "title": "Change: how long the incidents of a day took",
    "source": "UCI incident management log (Amaral, Fantinato, Peres 2018), CC BY 4.0; alerts above 50 %, from 30 incidents on",
    "measured": "mean hours until resolved",
    "baseline": "the same weekday, four weeks before",
    "value": "difference in percent",
}
_NO_SHOWS = {
    "title": "Anomaly: guests who did not come",
    "source": "Hotel booking demand (Antonio, de Almeida, Nunes 2019), CC BY 4.0; alerts above 5",
    "measured": "no-shows of the day",
    "baseline": "expected of the weekday",
    "value": "cumulative sum in standard deviations",
}


def _rows(data: Path, name: str) -> Iterator[dict[str, str]]:
    path = next(iter(sorted(data.rglob(f"{name}*"))), None)
    if path is None:
        raise SystemExit(f"there is no {name} below {data}")
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        yield from csv.DictReader(lines)


def _covered(days: Mapping[date, tuple[int, int]]) -> date:
    """Return the first day from which on a week has fewer incidents than the fullest day: later ones are stragglers."""
    day, most = min(days), max(n for _, n in days.values())
    while sum(days.get(day + n * _DAY, (0, 0))[1] for n in range(7)) > most:
        day += _DAY
    return day


def _measured(rule: Rule, sums: tuple[int, ...]) -> float:
    measure = MEASURES[rule.measure]
    return sums[0] * measure.factor / (sums[1] if measure.per else 1)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


if __name__ == "__main__":
    main()
