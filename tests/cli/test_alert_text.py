"""What people wrote neither breaks a line nor steers the terminal of whoever reads it."""

from __future__ import annotations

import pytest
from rapport.alerting.v1.act_pb2 import AlertAct, Silence
from rapport.alerting.v1.alert_pb2 import Matcher

from services.cli.alert_text import cleaned, plain
from tests.cli.alerting_servicer import OPEN, alert
from tests.cli.conftest import House, Rapport
from tests.cli.test_alert_watching import REFUSED, event

NASTY = "known\x1b[2J\x1b]0;owned\x07\r\nresolved\x9b1m"


def test_control_characters_become_spaces_and_nothing_else_does() -> None:
    assert plain(NASTY) == "known [2J ]0;owned resolved 1m"
    assert plain("हिन्दी क्‍ष — naïve 🙂") == "हिन्दी क्‍ष — naïve 🙂"


def test_every_text_of_a_message_is_cleaned_and_the_message_itself_stays() -> None:
    told = Silence(matchers=[Matcher(name="team", values=["a\nb", "c"])], author="\x1ba", comment=NASTY)
    made = cleaned(told)
    assert (list(made.matchers[0].values), made.author, told.author) == (["a b", "c"], " a", "\x1ba")
    assert cleaned(alert(labels={"team": "a\x1bb"})).labels["team"] == "a b"
    assert cleaned(alert(description="call\x1b[2J\r\nthen\x85wait")).description == "call [2J\nthen\nwait"


@pytest.mark.parametrize(
    "words",
    [["list"], ["show", OPEN], ["ack", OPEN], ["silence", "add", "team=care", "--for", "2h"], ["silence", "list"], ["watch"]],
)
async def test_no_command_lets_it_through(house: House, rapport: Rapport, words: list[str]) -> None:
    nasty = alert(message=NASTY, labels={"team": NASTY}, acknowledgement={"author": NASTY, "comment": NASTY})
    house.alerting.known = [nasty]
    house.alerting.acts[OPEN] = [AlertAct(kind=8, author=NASTY, comment=NASTY)]
    house.alerting.silences = [Silence(matchers=[Matcher(name="team", values=[NASTY])], author=NASTY, comment=NASTY)]
    house.alerting.streams = [[event(8, "NOTED", author=NASTY, comment=NASTY, message=NASTY), REFUSED]]

    result = await rapport("alerts", *words)

    assert "known" in result.stdout or "team=care" in result.stdout
    assert not {"\x1b", "\x07", "\r", "\x9b"} & set(result.stdout)
