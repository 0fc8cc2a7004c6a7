"""`rapport alerts silence`: for a while, or until a moment of the tenant's days."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from rapport.alerting.v1.act_pb2 import (
    EndSilenceRequest,
    ListSilencesRequest,
    PutSilenceRequest,
    PutSilenceResponse,
    Silence,
)
from rapport.alerting.v1.alert_pb2 import ALERT_STATE_FIRING, Alert, Matcher

from services.cli.layout import OUT
from tests.cli.alerting_servicer import OPEN, SILENCE, Alerting, alert
from tests.cli.conftest import House, Rapport, squeezed
from tests.cli.servicers import status

NOBODY = (
    "no open alert has these names now: `rapport alerts list` shows which are open, `rapport alerts show ID` the names of one"
)
TO_END = "To end it: rapport alerts silence end c0ffee00"


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every open alert that the servicer knows satisfy a silence."""
    put = Alerting.PutSilence

    async def count(self: Alerting, request: PutSilenceRequest, context: object) -> PutSilenceResponse:
        answer = await put(self, request, context)
        answer.open_alerts = sum(each.state == ALERT_STATE_FIRING for each in self.known)
        return answer

    monkeypatch.setattr(Alerting, "PutSilence", count)


def put_of(house: House) -> Silence:
    (request,) = [call for call in house.alerting.calls if isinstance(call, PutSilenceRequest)]
    return request.silence


async def test_a_silence_lasts_as_long_as_is_said(house: House, rapport: Rapport) -> None:
    before = datetime.now(UTC)
    result = await rapport(
        "alerts", "silence", "add", "rule_id=slow", "team!=care", "--for", "1h30min", "--comment", "known", "--author", "asha"
    )

    assert result.exit_code == 0, result.stderr
    made = put_of(house)
    assert list(made.matchers) == [Matcher(name="rule_id", values=["slow"]), Matcher(name="team", values=["care"], negated=True)]
    assert (made.comment, made.author, made.silence_id, made.HasField("start_time")) == ("known", "asha", "", False)
    lasts = made.end_time.ToDatetime(UTC) - before
    assert timedelta(minutes=90) <= lasts < timedelta(minutes=91)
    assert result.stdout.startswith("silence c0ffee00 until ")
    assert "UTC: rule_id=slow, team!=care" in result.stdout
    assert result.stdout.splitlines()[1:] == ["holds back 2 open alerts", TO_END]


@pytest.mark.parametrize(
    ("known", "later", "line"),
    [
        ([], False, NOBODY),
        ([], True, NOBODY),
        ([alert()], False, "holds back 1 open alert"),
        ([alert()], True, "would hold back 1 open alert"),
        ([alert(OPEN)] * 1200, True, "would hold back 1,200 open alerts"),
    ],
)
async def test_how_many_open_alerts_it_concerns_is_told(
    house: House, rapport: Rapport, known: list[Alert], later: bool, line: str
) -> None:
    """None may be meant: it is no failure."""
    house.alerting.known = known
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30 if later else -30)
    result = await rapport("alerts", "silence", "add", "rule_id=slow", "--start", start.isoformat(), "--for", "9w")
    assert result.exit_code == 0, result.stderr
    first, told, last = result.stdout.splitlines()
    assert (told, last) == (line, TO_END)
    assert (f"silence c0ffee00 from {start:%Y-%m-%d %H:%M:%S} UTC until " in first) is later


async def test_an_answer_that_gets_lost_makes_no_second_silence(house: House, rapport: Rapport) -> None:
    house.alerting.lost = [status("UNAVAILABLE", "DATABASE_UNAVAILABLE", "away")]
    before = len(house.alerting.silences)

    assert (await rapport("alerts", "silence", "add", "rule_id=slow", "--for", "1h")).exit_code == 0

    requests = [call for call in house.alerting.calls if isinstance(call, PutSilenceRequest)]
    assert len(requests) == 2
    assert len({r.request_id for r in requests}) == 1
    assert len(house.alerting.silences) == before + 1


