"""`rapport alerts rules`, `measures` and `targets`: what is put reaches the service as the contract has it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from google.protobuf.json_format import ParseDict
from rapport.alerting.v1.rule_pb2 import AlertMeasure, ListTargetsRequest, PutRuleRequest, Rule
from typer.testing import CliRunner

from services.cli.app import app
from services.cli.layout import OUT
from tests.cli.alerting_servicer import RULE, write
from tests.cli.conftest import House, Rapport, squeezed
from tests.cli.servicers import status


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rule.json"
    path.write_text(json.dumps(RULE))
    return path


async def test_a_rule_is_put_as_the_file_tells_it(house: House, rapport: Rapport, file: Path) -> None:
    result = await rapport("alerts", "rules", "put", file, "--author", "asha", "--comment", "stricter")

    assert (result.exit_code, result.stdout) == (0, "slow: version 1 holds from now on\n"), result.stderr
    assert house.alerting.calls[-1] == PutRuleRequest(rule=ParseDict(RULE, Rule()), author="asha", comment="stricter")


async def test_a_rule_that_changes_nothing_says_so(rapport: Rapport, file: Path) -> None:
    await rapport("alerts", "rules", "put", file)
    assert (await rapport("alerts", "rules", "put", file)).stdout == "slow: nothing changed, version 1 says the same\n"


async def test_a_rule_is_put_bare_or_as_the_http_surface_takes_it(house: House, rapport: Rapport, file: Path) -> None:
    write(file, {"rule": RULE, "author": "ben", "expectedVersion": 0})
    result = await rapport("alerts", "rules", "put", file, "--author", "asha")
    assert result.exit_code == 0, result.stderr
    assert house.alerting.calls[-1] == PutRuleRequest(rule=ParseDict(RULE, Rule()), author="asha", expected_version=0)


async def test_what_show_prints_can_be_put_unless_somebody_was_faster(house: House, rapport: Rapport, file: Path) -> None:
    await rapport("alerts", "rules", "put", file)
    printed = json.loads((await rapport("alerts", "rules", "show", "slow", "--json")).stdout)
    write(file, printed | {"fireAt": 18000.0})

    assert (await rapport("alerts", "rules", "put", file)).stdout == "slow: version 2 holds from now on\n"
    assert house.alerting.calls[-1].expected_version == 1
    refused = await rapport("alerts", "rules", "put", file)
    why, _, advice = refused.stderr.partition(". ")
    assert (refused.exit_code, why) == (1, "rapport: ABORTED (VERSION_CONFLICT): the rule is at version 2")
    assert "To change what is there, begin with: rapport alerts rules show slow --json" in advice
    assert "to have version 1 again: rapport alerts rules restore slow --version 1" in advice


async def test_lists_of_rules_are_put_one_after_the_other(house: House, rapport: Rapport, file: Path) -> None:
    write(file, [RULE, RULE | {"ruleId": "slower"}])
    assert len((await rapport("alerts", "rules", "put", file)).stdout.splitlines()) == 2
    printed = (await rapport("alerts", "rules", "list", "--json")).stdout
    write(file, printed.replace("Agents are slow", "Too slow"))
    answers = (await rapport("alerts", "rules", "put", file, "--json")).stdout.splitlines()
    assert [json.loads(line)["version"]["rule"]["version"] for line in answers] == [2, 2]


def test_a_rule_may_be_piped_in() -> None:
    result = CliRunner().invoke(app, ["alerts", "rules", "put", "-"], input="{")
    assert (result.exit_code, "is not JSON" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is not JSON"),
        ("[]", "has no rule in it"),
        ("[7]", "has no JSON object for a Rule"),
        (json.dumps(RULE | {"fireAtt": 1}), 'has no field named "fireAtt"'),
        (json.dumps({"rule": RULE, "colour": "red"}), 'has no field named "colour"'),
        (json.dumps({"rule": RULE | {"fireAtt": 1}}), 'has no field named "fireAtt"'),
        (json.dumps({"rule": 7}), "is no PutRuleRequest"),
        (json.dumps(RULE | {"severity": "loud"}), "is no Rule"),
        (json.dumps(RULE | {"fireAt": "much"}), "is no Rule"),
    ],
)
async def test_a_file_that_is_no_rule_is_wrong_usage(house: House, rapport: Rapport, file: Path, text: str, why: str) -> None:
    write(file, text)

    result = await rapport("alerts", "rules", "put", file)

    assert result.exit_code == 2
    assert why in " ".join(result.stderr.replace("│", " ").split())
    assert not house.alerting.calls


async def test_a_file_that_is_not_there_is_wrong_usage(rapport: Rapport, tmp_path: Path) -> None:
    result = await rapport("alerts", "rules", "put", tmp_path / "none")
    assert result.exit_code == 2
    assert "cannot be read" in " ".join(result.stderr.replace("│", " ").split())


async def test_a_refusal_is_one_line_with_the_fields(house: House, rapport: Rapport, file: Path) -> None:
    house.alerting.failures = [
        None,
        status("INVALID_ARGUMENT", "INVALID_RULE", "a mean has no absence", **{"rule.absence": "a mean has none"}),
    ]
    result = await rapport("alerts", "rules", "put", file)
    assert (result.exit_code, result.stderr) == (
        1,
        "rapport: INVALID_ARGUMENT (INVALID_RULE) on rule.absence: a mean has no absence\n",
    )


async def test_rules_are_listed_with_when_they_fire(
    house: House, rapport: Rapport, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OUT, "width", 80)
    change = {"ruleId": "drop", "subjectKind": "SUBJECT_KIND_TENANT", "comparison": "COMPARISON_BELOW", "fireAt": -15,
              "window": "604800s", "for": "0s", "change": {"weeks": 2}, "disabled": True, "clearAt": None}  # fmt: skip
    write(file, [RULE, RULE | change])
    await rapport("alerts", "rules", "put", file)

    shown = (await rapport("alerts", "rules", "list")).stdout

    assert max(map(len, shown.splitlines()[:-1])) <= 80
    lines = " ".join(shown.split())
    assert "slow high averageResponseTime of each agent above 20,000, 1 over 1 h, for 10 min" in lines
    assert (
        "drop high averageResponseTime of the tenant, in percent of 1 disabled change against the weeks before, below -15, over"
        in lines
    )


async def test_a_rule_is_shown_in_full(rapport: Rapport, file: Path) -> None:
    told = {"description": "Call the shop.\nThen the till's maker.", "runbookUrl": "https://example.com/slow"}
    more = told | {"keepFiringFor": "300s", "minSamples": 20, "noData": "NO_DATA_UNCHANGED", "burnRate": {"objective": 99.5}}
    write(file, RULE | more | {"inhibits": [{"name": "type", "values": ["system"], "negated": True}]})
    await rapport("alerts", "rules", "put", file, "--author", "asha", "--comment", "stricter")

    lines = squeezed((await rapport("alerts", "rules", "show", "slow")).stdout)

    for told in (
        "Rule slow · version 1 · put 2026-05-04 02:10:00 UTC by asha",
        "stricter",
        "severity high (performance)",
        "fires when averageResponseTime of each agent, in times the allowed rate of failures, above 20,000, over 1 h, for 10 min",
        "right again from 15,000",
        "its burn rate objective 99.5",
        "ends after 5 min of being right",
        "needs 20 facts",
        "no value means unchanged",
        "labels team=care",
        "quiets alerts with type!=system",
    ):
        assert told in lines


async def test_a_rule_that_is_not_there_is_said_with_where_they_are(rapport: Rapport) -> None:
    result = await rapport("alerts", "rules", "show", "fast")
    assert (result.exit_code, result.stderr) == (1, "rapport: there is no rule fast; `rapport alerts rules list` has all\n")
    result = await rapport("alerts", "rules", "delete", "fast")
    assert (result.exit_code, result.stderr) == (1, "rapport: NOT_FOUND (RULE_NOT_FOUND): there is no such rule\n")


async def test_versions_tell_what_each_changed_and_an_earlier_one_can_be_had_back(
    house: House, rapport: Rapport, file: Path
) -> None:
    await rapport("alerts", "rules", "put", file)
    write(file, RULE | {"fireAt": 18000, "labels": {"team": "shop", "env": "live"}, "absence": {}})
    await rapport("alerts", "rules", "put", file, "--author", "asha", "--comment", "stricter")
    deleted = await rapport("alerts", "rules", "delete", "slow", "--comment", "for good")
    assert deleted.stdout == "slow is deleted. To have it back: rapport alerts rules restore slow\n"

    lines = squeezed((await rapport("alerts", "rules", "versions", "slow")).stdout)

    assert any(line.startswith("3 2026-05-04") and line.endswith("deleted for good") for line in lines)
    assert any(line.endswith("asha absence: — → yes stricter") for line in lines)
    assert {"02:10:00 UTC fireAt: 20,000 → 18,000", "labels.env: — → live", "labels.team: care → shop"} <= set(lines)
    assert json.loads((await rapport("alerts", "rules", "show", "slow", "--version", 1, "--json")).stdout)["fireAt"] == 20000
    assert lines[-1] == "To have one again: rapport alerts rules restore slow --version VERSION"
    missing = await rapport("alerts", "rules", "show", "slow", "--version", 9)
    assert (missing.exit_code, "has no version 9" in missing.stderr) == (1, True)


@pytest.mark.parametrize(("comparison", "side"), [("ABOVE", "above"), ("BELOW", "below")])
async def test_an_anomaly_fires_above_its_sum_whichever_way_it_looks(
    rapport: Rapport, file: Path, comparison: str, side: str
) -> None:
    write(file, RULE | {"comparison": f"COMPARISON_{comparison}", "fireAt": 5, "anomaly": {}, "for": "0s"})
    await rapport("alerts", "rules", "put", file)
    told = f"averageResponseTime of each agent, as the sum of how far days are {side} what is usual, above 5"
    assert told in " ".join((await rapport("alerts", "rules", "list")).stdout.split())
    assert f"fires when {told}" in squeezed((await rapport("alerts", "rules", "show", "slow")).stdout)


async def test_measures_are_listed(house: House, rapport: Rapport) -> None:
    measure = {"name": "totalRevenue", "unit": "money", "description": "Revenue", "conditions": ["threshold", "target"],
               "subjectKinds": ["SUBJECT_KIND_AGENT", "SUBJECT_KIND_TENANT"]}  # fmt: skip
    house.alerting.measures = [ParseDict(measure, AlertMeasure())]
    lines = squeezed((await rapport("alerts", "measures")).stdout)
    assert "totalRevenue agent threshold, target Revenue (money)" in lines
    assert json.loads((await rapport("alerts", "measures", "--json")).stdout)["measures"][0]["unit"] == "money"


async def test_targets_are_put_listed_and_deleted(house: House, rapport: Rapport) -> None:
    assert (await rapport("alerts", "targets", "list")).stdout == "There is no target from that month on.\n"
    put = await rapport("alerts", "targets", "put", "2026-05", "120000.5", "EUR", "--agent", "asha")
    assert put.stdout == "asha is to reach 120,000.50 EUR in 2026-05\n"
    await rapport("alerts", "targets", "put", "2026-06", "9", "EUR")
    amount = house.alerting.targets["2026-05", "asha"].amount
    assert (amount.units, amount.nanos, amount.currency_code) == (120_000, 500_000_000, "EUR")

    lines = squeezed((await rapport("alerts", "targets", "list", "--from", "2026-05")).stdout)

    assert house.alerting.calls[-1] == ListTargetsRequest(from_month="2026-05")
    assert {"2026-05 asha 120,000.50 EUR", "2026-06 the whole tenant 9.00 EUR"} <= set(lines)
    assert (await rapport("alerts", "targets", "delete", "2026-06")).exit_code == 0
    again = await rapport("alerts", "targets", "delete", "2026-06")
    assert (again.exit_code, again.stderr) == (1, "rapport: NOT_FOUND (TARGET_NOT_FOUND): there is no such target\n")


@pytest.mark.parametrize(
    "words", [["2026-13", "9", "EUR"], ["2026-05", "much", "EUR"], ["2026-05", "1.0000000001", "EUR"], ["2026-05", "9"]]
)
async def test_a_target_that_cannot_be_is_wrong_usage(house: House, rapport: Rapport, words: list[str]) -> None:
    assert (await rapport("alerts", "targets", "put", *words)).exit_code == 2
    assert not house.alerting.calls
