"""`rapport policy`: what is set reaches the service as the contract has it, and what it would do is told."""

from __future__ import annotations

import json
import re

import pytest
from google.protobuf.json_format import ParseDict
from rapport.scoring.v1.scoring_service_pb2 import (
    PreviewScoringPolicyRequest,
    PreviewScoringPolicyResponse,
    UpdateScoringPolicyRequest,
)

from services.cli.layout import OUT
from services.cli.policy_changes import PATHS, applied, differences, mask, parsed, values
from services.cli.policy_words import MEANINGS
from tests.cli.conftest import House, Rapport, squeezed
from tests.cli.scoring_servicer import DEFAULT

PREVIEW = {
    "gradeChanges": [
        {
            "agentId": "1",
            "gradeBefore": "B+",
            "gradeAfter": "A",
            "scoreBefore": 86.2,
            "scoreAfter": 90.4,
            "points": [
                {"metric": "METRIC_CONVERSION", "difference": 4.4},
                {"metric": "METRIC_RESPONSE", "difference": -0.2},
                {"metric": "METRIC_REVENUE", "difference": 0.001},
            ],
            "reason": "the conversion rate of 24 % is nearer to its target",
        }
    ],
    "agentsGraded": 12,
    "agentsChanged": 3,
    "segmentChanges": [
        {"customerId": "c1", "segmentBefore": "at_risk", "segmentAfter": "regular", "reason": "43 % is no longer below 40 %"}
    ],
    "customersSegmented": 1300,
    "customersChanged": 1,
    "quality": {
        "n": 480,
        "window": {"start": "2025-06-30T18:30:00Z", "end": "2025-07-30T18:30:00Z", "timeZone": "Asia/Kolkata"},
    },
}


async def test_a_policy_is_shown_with_what_each_value_means_and_the_path_to_change_it(rapport: Rapport) -> None:
    result = await rapport("policy", "show")

    assert result.exit_code == 0, result.stderr
    lines = squeezed(result.stdout)
    assert "Policy version 1 · the published default" in lines
    assert "conversion_rate_target 30 conversion rate in percent that scores 100" in lines
    assert "response_limit_ms 300000 response time in milliseconds that scores 0" in lines
    assert any(line.startswith("segments.high_value_amount — ") for line in lines)
    assert any(line.startswith("target_source constant ") for line in lines)


async def test_an_earlier_version_is_shown_or_named_as_missing(house: House, rapport: Rapport) -> None:
    await rapport("policy", "set", "revenue_target=900")
    assert "revenue_target 1500" in " ".join((await rapport("policy", "show", "--version", 1)).stdout.split())
    refused = await rapport("policy", "show", "--version", 7)
    assert (refused.exit_code, refused.stderr) == (1, "rapport: NOT_FOUND (POLICY_NOT_FOUND): there is no version 7\n")


async def test_set_names_only_what_changes_and_the_version_that_it_was_read_from(house: House, rapport: Rapport) -> None:
    result = await rapport(
        "policy",
        "set",
        "conversion_rate_target=25",
        "segments.at_risk_below=0.4",
        "target_source=peer_p75",
        "--comment",
        "why not",
    )

    assert result.exit_code == 0, result.stderr
    request = house.scoring.calls[-1]
    assert isinstance(request, UpdateScoringPolicyRequest)
    assert list(request.update_mask.paths) == ["conversion_rate_target", "segments.at_risk_below", "target_source"]
    assert (request.expected_version, request.comment) == (1, "why not")
    newest = house.scoring.policies[-1]
    assert (newest.version, newest.conversion_rate_target, newest.segments.at_risk_below, newest.target_source) == (2, 25, 0.4, 2)
    lines = squeezed(result.stdout)
    assert "conversion_rate_target 30 25" in lines
    assert "segments.at_risk_below 0.5 0.4" in lines
    assert "target_source constant peer_p75" in lines
    assert "Policy version 2 holds from now on." in lines


async def test_industries_are_added_changed_and_taken_away_beside_each_other(house: House, rapport: Rapport) -> None:
    async def industries(*words: str) -> list[str]:
        result = await rapport("policy", "set", *words)
        assert result.exit_code == 0, result.stderr
        return [path for path in values(house.scoring.policies[-1]) if path.startswith("industries.")]

    retail = "industries.retail.conversion_rate_target"
    assert await industries(f"{retail}=20", "industries.Health. Care.revenue_target=900") == [
        retail,
        "industries.Health. Care.revenue_target",
    ]
    assert list(house.scoring.calls[-1].update_mask.paths) == ["industries"]
    assert await industries("industries.RETAIL.escalation_limit=9", f"{retail}=") == [
        "industries.retail.escalation_limit",
        "industries.Health. Care.revenue_target",
    ]
    assert await industries("industries.retail=") == ["industries.Health. Care.revenue_target"]
    shown = (await rapport("policy", "show")).stdout
    assert "industries.Health. Care.revenue_target 900" in squeezed(shown)


async def test_a_number_that_may_be_absent_is_set_and_taken_away(house: House, rapport: Rapport) -> None:
    await rapport("policy", "set", "segments.high_value_amount=800")
    assert house.scoring.policies[-1].segments.high_value_amount == 800
    await rapport("policy", "set", "segments.high_value_amount=")
    assert not house.scoring.policies[-1].segments.HasField("high_value_amount")


async def test_what_changes_nothing_says_so(house: House, rapport: Rapport) -> None:
    assert "Nothing changes" in (await rapport("policy", "set", "revenue_target=1500")).stdout
    assert len(house.scoring.policies) == 1