async def test_times_without_a_zone_are_the_tenants(house: House, rapport: Rapport) -> None:
    words = ("alerts", "silence", "add", "severity=low", "--start", "2026-05-04T22:00", "--until", "2026-05-05T07:00+02:00")
    await rapport(*words)
    made = put_of(house)
    assert made.start_time.ToJsonString() == "2026-05-04T16:30:00Z"
    assert made.end_time.ToJsonString() == "2026-05-05T05:00:00Z"


async def test_a_silence_that_begins_later_lasts_from_then_on(house: House, rapport: Rapport) -> None:
    await rapport("alerts", "silence", "add", "severity=low", "--start", "2026-05-04T22:00Z", "--for", "2h")
    made = put_of(house)
    assert made.end_time.ToJsonString() == "2026-05-05T00:00:00Z"
    assert not house.query.calls


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["severity=low"], "say either --for how long or --until when"),
        (["severity=low", "--for", "2h", "--until", "2026-05-04"], "say either"),
        (["severity=low", "--for", "soon"], "'soon' is not a time span"),
        (["severity=low", "--for", "2h and more"], "is not a time span"),
        (["severity=low", "--for", "0h"], "is not a time span"),
        (["severity=low", "--for", "99999999w"], "is longer than ten years"),
        (["severity=low", "--until", "seven"], "is neither a day such as"),
        (["low", "--for", "2h"], "is neither NAME=VALUE"),
        (["--for", "2h"], "Missing argument"),
    ],
)
async def test_wrong_usage_asks_nobody(house: House, rapport: Rapport, words: list[str], why: str) -> None:
    result = await rapport("alerts", "silence", "add", *words)

    assert result.exit_code == 2
    assert why in " ".join(result.stderr.replace("│", " ").split())
    assert not house.alerting.calls


async def test_silences_are_listed_and_ended(house: House, rapport: Rapport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OUT, "width", 80)
    assert (await rapport("alerts", "silence", "list")).stdout == "Nothing is silenced.\n"
    await rapport("alerts", "silence", "add", "team=care", "team=shop", "--for", "2h", "--comment", "moves", "--author", "asha")

    shown = (await rapport("alerts", "silence", "list", "--all")).stdout
    assert house.alerting.calls[-1] == ListSilencesRequest(with_ended=True)
    assert any(line.startswith("c0ffee00 2026-05-04") and line.endswith(" team=care or shop") for line in squeezed(shown))
    assert any(line.endswith("UTC asha: moves") for line in squeezed(shown))
    ended = await rapport("alerts", "silence", "end", "c0ff")
    assert ended.stdout == "silence c0ffee00 has ended: team=care or shop\n"
    assert house.alerting.calls[-1] == EndSilenceRequest(silence_id=SILENCE)
    again = await rapport("alerts", "silence", "end", "c0ff")
    assert (again.exit_code, again.stderr) == (1, "rapport: no silence that has not ended has an id that begins with c0ff\n")
    whole = await rapport("alerts", "silence", "end", SILENCE)
    assert (whole.exit_code, whole.stderr) == (1, "rapport: NOT_FOUND (SILENCE_NOT_FOUND): there is no such silence\n")


async def test_json_is_what_the_http_surface_answers(rapport: Rapport) -> None:
    words = ("alerts", "silence", "add", "team=care", "--for", "2h", "--json")
    made = json.loads((await rapport(*words)).stdout)
    assert (made["silence"]["silenceId"], made["openAlerts"]) == (SILENCE, 2)
    assert len(json.loads((await rapport("alerts", "silence", "list", "--json")).stdout)["silences"]) == 1
    assert json.loads((await rapport("alerts", "silence", "end", "c0ff", "--json")).stdout)["silence"]["silenceId"] == SILENCE
