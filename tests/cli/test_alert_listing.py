"""`rapport alerts list` and `show`: the filters that reach the service, and what a person on call sees."""

from __future__ import annotations

import json

import pytest
from rapport.alerting.v1.act_pb2 import GetAlertRequest
from rapport.alerting.v1.alert_pb2 import ALERT_STATE_FIRING, AlertFilter, Matcher
from rapport.alerting.v1.alerting_service_pb2 import ListAlertsRequest

from services.cli.layout import OUT
from tests.cli import alerting_servicer
from tests.cli.alerting_servicer import OPEN, OTHER, OVER, alert
from tests.cli.conftest import House, Rapport, squeezed

STANDING = {
    "labels": {"team": "care", "env": "live"},
    "acknowledgement": {"author": "asha", "acknowledgedAt": "2026-05-04T02:03:00Z", "comment": "looking"},
    "silenceIds": [alerting_servicer.SILENCE],
    "inhibitedBy": OVER,
    "recoveringSince": "2026-05-04T02:09:00Z",
    "activeSince": "2026-05-04T01:50:00Z",
    "flapping": True,
    "baseline": 12000.0,
}


async def test_every_filter_reaches_the_service(house: House, rapport: Rapport) -> None:
    words = ["--open", "--type", "revenue", "--severity", "critical", "--agent", "asha", "--customer", "c1", "--rule", "slow"]
    labels = ["--label", "team=care", "--label", "team=shop", "--label", "purpose!=watchdog", "--label", "note="]

    result = await rapport("alerts", "list", *words, *labels, "--unacknowledged", "--suppressed", "--limit", 7)

    assert result.exit_code == 0, result.stderr
    assert house.alerting.calls == [
        ListAlertsRequest(
            filter=AlertFilter(
                types=["revenue"],
                severities=["critical"],
                agent_ids=["asha"],
                customer_ids=["c1"],
                rule_ids=["slow"],
                states=[ALERT_STATE_FIRING],
                matchers=[
                    Matcher(name="team", values=["care", "shop"]),
                    Matcher(name="purpose", values=["watchdog"], negated=True),
                    Matcher(name="note", values=[""]),
                ],
                acknowledged=False,
                suppressed=True,
            ),
            page_size=7,
        )
    ]


async def test_without_filters_nothing_is_asked_for_in_particular(house: House, rapport: Rapport) -> None:
    await rapport("alerts", "list")
    assert house.alerting.calls == [ListAlertsRequest(filter=AlertFilter(), page_size=100)]


@pytest.mark.parametrize("label", ["team", "=care", "te-am=care", "!=care", "team!care"])
async def test_a_label_that_is_none_is_wrong_usage(house: House, rapport: Rapport, label: str) -> None:
    result = await rapport("alerts", "list", "--label", label)

    assert result.exit_code == 2
    assert "is neither NAME=VALUE nor NAME!=VALUE" in " ".join(result.stderr.replace("│", " ").split())
    assert not house.alerting.calls


async def test_a_list_says_who_takes_care_of_what(house: House, rapport: Rapport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OUT, "width", 80)
    house.alerting.known = [
        alert(**STANDING),
        alert(OVER, state="ALERT_STATE_RESOLVED", subjectKind="SUBJECT_KIND_SOURCE", subjectId="billing", agentId=None),
    ]

    result = await rapport("alerts", "list")

    assert max(map(len, result.stdout.splitlines())) <= 80
    text = " ".join(result.stdout.split())
    assert "3f2a91c0 2026-05-04 high performance: Agent response time above" in text
    assert "02:00:00 UTC firing" in text
    for told in ("taken care of by asha", "silenced", "explained by", "recovering", "flapping", "source billing", "9b00aa11"):
        assert told in text


FOUND = {
    "value": 55153.0,
    "unit": "milliseconds",
    "measuredUnit": "milliseconds",
    "summary": "Mean response time of 24 h is 55.2 s, and must not be above 30 s",
}


async def test_a_list_tells_what_was_found_with_units(house: House, rapport: Rapport) -> None:
    house.alerting.known = [alert(**FOUND), alert(OVER, **FOUND | {"summary": ""}), alert(OTHER)]
    text = " ".join((await rapport("alerts", "list")).stdout.split())
    assert f"agent asha · {FOUND['summary']}" in text
    assert "agent asha · 55.2 s, above 30 s" in text
    assert "agent asha · 35,000.00 against 30,000.00" in text


async def test_open_alerts_come_first_and_of_these_the_most_urgent_but_json_stays(house: House, rapport: Rapport) -> None:
    told = [("a", "low", "FIRING", 5), ("b", "critical", "RESOLVED", 4), ("c", "critical", "FIRING", 2),
            ("d", "high", "FIRING", 3), ("e", "critical", "FIRING", 3), ("f", "low", "RESOLVED", 1)]  # fmt: skip
    house.alerting.known = [
        alert(name * 8, severity=severity, state=f"ALERT_STATE_{state}", firedAt=f"2026-05-04T02:0{minute}:00Z")
        for name, severity, state, minute in told
    ]

    shown = (await rapport("alerts", "list")).stdout
    printed = json.loads((await rapport("alerts", "list", "--json")).stdout)["alerts"]

    assert sorted("abcdef", key=lambda name: shown.index(name * 8)) == list("ecdabf")
    assert "".join(each["alertId"][0] for each in printed) == "abcdef"


async def test_no_alerts_are_said_in_words(house: House, rapport: Rapport) -> None:
    house.alerting.known = []
    assert (await rapport("alerts", "list")).stdout == "No alerts.\n"


