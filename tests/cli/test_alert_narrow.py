"""What `rapport alerts` lists can be read on a phone, in a pane and on a whole screen: no word is broken, nothing is lost."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from rapport.alerting.v1 import act_pb2, notification_pb2, rule_pb2

from services.cli.layout import OUT
from tests.cli.alerting_servicer import OPEN, OTHER, OVER, RULE, SILENCE, alert
from tests.cli.conftest import House, Rapport
from tests.cli.test_alert_backtest import ANSWER

LONG = "agent-revenue-behind-target"
THEN = "2026-05-04T02:01:00Z"
VERSIONS = [
    {"rule": RULE | {"ruleId": LONG, "version": 1}, "author": "ben", "putTime": THEN},
    {"rule": RULE | {"ruleId": LONG, "version": 2, "fireAt": 18000, "labels": {"team": "shop"}, "disabled": True},
     "author": "asha@shop.example", "comment": "stricter since the till was changed", "putTime": THEN},
]  # fmt: skip
SILENCES = [
    {"silenceId": SILENCE, "startTime": THEN, "endTime": "2026-05-04T04:01:00Z", "author": "asha", "comment": "the till moves",
     "matchers": [{"name": "rule_id", "values": [LONG]}, {"name": "team", "values": ["care", "shop"], "negated": True}]},
]  # fmt: skip
ROUTES = [
    {"routeId": "night-and-weekend", "matchers": [{"name": "severity", "values": ["high", "critical"]}],
     "channelIds": ["hook", "on-call-pager"], "groupBy": ["rule_id", "agent_id"], "groupWait": "60s", "continues": True},
    {"routeId": "rest", "tellsNobody": True},
]  # fmt: skip
NOTIFICATIONS = [
    {"channelId": "on-call-pager", "routeId": "night-and-weekend", "group": {"rule_id": LONG}, "alertIds": [OPEN, OTHER, OVER],
     "state": "NOTIFICATION_STATE_FAILED", "createTime": THEN,
     "attempts": [{"tookMs": 120, "status": 503, "error": "the receiver answered with status 503"}]},
]  # fmt: skip
CHANNELS = [{"channelId": "on-call-pager", "slack": {"webhookUrl": "https://hooks.example.com/T0/B0"}, "tellsResolved": False}]


def told(kind: type[Message], these: Sequence[dict[str, object]]) -> list[Message]:
    return [ParseDict(each, kind()) for each in these]


@pytest.fixture
def full(house: House) -> House:
    """The house, with something in each list."""
    service = house.alerting
    service.rules[LONG] = told(rule_pb2.RuleVersion, VERSIONS)
    service.silences = told(act_pb2.Silence, SILENCES)
    service.notifications = told(notification_pb2.Notification, NOTIFICATIONS)
    service.channels = {"on-call-pager": told(notification_pb2.Channel, CHANNELS)[0]}
    ParseDict({"routes": ROUTES, "version": 7, "author": "asha", "putTime": THEN}, service.put_routes)
    service.backtest = ParseDict(ANSWER, rule_pb2.BacktestRuleResponse())
    service.measures = told(rule_pb2.AlertMeasure, [
        {"name": "customerSatisfactionAvg", "unit": "rating from 1 to 5", "description": "Mean rating of conversations",
         "conditions": ["threshold", "change", "anomaly"], "subjectKinds": ["SUBJECT_KIND_AGENT", "SUBJECT_KIND_TENANT"]},
    ])  # fmt: skip
    service.known = [alert(message="Slow", acknowledgement={"author": "ben", "comment": "looking", "acknowledgedAt": THEN})]
    service.acts[OPEN] = [act_pb2.AlertAct(author="ben", comment="it was the till, and nobody looked at it")]
    service.acts[OPEN][0].act_time.FromJsonString(THEN)
    return house


#: Each command, and what nobody can do without: none of it may be broken.
LISTS = {
    "silence list": ["c0ffee00", f"rule_id={LONG}", "care", "shop", "asha: the till", "02:01:00 UTC", "04:01:00 UTC"],
    "rules list": [LONG, "high", "disabled", "averageResponseTime", "18,000"],
    f"rules versions {LONG}": ["02:01:00 UTC", "asha@shop.example", "ben", "18,000", "labels.team:", "disabled:", "stricter"],
    f"rules show {LONG}": [LONG, "averageResponseTime", "team=shop"],
    "routes list": ["night-and-weekend", "severity=high", "critical", "on-call-pager", "rule_id", "agent_id", "first 1 min",
                    "again 4 h", "rest", "nobody", "Version 7", "asha"],
    "notifications": ["2026-05-04", "02:01:00 UTC", "failed", "on-call-pager", "night-and-weekend", f"rule_id={LONG}",
                      "3f2a91c0", "3f2a0000", "9b00aa11", "answered 503", "120 ms"],
    "channels list": ["on-call-pager", "slack", "https://hooks.example.com/T0/B0", "no"],
    f"backtest {LONG}": ["2026-04-13", "asha", "2026-04-14 09:00:00 UTC", "24,000.00", "to the end", "12.50"],
    "measures": ["customerSatisfactionAvg", "agent", "tenant", "Mean rating"],
    "list": ["3f2a91c0", "high", "2026-05-04", "performance: Slow", "agent asha", "taken care of by ben"],
    f"show {OPEN}": [OPEN, "agent-response-time", "2026-05-04 02:00:00 UTC", "it was the till"],
}  # fmt: skip


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("words", LISTS)
async def test_a_list_can_be_read_at_any_width(
    full: House, rapport: Rapport, monkeypatch: pytest.MonkeyPatch, words: str, width: int
) -> None:
    monkeypatch.setattr(OUT, "width", width)

    result = await rapport("alerts", *words.split())

    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    # What is to be typed is never broken.
    assert max(len(line.rstrip()) for line in lines if not line.startswith("To ")) <= width
    missing = [word for word in LISTS[words] if not any(word in line for line in lines)]
    assert not missing, result.stdout
    assert "…" not in result.stdout


@pytest.mark.parametrize("words", ["silence list", "rules list", "routes list", "notifications", "channels list"])
async def test_there_are_columns_where_they_have_room(
    full: House, rapport: Rapport, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    for width, has_columns in ((40, False), (120, True)):
        monkeypatch.setattr(OUT, "width", width)
        assert ("───" in (await rapport("alerts", *words.split())).stdout) == has_columns


async def test_a_silence_on_a_phone_tells_what_until_when_who_and_why(
    full: House, rapport: Rapport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OUT, "width", 40)
    assert [line.rstrip() for line in (await rapport("alerts", "silence", "list")).stdout.splitlines()] == [
        "Silences",
        "c0ffee00",
        "  From: 2026-05-04 02:01:00 UTC",
        "  Until: 2026-05-04 04:01:00 UTC",
        "  Alerts with, and who says why:",
        "    rule_id=agent-revenue-behind-target",
        "    team!=care or shop",
        "    asha: the till moves",
    ]


async def test_versions_on_a_phone_tell_who_changed_what_and_why(
    full: House, rapport: Rapport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OUT, "width", 40)
    lines = [line.rstrip() for line in (await rapport("alerts", "rules", "versions", LONG)).stdout.splitlines()]
    assert lines[1:9] == [
        "Version 2",
        "  When: 2026-05-04 02:01:00 UTC",
        "  Who: asha@shop.example",
        "  What changed:",
        "    disabled: — → True",
        "    fireAt: 20,000 → 18,000",
        "    labels.team: care → shop",
        "  Why:",
    ]
