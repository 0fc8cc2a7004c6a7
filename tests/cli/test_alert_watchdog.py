"""The watchdog always fires: lists and boards show it last and quietly, and do not count it with what needs somebody."""

from __future__ import annotations

import asyncio
import io
import json

import pytest
from rapport.alerting.v1.alert_pb2 import Alert
from rich.console import Console
from typer.testing import CliRunner

from services.cli.alert_board import Board
from services.cli.alert_listing import AlertListing, count_text, is_watchdog, urgent_first
from services.cli.app import app
from services.cli.layout import OUT
from tests.alerting import house as alerting
from tests.cli.alerting_servicer import OPEN, OTHER, OVER, alert
from tests.cli.conftest import House, Rapport
from tests.cli.test_alert_watching import SNAPSHOT_END, event

WATCHDOG = {"labels": {"purpose": "watchdog"}, "ruleId": "watchdog", "severity": "critical", "message": "This always fires"}
ALONE = "Of these only the watchdog is open, which always is."


def lines_of(shown: object, width: int, *, colours: bool = False) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=colours, color_system="standard" if colours else None).print(shown)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_only_an_open_alert_with_its_label_is_the_watchdog() -> None:
    assert is_watchdog(alert(**WATCHDOG))
    assert not is_watchdog(alert(**WATCHDOG | {"labels": {"purpose": "health"}}))
    assert not is_watchdog(alert(**WATCHDOG, state="ALERT_STATE_RESOLVED"))
    assert not is_watchdog(Alert())


async def test_it_is_the_last_of_a_list_but_json_stays(house: House, rapport: Rapport) -> None:
    house.alerting.known = [
        alert(OPEN, **WATCHDOG),
        alert(OTHER, severity="low"),
        alert(OVER, state="ALERT_STATE_RESOLVED"),
    ]
    shown = (await rapport("alerts", "list")).stdout
    printed = json.loads((await rapport("alerts", "list", "--json")).stdout)["alerts"]

    assert sorted((OPEN, OTHER, OVER), key=lambda id_: shown.index(id_[:8])) == [OTHER, OVER, OPEN]
    assert [each["alertId"] for each in printed] == [OPEN, OTHER, OVER]
    assert ALONE not in shown


@pytest.mark.parametrize("width", [40, 80])
async def test_a_list_with_nothing_else_open_says_so_and_shows_it_all_the_same(
    house: House, rapport: Rapport, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr(OUT, "width", width)
    house.alerting.known = [alert(OPEN, **WATCHDOG), alert(OVER, state="ALERT_STATE_RESOLVED")]
    text = " ".join((await rapport("alerts", "list")).stdout.split())
    assert text.startswith(f"{ALONE} Alerts")
    assert "This always fires" in text


@pytest.mark.parametrize("width", [40, 80])
def test_it_is_dim_however_urgent_its_rule_is(width: int) -> None:
    (line,) = [line for line in lines_of(AlertListing("Alerts", [alert(**WATCHDOG)]), width, colours=True) if "3f2a91c0" in line]
    assert "\x1b[2m3f2a91c0" in line


def test_a_board_counts_what_needs_somebody_and_says_that_the_watchdog_is_there() -> None:
    board = Board()
    board.take(event(7, "SNAPSHOT", alert_id="d" * 8, **WATCHDOG))
    assert board.take(SNAPSHOT_END) == ["0 open and the watchdog; following from revision 7"]
    assert lines_of(board, 80)[:2] == ["following · revision 7 · 0 open and the watchdog", ALONE]

    board.take(event(8, "FIRED", severity="low"))

    shown = lines_of(board, 80)
    assert shown[0] == "following · revision 8 · 1 open and the watchdog"
    text = "\n".join(shown)
    assert text.index("3f2a91c0   2026") < text.index("dddddddd")
    board.take(event(9, "RESOLVED", alert_id="d" * 8, **WATCHDOG, state="ALERT_STATE_RESOLVED"))
    assert lines_of(board, 80)[0] == "following · revision 9 · 1 open"


async def test_the_services_own_is_known(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerting, "let_watchdogs_rest", lambda _: None)
    monkeypatch.setattr(OUT, "width", 40)
    service = alerting.House(database_url)
    await service.score("k1", 1.0)
    async with service.serving() as running:
        environment = {"RAPPORT_ALERTING_ADDRESS": running.address, "TERM": "dumb"}
        told = [
            await asyncio.to_thread(CliRunner().invoke, app, ["alerts", "list", *words], env=environment)
            for words in ((), ("--rule", "watchdog"))
        ]
    await service.database.close()

    both, alone = [" ".join(each.stdout.split()) for each in told]
    assert both.index("customer k1") < both.index("always fires")
    assert alone.startswith(ALONE)


def test_counts_and_orders() -> None:
    told = [alert(**WATCHDOG), alert(OTHER, severity="low")]
    assert [each.alert_id for each in urgent_first(told)] == [OTHER, OPEN]
    assert [count_text(told[:count]) for count in range(3)] == ["0 open", "0 open and the watchdog", "1 open and the watchdog"]
