"""Pictures of rules tried on real series, here on small ones."""

from __future__ import annotations

import gzip
import sys
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest

from tools import backtest_chart, backtests

START = datetime(2026, 1, 5, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def data(tmp_path):
    """Ten weeks: incidents take an hour each, but five on one Thursday; three guests a day do not come, but 30 on one."""
    incidents = ["opened_at,resolved_at", f"{START:%Y-%m-%dT%H:%M:%S},"]
    bookings = ["arrival_date,status"]
    for n in range(70):
        day, hours = START + n * DAY, 5 if n == 45 else 1
        incidents += [f"{day:%Y-%m-%dT08:00:00},{day + timedelta(hours=8 + hours):%Y-%m-%dT%H:%M:%S}"] * 40
        bookings += [f"{day:%Y-%m-%d},no_show"] * (30 if n == 50 else 3) + [f"{day:%Y-%m-%d},completed"] * 5
    # A straggler, long after the others.
    incidents.append("2026-06-01T08:00:00,2026-06-01T09:00:00")
    (tmp_path / "one").mkdir()
    with gzip.open(tmp_path / "one" / "incidents.csv.gz", "wt") as lines:
        lines.write("\n".join(incidents))
    (tmp_path / "hotel_bookings.csv").write_text("\n".join(bookings))
    return tmp_path


def test_what_stands_out_is_found_and_nothing_else(data):
    _, slow = backtests.tried(backtests.incidents(data))
    assert [(f.fired_at, f.resolved_at, f.value) for f in slow.firings] == [(START + 46 * DAY, START + 47 * DAY, 400)]
    assert len(slow.points) == 69, "the series ends where only stragglers come"
    _, missed = backtests.tried(backtests.no_shows(data))
    assert [f.fired_at for f in missed.firings] == [START + 51 * DAY]


def test_the_picture_tells_the_days_of_the_series(data):
    series = backtests.incidents(data)
    _, found = backtests.tried(series)
    day = backtests.points(series, found, 3600)[45]
    assert (day.at, day.measured, day.baseline, day.value, day.firing) == (START + 45 * DAY, 5 / 3600 * 3600, 1, 400, True)


def test_pictures_are_written_and_whole(data, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["backtests.py", str(data), str(data)])
    backtests.main()
    assert "backtest-incidents.svg: 1 alerts in 10 weeks" in capsys.readouterr().out
    for name in ("incidents", "no-shows"):
        root = ET.fromstring((data / f"backtest-{name}.svg").read_text())
        classes = [each.get("class") for each in root.iter()]
        assert {"measured", "baseline", "value", "limit", "firing"} <= set(classes)
        assert "CC BY 4.0" in "".join(root.itertext())


def test_data_that_is_not_there_is_said_to_be_missing(tmp_path):
    with pytest.raises(SystemExit, match=r"there is no incidents\.csv below"):
        backtests.incidents(tmp_path)


def test_a_line_has_a_gap_where_nothing_is_known():
    points = [backtest_chart.Point(START + n * DAY, v, None, None, firing=False) for n, v in enumerate((1.0, 2.0, None, 3.0))]
    drawn = backtest_chart.draw(backtest_chart.Chart("t", "s", "m", "", "v", 5, points))
    line = next(part for part in drawn.splitlines() if 'class="measured"' in part and "h28" not in part)
    assert (line.count("M"), line.count("L")) == (2, 1)
    assert 'class="baseline"' not in drawn
