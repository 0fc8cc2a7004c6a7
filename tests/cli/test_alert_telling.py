"""`rapport alerts channels`, `routes` and `notifications`: whom alerts are told to, and how that went."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from google.protobuf.json_format import ParseDict
from rapport.alerting.v1 import notification_pb2
from rapport.alerting.v1.notification_pb2 import (
    NOTIFICATION_STATE_FAILED,
    Channel,
    ListNotificationsRequest,
    Notification,
    PutChannelRequest,
    PutRoutesRequest,
)

from services.cli.layout import OUT
from tests.cli.alerting_servicer import OPEN, OTHER, write
from tests.cli.conftest import House, Rapport, squeezed

HOOK = {"channelId": "hook", "webhook": {"url": "https://example.com/alerts", "secret": "sixteen-characters"}}
ROUTES = [
    {"routeId": "night", "matchers": [{"name": "severity", "values": ["high", "critical"]}], "channelIds": ["hook", "pager"],
     "groupBy": ["rule_id"], "groupWait": "60s", "repeatInterval": "3600s", "continues": True},
    {"routeId": "rest", "tellsNobody": True},
]  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "put.json"


async def test_a_channel_is_put_and_its_secret_never_shown(house: House, rapport: Rapport, file: Path) -> None:
    write(file, HOOK)
    result = await rapport("alerts", "channels", "put", file)

    assert result.exit_code == 0, result.stderr
    write(file, {"channel": HOOK})
    assert (await rapport("alerts", "channels", "put", file)).exit_code == 0
    assert house.alerting.calls == 2 * [PutChannelRequest(channel=ParseDict(HOOK, Channel()))]
    assert result.stdout == "hook: https://example.com/alerts. To try it: rapport alerts channels test hook\n"


async def test_channels_are_listed_by_kind(house: House, rapport: Rapport) -> None:
    assert "nobody is told of alerts" in (await rapport("alerts", "channels", "list")).stdout
    for told in (
        {"channelId": "chat", "slack": {"webhookUrl": "https://hooks.slack.com/…"}, "tellsResolved": False},
        {"channelId": "mail", "email": {"to": ["a@example.com", "b@example.com"]}},
        {"channelId": "pager", "pagerduty": {}},
    ):
        house.alerting.channels[str(told["channelId"])] = ParseDict(told, Channel())

    lines = squeezed((await rapport("alerts", "channels", "list")).stdout)

    assert {
        "chat slack https://hooks.slack.com/… no",
        "mail email a@example.com, b@example.com yes",
        "pager pagerduty PagerDuty yes",
    } <= set(lines)
    assert len(json.loads((await rapport("alerts", "channels", "list", "--json")).stdout)["channels"]) == 3


async def test_a_channel_that_a_route_names_stays(house: House, rapport: Rapport, file: Path) -> None:
    house.alerting.channels["hook"] = ParseDict(HOOK, Channel())
    write(file, ROUTES)
    await rapport("alerts", "routes", "put", file)
    refused = await rapport("alerts", "channels", "delete", "hook")
    assert (refused.exit_code, refused.stderr) == (
        1,
        "rapport: FAILED_PRECONDITION (CHANNEL_IN_USE): a route names the channel\n",
    )
    house.alerting.put_routes.ClearField("routes")
    assert (await rapport("alerts", "channels", "delete", "hook")).stdout == "hook is deleted\n"


@pytest.mark.parametrize(
    ("told", "code", "text"),
    [
        ({"delivered": True, "attempt": {"tookMs": 120, "status": 200}}, 0, "hook took the test: answered 200 after 120 ms\n"),
        (
            {"attempt": {"tookMs": 10000, "error": "no answer within 10 s"}},
            1,
            "hook did not take the test: no answer after 10,000 ms (no answer within 10 s)\n",
        ),
    ],
)
async def test_a_test_tells_what_came_of_it(house: House, rapport: Rapport, told: dict, code: int, text: str) -> None:
    house.alerting.test = ParseDict(told, notification_pb2.TestChannelResponse())
    result = await rapport("alerts", "channels", "test", "hook")
    assert (result.exit_code, result.stdout) == (code, text)
    assert house.alerting.calls == [notification_pb2.TestChannelRequest(channel_id="hook")]
    assert (await rapport("alerts", "channels", "test", "hook", "--json")).exit_code == code


async def test_routes_are_put_as_a_list_or_as_they_are_answered(
    house: House, rapport: Rapport, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OUT, "width", 80)
    assert "nobody is told of alerts" in (await rapport("alerts", "routes", "list")).stdout
    write(file, ROUTES)
    put = await rapport("alerts", "routes", "put", file, "--author", "asha", "--comment", "nights")

    assert put.exit_code == 0, put.stderr
    request = ParseDict({"routes": ROUTES, "author": "asha", "comment": "nights"}, PutRoutesRequest())
    assert house.alerting.calls[-1] == request
    assert max(map(len, put.stdout.splitlines())) <= 80
    text = " ".join(put.stdout.split())
    for told in ("night severity=high or hook, pager rule_id first 1 min next", "critical then 5 min", "again 1 h",
                 "rest anything nobody all first 30 s ends", "Version 1"):  # fmt: skip
        assert told in text
    listed = (await rapport("alerts", "routes", "list")).stdout
    assert listed.splitlines()[-1] == "Version 1, put 2026-05-04 02:10:00 UTC by asha: nights"
    write(file, (await rapport("alerts", "routes", "list", "--json")).stdout)
    assert (await rapport("alerts", "routes", "put", file, "--author", "ben")).exit_code == 0
    assert house.alerting.calls[-1] == ParseDict({"routes": ROUTES, "author": "ben", "expectedVersion": 1}, PutRoutesRequest())


async def test_routes_that_somebody_else_has_put_since_are_not_replaced(house: House, rapport: Rapport, file: Path) -> None:
    write(file, {"routes": ROUTES, "version": 0})
    assert (await rapport("alerts", "routes", "put", file)).exit_code == 0
    write(file, {"routes": ROUTES[1:], "version": 0})
    for how in ((), ("--json",)):
        refused = await rapport("alerts", "routes", "put", file, *how)
        assert refused.exit_code == 1
        assert refused.stderr == (
            "rapport: ABORTED (VERSION_CONFLICT): the routes are at version 1. "
            "To change what is there, begin with: rapport alerts routes list --json\n"
        )
    assert (await rapport("alerts", "routes", "put", file, "--expected-version", 1)).exit_code == 0
    assert house.alerting.put_routes.version == 2


async def test_routes_that_say_the_same_change_nothing(house: House, rapport: Rapport, file: Path) -> None:
    assert (await rapport("alerts", "routes", "put", "--clear")).stdout == "Nothing changed: there was no route.\n"
    write(file, ROUTES)
    assert (await rapport("alerts", "routes", "put", file, "--author", "asha")).exit_code == 0
    again = await rapport("alerts", "routes", "put", file, "--author", "ben")
    assert (again.exit_code, again.stdout) == (0, "Nothing changed: version 1 says the same.\n")
    told = json.loads((await rapport("alerts", "routes", "put", file, "--json")).stdout)
    assert (told["version"], [each["routeId"] for each in told["routes"]]) == (1, ["night", "rest"])
    assert (house.alerting.put_routes.version, house.alerting.put_routes.author) == (1, "asha")


async def test_a_route_that_names_no_channels_must_say_so(house: House, rapport: Rapport, file: Path) -> None:
    write(file, [*ROUTES[:1], {"routeId": "rest"}])
    refused = await rapport("alerts", "routes", "put", file)
    assert (refused.exit_code, refused.stderr) == (
        1,
        "rapport: INVALID_ARGUMENT (INVALID_FIELDS): routes[1]: a route names channels, or says tells_nobody: one of the two\n",
    )
    write(file, [*ROUTES[:1], {"routeId": "rest", "channelId": ["hook"]}])
    wrong = await rapport("alerts", "routes", "put", file)
    assert (wrong.exit_code, 'no field named "channelId" at "PutRoutesRequest.routes[1]"' in words_of(wrong.stderr)) == (2, True)
    assert house.alerting.put_routes.version == 0


async def test_routes_are_taken_away_only_where_that_is_said(house: House, rapport: Rapport, file: Path) -> None:
    for told in ("[]", '{"routes": []}', "{}"):
        write(file, told)
        refused = await rapport("alerts", "routes", "put", file)
        assert refused.exit_code == 2
        assert "has no route in it; if nobody is to be told of alerts, say so with --clear" in words_of(refused.stderr)
    assert (await rapport("alerts", "routes", "put")).exit_code == 2
    write(file, ROUTES)
    assert "has routes in it" in words_of((await rapport("alerts", "routes", "put", file, "--clear")).stderr)
    assert not house.alerting.calls

    assert (await rapport("alerts", "routes", "put", file)).exit_code == 0
    cleared = await rapport("alerts", "routes", "put", "--clear", "--author", "asha")

    assert cleared.stdout.splitlines() == ["There is no route: nobody is told of alerts.", "Version 2"]
    assert house.alerting.calls[-1] == PutRoutesRequest(clear=True, author="asha")


@pytest.mark.parametrize("what", ["channels", "routes"])
async def test_a_file_with_a_field_that_is_not_known_is_wrong_usage(
    house: House, rapport: Rapport, file: Path, what: str
) -> None:
    write(file, '{"colour": "red"}')
    result = await rapport("alerts", what, "put", file)
    assert result.exit_code == 2
    assert 'no field named "colour"' in words_of(result.stderr)
    write(file, json.dumps({"channel": HOOK, "routes": ROUTES, "colour": "red"}))
    assert 'no field named "' in words_of((await rapport("alerts", what, "put", file)).stderr)
    assert not house.alerting.calls


async def test_notifications_are_listed_with_how_they_were_tried(
    house: House, rapport: Rapport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OUT, "width", 80)
    told = {
        "channelId": "hook", "routeId": "night", "group": {"rule_id": "slow"}, "alertIds": [OPEN, OTHER],
        "state": "NOTIFICATION_STATE_PENDING", "createTime": "2026-05-04T02:01:00Z", "nextAttemptTime": "2026-05-04T02:03:00Z",
        "attempts": [{"tookMs": 10}, {"tookMs": 120, "status": 503, "error": "it answered 503"}],
    }  # fmt: skip
    test = {"channelId": "pager", "state": "NOTIFICATION_STATE_FAILED"}
    house.alerting.notifications = [ParseDict(each, Notification()) for each in (told, test, test)]

    shown = (await rapport("alerts", "notifications", "--limit", 2)).stdout

    assert max(map(len, shown.splitlines())) <= 80
    text = " ".join(shown.split())
    for part in (
        "2026-05-04 pending hook · night",
        "rule_id=slow",
        "3f2a91c0, 3f2a0000",
        "503",
        "failed pager · test not tried yet",
    ):
        assert part in text
    assert "There are more; ask for more with --limit." in text


async def test_notifications_are_narrowed(house: House, rapport: Rapport) -> None:
    house.alerting.channels["hook"] = ParseDict(HOOK, Channel())
    result = await rapport("alerts", "notifications", "--channel", "hook", "--alert", "3f2a9", "--state", "failed")
    assert (result.exit_code, result.stdout) == (0, "No notification matches.\n"), result.stderr
    assert house.alerting.calls[-2] == ListNotificationsRequest(
        channel_id="hook", alert_id=OPEN, state=NOTIFICATION_STATE_FAILED, page_size=50
    )
    assert (await rapport("alerts", "notifications", "--state", "pending")).stdout == "No notification matches.\n"
    assert (await rapport("alerts", "notifications")).stdout == "There is no notification of the last 30 days.\n"
    assert (await rapport("alerts", "notifications", "--state", "lost")).exit_code == 2


async def test_a_channel_that_is_not_there_is_said(rapport: Rapport) -> None:
    result = await rapport("alerts", "notifications", "--channel", "hok")
    assert (result.exit_code, result.stderr) == (1, "rapport: there is no channel hok; `rapport alerts channels list` has all\n")


def words_of(text: str) -> str:
    """Return a complaint without the frame around it."""
    return " ".join(text.replace("│", " ").split())
