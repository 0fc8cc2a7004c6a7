"""`rapport alerts`: a stream that is cut goes on where it was; one that cannot starts again, and says so."""

from __future__ import annotations

import asyncio
import io
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable

import grpc
import pytest
from rapport.alerting.v1 import alert_pb2, alerting_service_pb2
from rapport.alerting.v1.alert_pb2 import (
    ALERT_EVENT_KIND_FIRED,
    ALERT_EVENT_KIND_RESOLVED,
    ALERT_EVENT_KIND_SNAPSHOT,
    Alert,
    AlertFilter,
)
from rapport.alerting.v1.alerting_service_pb2 import (
    BOOKMARK_REASON_BEFORE_CLOSE,
    BOOKMARK_REASON_SNAPSHOT_END,
    WatchAlertsResponse,
)
from rich.console import Console

from rapport_client import Backoff, Cut, RapportError
from services.cli.alert_board import Board
from services.cli.watching import Seen, StartedAgain, follow
from tests.cli.conftest import House, Rapport
from tests.cli.servicers import status

GONE = status("UNAVAILABLE", "SERVICE_UNAVAILABLE", "away")
SLOW = status("RESOURCE_EXHAUSTED", "SLOW_CONSUMER", "too slow")
EXPIRED = status("OUT_OF_RANGE", "RESUME_TOKEN_EXPIRED", "no longer kept")
REFUSED = status("INVALID_ARGUMENT", "INVALID_RESUME_TOKEN", "another filter's")


def fired(revision: int, alert_id: str = "a", kind: alert_pb2.AlertEventKind = ALERT_EVENT_KIND_FIRED) -> WatchAlertsResponse:
    alert = Alert(
        alert_id=alert_id,
        type="performance",
        severity="high",
        message="slow",
        agent_id="7",
        value=35,
        threshold=30,
        revision=revision,
    )
    event = alert_pb2.AlertEvent(kind=kind, alert=alert)
    token = "" if kind == ALERT_EVENT_KIND_SNAPSHOT else f"t{revision}"
    return WatchAlertsResponse(revision=revision, resume_token=token, events={"events": [event]})


def bookmark(revision: int, reason: int) -> WatchAlertsResponse:
    return WatchAlertsResponse(revision=revision, resume_token=f"t{revision}", bookmark={"reason": reason})


CREATED = WatchAlertsResponse(revision=1, created={"head_revision": 1})


@pytest.fixture
async def watcher(house: House) -> AsyncIterator[Callable[..., AsyncIterator[Seen]]]:
    async with grpc.aio.insecure_channel(house.address) as channel:
        yield lambda token="", **more: follow(channel, AlertFilter(), token, backoff=Backoff(0.01, 0.05), **more)


async def take(seen: AsyncIterator[Seen], count: int) -> list[Seen]:
    async with asyncio.timeout(10):
        return [await anext(seen) for _ in range(count)]


def starts(house: House) -> list[str]:
    """Return where each stream was asked to begin."""
    return [call.resume_token or call.WhichOneof("start") for call in house.alerting.calls]


@pytest.mark.parametrize("end", [[GONE], [SLOW], [], [bookmark(2, BOOKMARK_REASON_BEFORE_CLOSE)]])
async def test_a_stream_that_ends_goes_on_after_its_last_message(house: House, watcher, end: list) -> None:
    house.alerting.streams = [[CREATED, bookmark(1, BOOKMARK_REASON_SNAPSHOT_END), fired(2), *end], [fired(3), 60.0]]

    seen = await take(watcher(), 5 + len([step for step in end if isinstance(step, WatchAlertsResponse)]))

    assert [message.revision for message in seen if isinstance(message, WatchAlertsResponse)][-1] == 3
    assert [item.resumes for item in seen if isinstance(item, Cut)] == [True]
    assert starts(house) == ["snapshot", "t2"]


async def test_a_snapshot_that_is_cut_is_asked_for_anew(house: House, watcher) -> None:
    house.alerting.streams = [[CREATED, fired(1, kind=ALERT_EVENT_KIND_SNAPSHOT), GONE], [CREATED, 60.0]]

    seen = await take(watcher(), 4)

    assert seen[2] == Cut("UNAVAILABLE (SERVICE_UNAVAILABLE): away", seen[2].delay_s, resumes=False)
    assert starts(house) == ["snapshot", "snapshot"]


async def test_a_token_that_is_too_old_starts_again_from_a_snapshot_and_says_so(house: House, watcher) -> None:
    house.alerting.streams = [[EXPIRED], [CREATED, fired(9, kind=ALERT_EVENT_KIND_SNAPSHOT), 60.0]]

    seen = await take(watcher("old"), 3)

    assert seen[0] == StartedAgain("OUT_OF_RANGE (RESUME_TOKEN_EXPIRED): no longer kept")
    assert starts(house) == ["old", "snapshot"]


