"""`rapport alerts ack`, `unack`, `resolve`, `note`: each is done once, however often it is sent."""

from __future__ import annotations

import json

import pytest
from rapport.alerting.v1.act_pb2 import AcknowledgeAlertRequest, AddAlertNoteRequest, ResolveAlertRequest
from rapport.alerting.v1.alert_pb2 import ALERT_EVENT_KIND_ACKNOWLEDGED, ALERT_STATE_RESOLVED

from tests.cli.alerting_servicer import OPEN, OTHER, OVER
from tests.cli.conftest import House, Rapport
from tests.cli.servicers import status

AWAY = status("UNAVAILABLE", "DATABASE_UNAVAILABLE", "away")


async def test_alerts_are_acknowledged_by_beginnings_of_their_ids(house: House, rapport: Rapport) -> None:
    result = await rapport("alerts", "ack", "3f2a9", OTHER, "3f2a91", "--author", "asha", "--comment", "looking")

    assert result.exit_code == 0, result.stderr
    requests = [call for call in house.alerting.calls if isinstance(call, AcknowledgeAlertRequest)]
    assert [(r.alert_id, r.author, r.comment) for r in requests] == [(OPEN, "asha", "looking"), (OTHER, "asha", "looking")]
    assert len({r.request_id for r in requests}) == 2
    assert result.stdout.splitlines()[0] == (
        "acknowledged: 3f2a91c0 high performance: Agent response time above threshold (35,000.00 against 30,000.00) · agent asha"
    )


async def test_the_author_is_who_is_logged_in(house: House, rapport: Rapport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "ben")
    await rapport("alerts", "ack", OPEN)
    monkeypatch.delenv("USER")
    await rapport("alerts", "unack", OPEN)
    assert [call.author for call in house.alerting.calls] == ["ben", ""]


async def test_an_answer_that_gets_lost_makes_no_second_act(house: House, rapport: Rapport) -> None:
    house.alerting.lost = [AWAY, AWAY]

    result = await rapport("alerts", "note", OPEN, "--comment", "till restarted", "--author", "ben")

    assert result.exit_code == 0, result.stderr
    requests = [call for call in house.alerting.calls if isinstance(call, AddAlertNoteRequest)]
    assert len(requests) == 3
    assert len({r.request_id for r in requests}) == 1
    assert len(house.alerting.acts[OPEN]) == 1


async def test_a_request_id_makes_two_commands_the_same_act(house: House, rapport: Rapport) -> None:
    for _ in range(2):
        assert (await rapport("alerts", "note", OPEN, OTHER, "--comment", "n", "--request-id", "job 7")).exit_code == 0
    assert [len(house.alerting.acts[id_]) for id_ in (OPEN, OTHER)] == [1, 1]
    await rapport("alerts", "note", OPEN, "--comment", "n")
    assert len(house.alerting.acts[OPEN]) == 2


async def test_an_end_by_hand_is_the_same_act_when_it_is_given_again(house: House, rapport: Rapport) -> None:
    for _ in range(2):
        result = await rapport("alerts", "resolve", "3f2a9", "--request-id", "job 7")
        assert result.exit_code == 0, result.stderr
    assert len(house.alerting.acts[OPEN]) == 1
    assert (await rapport("alerts", "resolve", "3f2a9")).exit_code == 1


async def test_alerts_are_given_up_and_ended_by_hand(house: House, rapport: Rapport) -> None:
    await rapport("alerts", "ack", OPEN, "--author", "asha")
    given_up = await rapport("alerts", "unack", OPEN)
    ended = await rapport("alerts", "resolve", OPEN, "--author", "asha", "--comment", "known")

    assert given_up.stdout.startswith("not acknowledged any more: 3f2a91c0 ")
    assert ended.stdout.startswith("resolved: 3f2a91c0 ")
    assert house.alerting.known[0].state == ALERT_STATE_RESOLVED
    assert isinstance(house.alerting.calls[-1], ResolveAlertRequest)
    assert house.alerting.acts[OPEN][0].kind == ALERT_EVENT_KIND_ACKNOWLEDGED


async def test_one_alert_that_refuses_does_not_keep_the_others_from_it(house: House, rapport: Rapport) -> None:
    result = await rapport("alerts", "resolve", OVER, OPEN)

    assert result.exit_code == 1
    assert result.stderr == f"rapport: {OVER}: FAILED_PRECONDITION (ALERT_RESOLVED): the alert is over\n"
    assert result.stdout.startswith("resolved: 3f2a91c0 ")


@pytest.mark.parametrize("told", ["3f2a", "9b00", "beef"])
async def test_an_id_that_is_not_clear_or_over_does_not_keep_the_others_from_it(
    house: House, rapport: Rapport, told: str
) -> None:
    result = await rapport("alerts", "ack", told, OTHER)

    assert result.exit_code == 1
    assert list(house.alerting.acts) == [OTHER]
    assert result.stdout.startswith("acknowledged: 3f2a0000 ")
    assert result.stderr.count("\n") == 1
    assert told in result.stderr


async def test_a_note_takes_an_alert_that_is_over_but_not_without_words(house: House, rapport: Rapport) -> None:
    assert (await rapport("alerts", "note", "9b00", "--comment", "it was the till")).exit_code == 0
    assert house.alerting.acts[OVER][0].comment == "it was the till"
    assert (await rapport("alerts", "note", "9b00")).exit_code == 2


async def test_json_is_a_line_an_alert(house: House, rapport: Rapport) -> None:
    lines = (await rapport("alerts", "ack", OPEN, OTHER, "--author", "a", "--json")).stdout.splitlines()
    assert [json.loads(line)["alert"]["alertId"] for line in lines] == [OPEN, OTHER]


async def test_a_service_that_is_not_there_is_said_once(house: House, rapport: Rapport) -> None:
    house.address = "127.0.0.1:9"
    result = await rapport("alerts", "ack", OPEN, OTHER)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "cannot be reached" in result.stderr
