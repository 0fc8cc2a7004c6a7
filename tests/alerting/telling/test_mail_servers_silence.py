"""Mail servers that fall silent: an attempt ends in its time, and what was taken stays taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from services.alerting.telling import deliver_email
from services.alerting.telling.attempts import Outcome
from services.alerting.telling.channels import Channel, Email
from services.alerting.telling.deliver_email import MailServer
from tests.alerting.notifying import a_notice, an_alert, local


@dataclass(slots=True)
class Silent:
    """A mail server that says nothing any more once it got a command."""

    to: str
    port: int = 0
    got: list[str] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer what must be answered, then only listen."""
        writer.write(b"220 here\r\n")
        is_silent, is_text = False, False
        while raw := await reader.readline():
            line = raw.decode().strip("\r\n")
            command = line.split(" ")[0].upper()
            if is_text:
                is_text = line != "."
            else:
                self.got.append(command)
                is_text = command == "DATA"
            is_silent = is_silent or command == self.to
            if not is_silent and (not is_text or command == "DATA"):
                writer.write(b"354 go on\r\n" if command == "DATA" else b"250 fine\r\n")
        writer.close()


@asynccontextmanager
async def listening(silent: Silent) -> AsyncIterator[None]:
    server = await asyncio.start_server(silent.talk, "127.0.0.1")
    silent.port = server.sockets[0].getsockname()[1]
    async with server:
        yield


async def attempt(silent: Silent) -> Outcome:
    server = MailServer("127.0.0.1", silent.port, sender="rapport@example.com", tls="none")
    outcome, _ = await local(mail=server).attempt(Channel("c", Email(("a@example.com",))), a_notice(an_alert()))
    return outcome


async def test_a_server_that_falls_silent_is_not_asked_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(deliver_email, "TIMEOUT_S", 0.3)
    silent = Silent("MAIL")
    async with listening(silent):
        outcome = await attempt(silent)
        assert (outcome.is_delivered, outcome.is_final, outcome.may_have_arrived) == (False, False, True)
        assert outcome.error == "the mail server did not answer within 0 s"
        assert silent.got == ["EHLO", "MAIL"]


async def test_a_cancelled_attempt_ends_at_once(monkeypatch: pytest.MonkeyPatch):
    # Whoever waits for the server's farewell waits for this long.
    monkeypatch.setattr(deliver_email, "TIMEOUT_S", 3600.0)
    silent = Silent("MAIL")
    async with listening(silent):
        trying = asyncio.create_task(attempt(silent))
        while "MAIL" not in silent.got:  # noqa: ASYNC110 the list is what is tested
            await asyncio.sleep(0.01)
        trying.cancel()
        async with asyncio.timeout(30):
            with pytest.raises(asyncio.CancelledError):
                await trying
        assert silent.got == ["EHLO", "MAIL"]


async def test_mail_that_was_taken_is_delivered_whatever_comes_of_the_farewell(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(deliver_email, "_FAREWELL_S", 0.3)
    silent = Silent("QUIT")
    async with listening(silent):
        outcome = await attempt(silent)
    assert (outcome.is_delivered, silent.got[-2:]) == (True, ["DATA", "QUIT"])