async def test_a_silent_stream_is_taken_for_dead(house: House, watcher) -> None:
    house.alerting.streams = [[fired(1), 60.0], [fired(2), 60.0]]

    seen = await take(watcher(silence_s=0.2), 3)

    assert isinstance(seen[1], Cut)
    assert starts(house) == ["snapshot", "t1"]


@pytest.mark.parametrize("first", [[REFUSED], [GONE], [EXPIRED]])
async def test_a_stream_that_cannot_be_had_is_refused(house: House, watcher, first: list) -> None:
    house.alerting.streams = [first]

    with pytest.raises(RapportError):
        await take(watcher(), 1)


async def test_a_refusal_after_a_cut_ends_the_watch(house: House, watcher) -> None:
    house.alerting.streams = [[fired(1)], [REFUSED]]

    seen = watcher()
    await take(seen, 2)
    with pytest.raises(RapportError):
        await anext(seen)


def test_the_board_shows_what_is_open() -> None:
    board = Board()

    assert board.take(fired(1))[0].endswith("fired     a high performance: slow (35.00 against 30.00) · agent 7")
    board.take(fired(2, "b"))
    board.take(fired(3, "a", ALERT_EVENT_KIND_RESOLVED))
    assert board.open == ["b"]
    screen = Console(file=io.StringIO(), width=140, record=True)
    screen.print(board)
    assert "slow" in screen.export_text(clear=False)
    assert "following · revision 3" in screen.export_text()
    assert "goes on by its token" in board.take(Cut("away", 1.0, resumes=True))[0]
    assert board.open == ["b"]
    assert "starts again from a snapshot" in board.take(StartedAgain("too old"))[0]
    assert board.open == []


async def test_list_asks_by_filter_and_shows_a_table(house: House, rapport: Rapport) -> None:
    house.alerting.known = 6 * [fired(1).events.events[0].alert]

    result = await rapport(
        "alerts", "list", "--type", "performance", "--severity", "high", "--severity", "low", "--agent", "7", "--limit", 5
    )

    (request,) = house.alerting.calls
    assert request == alerting_service_pb2.ListAlertsRequest(
        filter=AlertFilter(types=["performance"], severities=["high", "low"], agent_ids=["7"]), page_size=5
    )
    assert "slow" in result.stdout
    assert "There are more alerts" in result.stdout
    assert json.loads((await rapport("alerts", "list", "--json")).stdout)["alerts"][0]["severity"] == "high"


async def test_a_word_that_is_no_severity_is_wrong_usage(house: House, rapport: Rapport) -> None:
    result = await rapport("alerts", "list", "--severity", "loud")

    assert result.exit_code == 2
    assert not house.alerting.calls


# Tests that are run in the background are told to ignore Ctrl-C, and so would be what they start. It is not told otherwise
# between fork and exec (preexec_fn): there gRPC's threads, which serve this process, are begun anew, and may end the child.
_INTERRUPTIBLE = (
    "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    " runpy.run_module('services.cli', run_name='__main__', alter_sys=True)"
)


async def test_watch_prints_a_line_a_message_and_ends_with_the_token_to_go_on_from(house: House) -> None:
    house.alerting.streams = [[CREATED, bookmark(1, BOOKMARK_REASON_SNAPSHOT_END), fired(2), GONE], [fired(3), 60.0]]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _INTERRUPTIBLE, "alerts", "watch", "--json", "--agent", "7",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment(house),
    )  # fmt: skip
    assert process.stdout is not None

    async with asyncio.timeout(20):
        lines = [json.loads(await process.stdout.readline()) for _ in range(4)]
    process.send_signal(signal.SIGINT)
    _, errors = await process.communicate()

    assert [line["revision"] for line in lines] == ["1", "1", "2", "3"]
    assert process.returncode == 130
    assert "goes on by its token" in errors.decode()
    assert errors.decode().splitlines()[-1] == "to go on from here, with the same filters: rapport alerts watch --since t3"
    assert "Traceback" not in errors.decode()
    assert house.alerting.calls[-1].filter.agent_ids == ["7"]


async def test_watch_says_when_it_starts_again(house: House, rapport: Rapport) -> None:
    house.alerting.streams = [[EXPIRED], [CREATED, REFUSED]]

    result = await rapport("alerts", "watch", "--resume", "old")

    assert "starts again from a snapshot (OUT_OF_RANGE (RESUME_TOKEN_EXPIRED): no longer kept)" in result.stderr
    assert result.stderr.splitlines()[-1] == "rapport: INVALID_ARGUMENT (INVALID_RESUME_TOKEN): another filter's"
    assert result.exit_code == 1


def environment(house: House) -> dict[str, str]:
    return house.environment() | {"PYTHONPATH": ":".join(path for path in sys.path if path), "PATH": ""}