async def test_on_a_narrow_terminal_an_alert_is_a_few_lines(
    house: House, rapport: Rapport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OUT, "width", 40)
    house.alerting.known = [
        alert(**FOUND, severity="critical", message="Slow", acknowledgement={"author": "ben"}),
        alert(OVER, severity="critical", message="Slow", state="ALERT_STATE_RESOLVED"),
    ]
    lines = [line.rstrip() for line in (await rapport("alerts", "list")).stdout.splitlines()]
    assert lines == [
        "Alerts (times are UTC)",
        "3f2a91c0 critical 2026-05-04 02:00",
        "  performance: Slow",
        "  agent asha · Mean response time of 24",
        "  h is 55.2 s, and must not be above 30",
        "  s",
        "  taken care of by ben",
        "9b00aa11 critical over 2026-05-04 02:00",
        "  performance: Slow",
        "  agent asha · 35,000.00 against",
        "  30,000.00",
    ]


async def test_an_alert_is_shown_with_units_and_with_what_to_do(house: House, rapport: Rapport) -> None:
    more = {"value": 83.0, "threshold": 50.0, "unit": "percent", "measured": 55153.0, "baseline": 30100.0, "samples": "12"}
    told = {"description": "Call the shop.\nThen\x1b the till's maker.", "runbookUrl": "https://example.com/slow"}
    house.alerting.known = [alert(**FOUND | more | told)]

    lines = squeezed((await rapport("alerts", "show", OPEN)).stdout)

    assert lines[1] == FOUND["summary"]
    wanted = ["what to do Call the shop.", "Then the till's maker.", "read more https://example.com/slow",
              "value 83 %, above 50 %", "measured 55.2 s", "compared with 30.1 s", "rests on 12 facts"]  # fmt: skip
    begin = lines.index(wanted[0])
    assert lines[begin : begin + len(wanted)] == wanted


async def test_an_alert_for_want_of_a_value_says_so(house: House, rapport: Rapport) -> None:
    house.alerting.known = [alert(unit="count", value=None, threshold=5.0)]
    assert "value none; the threshold is 5" in squeezed((await rapport("alerts", "show", OPEN)).stdout)


async def test_an_alert_is_shown_by_the_beginning_of_its_id_with_what_was_done(house: House, rapport: Rapport) -> None:
    house.alerting.known[0] = alert(**STANDING)
    await rapport("alerts", "note", "3f2a9", "--comment", "the shop's till is slow", "--author", "ben")
    house.alerting.calls.clear()

    result = await rapport("alerts", "show", "3F2A9")

    assert result.exit_code == 0, result.stderr
    assert house.alerting.calls[-1] == GetAlertRequest(alert_id=OPEN)
    lines = squeezed(result.stdout)
    for told in (
        "high · firing · performance: Agent response time above threshold",
        f"id {OPEN}",
        "about agent asha",
        "rule agent-response-time (version 1)",
        "labels env=live, team=care",
        "value 35,000.00 against 30,000.00",
        "compared with 12,000.00",
        "wrong since 2026-05-04 01:50:00 UTC",
        "right since 2026-05-04 02:09:00 UTC",
        "taken care of by asha since 2026-05-04 02:03:00 UTC: looking",
        f"silenced by {alerting_servicer.SILENCE}",
        f"explained by {OVER}",
        "episode 1, flapping",
        "2026-05-04 02:10:00 UTC noted ben the shop's till is slow",
    ):
        assert told in lines


async def test_one_that_is_over_says_how_long_it_lasted_and_who_ended_it(house: House, rapport: Rapport) -> None:
    house.alerting.known[-1].resolved_by = "asha"
    lines = squeezed((await rapport("alerts", "show", OVER)).stdout)
    assert "over 2026-05-04 02:05:00 UTC by asha, after 5 min" in lines
    assert not any(line.startswith(("labels", "compared", "silenced")) for line in lines)


async def test_a_whole_id_is_not_looked_for(house: House, rapport: Rapport) -> None:
    told = json.loads((await rapport("alerts", "show", OPEN, "--json")).stdout)
    assert told["alert"]["alertId"] == OPEN
    assert house.alerting.calls == [GetAlertRequest(alert_id=OPEN)]


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("3f2a", "3f2a may be each of 3f2a0000-7d1e-4b52-9a55-0c6a2f1f3d22, 3f2a91c0-7d1e-4b52-9a55-0c6a2f1f3d11: give more"),
        ("beef", "no alert that is open or among the newest 1,000 has an id that begins with beef"),
        ("3f2", "'3f2' is not the beginning of an id: give at least 4"),
        ("3f2%", "'3f2%' is not the beginning of an id"),
        ("00000000-0000-4000-8000-000000000000", "NOT_FOUND (ALERT_NOT_FOUND): there is no such alert"),
    ],
)
async def test_an_id_that_is_not_clear_is_refused(rapport: Rapport, told: str, why: str) -> None:
    result = await rapport("alerts", "show", told)

    assert result.exit_code == 1
    assert result.stderr.startswith(f"rapport: {why}")
    assert not result.stdout


async def test_an_id_is_found_on_a_later_page(house: House, rapport: Rapport) -> None:
    house.alerting.page = 1
    assert (await rapport("alerts", "show", "9b00")).exit_code == 0
    assert (await rapport("alerts", "show", "3f2a0")).exit_code == 0


async def test_nobody_there_is_one_line(rapport: Rapport, monkeypatch: pytest.MonkeyPatch, house: House) -> None:
    house.address = "127.0.0.1:9"
    result = await rapport("alerts", "list")
    assert result.exit_code == 1
    assert result.stderr.startswith("rapport: the alerting service cannot be reached at 127.0.0.1:9")
