"""What a watcher of alerts sees: the most urgent first, changes under them, and what becomes of the stream."""

from __future__ import annotations

import io

import pytest
from google.protobuf.json_format import ParseDict
from rapport.alerting.v1.alert_pb2 import AlertFilter, Matcher
from rapport.alerting.v1.alerting_service_pb2 import WatchAlertsResponse
from rich.console import Console

from rapport_client import Cut
from services.cli.alert_board import Board
from services.cli.watching import StartedAgain
from tests.cli.alerting_servicer import OPEN, alert
from tests.cli.conftest import House, Rapport
from tests.cli.servicers import status

EXPIRED = status("OUT_OF_RANGE", "RESUME_TOKEN_EXPIRED", "no longer kept")
REFUSED = status("INVALID_ARGUMENT", "INVALID_RESUME_TOKEN", "another filter's")
SNAPSHOT_END = ParseDict({"revision": "7", "resumeToken": "t7", "bookmark": {"reason": 2}}, WatchAlertsResponse())


def event(revision: int, kind: str, **more: object) -> WatchAlertsResponse:
    """Return a change of an alert, with who did it and what was said in `author` and `comment`."""
    told = {"kind": f"ALERT_EVENT_KIND_{kind}"} | {name: more.pop(name) for name in ("author", "comment") if name in more}
    if kind != "SNAPSHOT":
        told["eventTime"] = "2026-05-04T02:10:00Z"
    message = ParseDict({"revision": str(revision), "events": {"events": [told]}}, WatchAlertsResponse())
    message.resume_token = "" if kind == "SNAPSHOT" else f"t{revision}"
    message.events.events[0].alert.CopyFrom(alert(**({"revision": str(revision)} | more)))
    return message


def drawn(board: Board, *, width: int = 80, height: int = 24, colours: bool = False) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, height=height, force_terminal=colours, color_system="standard" if colours else None)
    console.print(board)
    return file.getvalue()


def test_changes_stand_under_the_open_alerts_the_newest_first() -> None:
    board = Board()
    board.take(event(7, "SNAPSHOT"))
    board.take(event(8, "FIRED", alert_id="b" * 8, severity="critical", message="Service down"))
    lines = board.take(event(9, "ACKNOWLEDGED", author="asha", comment="looking", acknowledgement={"author": "asha"}))

    (line,) = lines
    assert line == (
        "2026-05-04 02:10:00 UTC  acknowledged by asha 3f2a91c0 high performance: Agent response time above threshold"
        " (35,000.00 against 30,000.00) · agent asha · looking"
    )
    shown = drawn(board, width=160)
    assert shown.splitlines()[0].strip() == "following · revision 9 · 2 open"
    assert shown.index("critical") < shown.index("3f2a91c0")
    assert "taken care of by asha" in shown
    newest = shown[shown.index("Newest changes") :]
    assert newest.index("3f2a91c0 acknowledged by asha: looking · high") < newest.index("bbbbbbbb fired · critical")
    assert "snapshot" not in newest


def test_a_board_fits_its_terminal_and_leaves_out_the_least_urgent() -> None:
    board = Board()
    for number in range(40):
        severity = "critical" if number == 3 else "low"
        board.take(event(number + 1, "FIRED", alert_id=f"{number:08d}", severity=severity))
    shown = drawn(board)
    assert max(map(len, shown.splitlines())) <= 80
    assert len(shown.splitlines()) <= 24
    assert "critical" in shown
    assert "more, no more urgent than these" in shown
    narrow = drawn(board, width=40)
    assert max(map(len, narrow.splitlines())) <= 40
    assert len(narrow.splitlines()) <= 24
    assert "00000003 critical 2026-05-04 02:00" in narrow


def test_a_change_of_the_value_tells_it() -> None:
    board = Board()
    (line,) = board.take(event(8, "UPDATED", value=55153.0, unit="milliseconds"))
    assert "updated   3f2a91c0 high performance: Agent response time above threshold (55.2 s, above 30 s)" in line
    newest = drawn(board).splitlines()[-1].rstrip()
    assert newest.startswith("02:10:00 3f2a91c0 updated: 55.2 s, above 30 s · high performance")


def test_a_note_on_an_alert_that_is_over_does_not_open_it() -> None:
    board = Board()
    board.take(event(8, "NOTED", state="ALERT_STATE_RESOLVED", comment="it was the till"))
    assert board.open == []
    assert "No alerts." in drawn(board)


def test_severities_have_colours_and_words() -> None:
    board = Board()
    board.take(event(8, "FIRED", severity="critical"))
    assert "\x1b[1;31m" in drawn(board, colours=True)
    plain = drawn(board)
    assert "\x1b" not in plain
    assert "critical" in plain


def test_a_watcher_is_told_that_the_stream_goes_on() -> None:
    board = Board()
    board.take(event(8, "FIRED"))
    assert board.take(Cut("away", 1.0, resumes=True)) == ["cut off (away); goes on by its token in 1.0 s"]
    told = board.take(event(9, "RESOLVED", state="ALERT_STATE_RESOLVED"))
    assert told[0] == "connected again; nothing was missed up to revision 9"
    assert len(told) == 2
    assert board.open == []
    board.take(StartedAgain("too old"))
    shown = drawn(board)
    assert shown.splitlines()[0].strip() == "starts again from a snapshot (too old) · 0 open"
    assert shown.index("started again") < shown.index("3f2a91c0 resolved ·") < shown.index("connected again; nothing was missed")


async def test_a_watch_is_narrowed_like_a_list_and_goes_on_by_its_token(house: House, rapport: Rapport) -> None:
    house.alerting.streams = [[REFUSED]]

    result = await rapport("alerts", "watch", "--since", "t3", "--label", "team=care", "--rule", "slow", "--unsuppressed")

    (request,) = house.alerting.calls
    assert request.resume_token == "t3"
    matchers = [Matcher(name="team", values=["care"])]
    assert request.filter == AlertFilter(rule_ids=["slow"], matchers=matchers, suppressed=False)
    assert (result.exit_code, result.stderr) == (1, "rapport: INVALID_ARGUMENT (INVALID_RESUME_TOKEN): another filter's\n")


@pytest.mark.parametrize("option", ["--since", "--resume"])
async def test_a_token_that_is_too_old_takes_a_new_snapshot_and_says_so(house: House, rapport: Rapport, option: str) -> None:
    house.alerting.streams = [[EXPIRED], [event(7, "SNAPSHOT"), SNAPSHOT_END, REFUSED]]

    result = await rapport("alerts", "watch", option, "old")

    assert "starts again from a snapshot (OUT_OF_RANGE (RESUME_TOKEN_EXPIRED): no longer kept)" in result.stderr
    assert [call.resume_token or call.WhichOneof("start") for call in house.alerting.calls] == ["old", "snapshot"]
    assert "snapshot  3f2a91c0 high performance" in result.stdout
    assert "1 open; following from revision 7" in result.stdout
    assert "rapport alerts watch --since t7" in result.stderr


def test_an_id_is_shown_so_that_it_can_be_acted_on() -> None:
    assert OPEN[:8] in Board().take(event(8, "FIRED"))[0]