async def test_a_change_that_somebody_else_was_faster_with_is_refused(house: House, rapport: Rapport) -> None:
    house.scoring.overtaken = True

    result = await rapport("policy", "set", "revenue_target=800")

    assert (result.exit_code, "VERSION_CONFLICT" in result.stderr) == (1, True)
    assert [policy.revenue_target for policy in house.scoring.policies] == [1500, 1500]


async def test_a_dry_run_tells_who_would_change_and_why_and_saves_nothing(house: House, rapport: Rapport) -> None:
    house.scoring.preview = ParseDict(PREVIEW, PreviewScoringPolicyResponse())

    result = await rapport("policy", "set", "conversion_rate_target=25", "--dry-run", "--limit", 1)

    assert result.exit_code == 0, result.stderr
    text = " ".join(result.stdout.split())
    for told in (
        "conversion_rate_target 30 25",
        "1 B+ → A 86.2 → 90.4 conversion +4.4 the conversion rate of 24 % is nearer to its target response -0.2",
        "c1 at_risk → regular 43 % is no longer below 40 %",
        "3 of 12 agents would get another grade, 1 of 1,300 customers another segment.",
        "Not shown: 2 agents, 0 customers",
        "n 480",
        "Nothing is saved",
    ):
        assert told in text
    assert "revenue +0" not in text
    assert not any(isinstance(call, UpdateScoringPolicyRequest) for call in house.scoring.calls)
    assert house.scoring.calls[-1].limit == 1
    assert len(house.scoring.policies) == 1


async def test_a_dry_run_may_be_of_another_period_in_the_tenants_days(house: House, rapport: Rapport) -> None:
    house.scoring.preview = ParseDict(PREVIEW, PreviewScoringPolicyResponse())
    await rapport("policy", "set", "revenue_target=900", "--dry-run", "--days", 7)
    assert len([call for call in house.scoring.calls if isinstance(call, PreviewScoringPolicyRequest)]) == 1
    assert house.scoring.calls[-1].start_time.ToJsonString() == "2025-07-23T18:30:00Z"


async def test_versions_are_listed_with_what_each_changed(house: House, rapport: Rapport) -> None:
    await rapport("policy", "set", "revenue_target=900", "--comment", "a cheaper year")
    await rapport("policy", "set", "industries.retail.revenue_target=700")

    lines = squeezed((await rapport("policy", "history")).stdout)
    assert any(line.startswith("3 2026-05-01") and "industries.retail.revenue_target: — → 700" in line for line in lines)
    assert any("asha revenue_target: 1500 → 900 a cheaper year" in line for line in lines)
    assert any(line.startswith("1 published default") for line in lines)
    two = (await rapport("policy", "history", "--limit", 2)).stdout
    assert "There are older versions" in two
    assert "published default" not in two
    assert "revenue_target: 1500 → 900" in two


async def test_json_is_what_the_http_surface_answers(house: House, rapport: Rapport) -> None:
    assert json.loads((await rapport("policy", "show", "--json")).stdout)["policy"]["revenueTarget"] == 1500
    changed = json.loads((await rapport("policy", "set", "revenue_target=9", "--json")).stdout)
    assert (changed["policy"]["version"], changed["policy"]["changedPaths"]) == (2, ["revenue_target"])
    assert "agentsChanged" in json.loads((await rapport("policy", "set", "revenue_target=8", "--dry-run", "--json")).stdout)
    assert len(json.loads((await rapport("policy", "history", "--json", "--limit", 1)).stdout)["policies"]) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["conversion_target=25"], "did you mean conversion_rate_target"),
        (["conversion_rate_target"], "is not PATH=VALUE"),
        (["revenue_target=much"], "revenue_target is a number, not 'much'"),
        (["revenue_target=nan"], "is a number"),
        (["provisional_below=2.5"], "is a whole number"),
        (["provisional_below=99999999999"], "cannot be as large"),
        (["revenue_target="], "cannot do without a value"),
        (["revenue_target=1", "revenue_target=2"], "is named twice"),
        (["target_source=best"], "is one of constant, peer_p75"),
        (["version=7"], "the policy has no 'version'"),
        (["segments=7"], "the policy has no 'segments'"),
        (["industries.retail.provisional_below=7"], "name an industry and one of conversion_rate_target"),
        (["industries.=7"], "name an industry"),
        (["revenue_target=9", "--days", "7"], "a period is for --dry-run"),
        ([], "Missing argument"),
    ],
)
async def test_wrong_usage_exits_with_two_and_asks_nobody(house: House, rapport: Rapport, words: list[str], told: str) -> None:
    result = await rapport("policy", "set", *words)

    assert result.exit_code == 2
    assert told in result.stderr
    assert not house.scoring.calls


async def test_eighty_columns_break_no_path_and_no_value(rapport: Rapport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OUT, "width", 80)
    shown = (await rapport("policy", "show")).stdout
    assert all(re.search(rf"^ *{re.escape(path)} +\S+ ", shown, re.MULTILINE) for path in PATHS)
    assert "…" not in shown


def test_every_path_has_a_meaning_and_nothing_else_has() -> None:
    assert list(MEANINGS) == list(PATHS)


def test_every_value_can_be_set_to_itself() -> None:
    assignments = parsed(f"{path}={text}" for path, text in values(DEFAULT).items())
    assert applied(DEFAULT, assignments) == DEFAULT
    assert mask(assignments) == [path for path in PATHS if path != "segments.high_value_amount"]


def test_differences_have_what_came_and_what_went() -> None:
    other = applied(DEFAULT, parsed(["industries.retail.revenue_target=700", "cut_offs.a=91"]))
    assert differences(DEFAULT, other) == [("cut_offs.a", "90", "91"), ("industries.retail.revenue_target", None, "700")]
    assert differences(other, DEFAULT)[-1] == ("industries.retail.revenue_target", "700", None)
