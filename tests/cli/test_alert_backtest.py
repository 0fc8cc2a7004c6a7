"""`rapport alerts backtest`: what a rule would have found, drawn with characters."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.protobuf.json_format import ParseDict
from rapport.alerting.v1.rule_pb2 import BacktestRuleRequest, BacktestRuleResponse, Rule

from services.cli import bar
from services.cli.layout import OUT
from tests.cli.alerting_servicer import RULE, write
from tests.cli.conftest import House, Rapport, squeezed
from tests.cli.servicers import status

ANSWER = {
    "firings": [
        {"subjectId": "asha", "firedAt": "2026-04-14T09:00:00Z", "resolvedAt": "2026-04-14T11:00:00Z", "value": 24000.0},
        {"subjectId": "ben", "firedAt": "2026-04-22T09:00:00Z", "baseline": 12.5},
    ],
    "weeks": [
        {"week": "2026-04-13", "firings": 4, "subjects": 2},
        {"week": "2026-04-20", "firings": 1, "subjects": 1},
        {"week": "2026-04-27"},
    ],
    "total": 5,
    "subjects": 40,
}


@pytest.fixture
def file(house: House, tmp_path: Path) -> Path:
    house.alerting.backtest = ParseDict(ANSWER, BacktestRuleResponse())
    path = tmp_path / "rule.json"
    path.write_text(json.dumps(RULE))
    return path


def course(values: list[float | None]) -> list[dict[str, object]]:
    start = datetime(2026, 4, 6, tzinfo=UTC)
    return [
        {"time": f"{start + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ}"}
        | ({} if value is None else {"value": value, "firing": value > RULE["fireAt"]})
        for hour, value in enumerate(values)
    ]


async def test_alerts_are_counted_by_week_and_told_one_by_one(house: House, rapport: Rapport, file: Path) -> None:
    result = await rapport("alerts", "backtest", file)

    assert result.exit_code == 0, result.stderr
    assert house.alerting.calls == [BacktestRuleRequest(rule=ParseDict(RULE, Rule()))]
    lines = squeezed(result.stdout)
    for told in (
        "Backtest of slow: averageResponseTime of each agent above 20,000, over 1 h, for 10 min",
        "5 alerts, of 40 subjects that were measured.",
        "2026-04-13 ████████████████████ 4 2",
        "2026-04-20 █████░░░░░░░░░░░░░░░ 1 1",
        "2026-04-27 ░░░░░░░░░░░░░░░░░░░░ 0 0",
        "asha 2026-04-14 09:00:00 UTC 2 h 24,000.00 —",
        "ben 2026-04-22 09:00:00 UTC to the end — 12.50",
        "Not shown: 3 alerts; ask for more with --limit.",
    ):
        assert told in lines


async def test_a_rule_that_is_there_is_named_by_its_id_over_days_of_the_tenant(
    house: House, rapport: Rapport, file: Path
) -> None:
    await rapport("alerts", "rules", "put", file)
    await rapport("alerts", "backtest", "slow", "--days", 7, "--of", "asha")
    asked = house.alerting.calls[-1]
    assert (asked.rule.rule_id, asked.rule.version, asked.series_of) == ("slow", 1, "asha")
    assert (asked.start_time.ToJsonString(), asked.end_time.ToJsonString()) == ("2025-07-23T18:30:00Z", "2025-07-30T18:30:00Z")


async def test_the_course_of_a_subject_is_drawn_in_as_much_room_as_there_is(
    house: House, rapport: Rapport, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OUT, "width", 80)
    values: list[float | None] = [*[10000.0] * 300, 27000.0, None, None, *[10000.0] * 397]
    house.alerting.backtest = ParseDict(ANSWER | {"points": course(values)}, BacktestRuleResponse())

    lines = (await rapport("alerts", "backtest", file, "--of", "asha")).stdout.splitlines()

    assert max(map(len, lines)) <= 80
    (drawn,) = [line.removeprefix("value").strip() for line in lines if line.startswith("value ")]
    (firing,) = [line for line in lines if line.startswith("firing ")]
    assert (len(drawn), drawn.count("█"), drawn.index("█")) == (70, 1, 30)
    assert firing.index("▲") == 10 + 30
    assert "asha from 2026-04-06 00:00:00 UTC to 2026-05-05 03:00:00 UTC" in lines
    assert "from 10,000.00 to 27,000.00; fires above 20,000.00" in lines


async def test_an_anomaly_that_looks_below_is_drawn_by_its_highest_sums(
    house: House, rapport: Rapport, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OUT, "width", 80)
    write(file, {"rule": RULE | {"comparison": "COMPARISON_BELOW", "fireAt": 5, "anomaly": {}}})
    values: list[float | None] = [*[1.0] * 300, 7.0, *[1.0] * 399]
    house.alerting.backtest = ParseDict(ANSWER | {"points": course(values)}, BacktestRuleResponse())

    lines = (await rapport("alerts", "backtest", file, "--of", "asha")).stdout.splitlines()

    assert "as the sum of how far days are below what is usual, above 5" in " ".join(" ".join(lines[:2]).split())
    assert "from 1.00 to 7.00; fires above 5.00" in lines
    (drawn,) = [line for line in lines if line.startswith("value ")]
    assert drawn.count("█") == 1


@pytest.mark.parametrize(
    ("points", "told"), [([], "There are no values of asha."), (course([None, None]), "No value could be told.")]
)
async def test_a_subject_without_values_is_said(house: House, rapport: Rapport, file: Path, points: list, told: str) -> None:
    house.alerting.backtest = ParseDict({"points": points}, BacktestRuleResponse())
    shown = (await rapport("alerts", "backtest", file, "--of", "asha")).stdout.splitlines()
    assert told in shown
    assert "0 alerts, of 0 subjects that were measured." in shown


async def test_whoever_waits_is_told_for_how_long(
    house: House, rapport: Rapport, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bar, "EVERY_S", 0.5)
    house.alerting.delay_s = 1.5
    result = await rapport("alerts", "backtest", file)
    assert result.stderr.splitlines()[0] == "looking back: 1 s"
    assert "5 alerts" in result.stdout


async def test_a_refusal_is_one_line(house: House, rapport: Rapport, file: Path) -> None:
    house.alerting.failures = [status("INVALID_ARGUMENT", "UNSUPPORTED_WINDOW", "the window is empty")]
    result = await rapport("alerts", "backtest", file)
    assert (result.exit_code, result.stderr) == (1, "rapport: INVALID_ARGUMENT (UNSUPPORTED_WINDOW): the window is empty\n")
    unknown = await rapport("alerts", "backtest", "fast")
    assert (unknown.exit_code, unknown.stderr) == (1, "rapport: there is no rule fast; `rapport alerts rules list` has all\n")


async def test_json_is_what_the_http_surface_answers(rapport: Rapport, file: Path) -> None:
    told = json.loads((await rapport("alerts", "backtest", file, "--json")).stdout)
    assert (told["total"], told["weeks"][0]["firings"]) == (5, 4)


async def test_a_file_without_a_rule_is_wrong_usage(house: House, rapport: Rapport, file: Path) -> None:
    write(file, "[]")
    assert (await rapport("alerts", "backtest", file)).exit_code == 2
    assert (await rapport("alerts", "backtest", "none.json")).exit_code == 2
    assert not house.alerting.calls
