"""Deliveries of each kind to real receivers: what they are sent, what is refused, what is tried again."""

from __future__ import annotations

import asyncio
import socket
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from services.alerting.telling import lookups, posting
from services.alerting.telling.channels import Channel, Email, PagerDuty, Slack, Webhook
from services.alerting.telling.deliver_email import MailServer
from services.alerting.telling.delivery import Delivery, Receivers
from services.runtime.tenancy import set_tenant
from tests.alerting.house import TENANT, Clock
from tests.alerting.notifying import SECRET, a_notice, an_alert, local, receiving
from tests.ports import free_port

INTERVAL = timedelta(minutes=5)


def public() -> Delivery:
    """Deliveries of a tenant to public addresses only."""
    set_tenant(TENANT)
    return Delivery(Receivers(), Clock())


def webhook(url: str) -> Channel:
    return Channel("c", Webhook(url, SECRET))


# --- kinds


async def test_slack_is_sent_text_and_blocks_in_which_nothing_is_markup():
    alert = an_alert("<!channel> & <https://evil|x>", message="Slow > fast")
    async with receiving() as receiver:
        outcome, _ = await local().attempt(Channel("c", Slack(receiver.url)), a_notice(*[alert] * 30))
        (seen,) = receiver.seen
    assert outcome.is_delivered
    assert "Slow &gt; fast" in seen.json["text"]
    section = seen.json["blocks"][1]["text"]
    assert section["type"] == "plain_text"
    assert "<!channel> & <https://evil|x>" in section["text"]
    assert seen.json["blocks"][-1]["elements"][0]["text"] == "and 10 more"
    assert len(seen.json["blocks"]) <= 50


@pytest.mark.parametrize(("severity", "word"), [(1, "info"), (2, "warning"), (3, "error"), (4, "critical")])
async def test_pagerdutys_severities(severity: int, word: str):
    async with receiving() as receiver:
        delivery = local(pagerduty_url=receiver.url)
        await delivery.attempt(Channel("c", PagerDuty("k")), a_notice(an_alert(severity=severity), action="trigger", key="x"))
        assert receiver.seen[0].json["payload"]["severity"] == word


class Mailbox:
    """Keeps what a mail server is given; refuses recipients of `refused` with their status."""

    def __init__(self) -> None:
        self.messages: list[tuple[list[str], EmailMessage]] = []
        self.refused: dict[str, str] = {}

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        made = message_from_bytes(envelope.content, policy=policy.default)
        self.messages.append((list(envelope.rcpt_tos), made))  # type: ignore[arg-type]
        return "250 OK"


@pytest.fixture
def mail() -> Any:
    box = Mailbox()
    port = free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, MailServer("127.0.0.1", port, sender="Rapport <rapport@example.com>", tls="none")
    controller.stop()


async def test_an_email_is_plain_text_with_an_id_of_its_own(mail: Any):
    box, server = mail
    notice = a_notice(an_alert("c", labels={"team": "nörth"}))
    channel = Channel("c", Email(("a@example.com", "b@example.com")))
    for _ in range(2):
        outcome, attempt = await local(mail=server).attempt(channel, notice)
        assert (outcome.is_delivered, attempt.status, attempt.error) == (True, 250, "")
    (to, first), (_, second) = box.messages
    assert to == ["a@example.com", "b@example.com"]
    assert first["Message-ID"] == second["Message-ID"] == f"<{notice.notification_id}@example.com>"
    assert first["Subject"] == "[FIRING] Customer satisfaction below 3.0"
    assert first.get_content_type() == "text/plain"
    assert "team: nörth" in first.get_content()


async def test_what_an_alert_says_cannot_become_a_header(mail: Any):
    box, server = mail
    evil = "x\r\nBcc: evil@example.com\r\n\r\nbody\u2028\x00"
    await local(mail=server).attempt(Channel("c", Email(("a@example.com",))), a_notice(an_alert(evil, message=evil)))
    ((to, message),) = box.messages
    assert to == ["a@example.com"]
    assert message["Bcc"] is None
    assert message["Subject"] == "[FIRING] x  Bcc: evil@example.com    body"
    assert not any(line.startswith("Bcc") for line in message.get_content().splitlines())


@pytest.mark.parametrize(("answer", "is_final", "status"), [("550 no such user", True, 550), ("450 busy", False, 450)])
async def test_a_mail_server_that_refuses_everybody(mail: Any, answer: str, is_final: bool, status: int):
    box, server = mail
    box.refused = {"a@example.com": answer}
    outcome, _ = await local(mail=server).attempt(Channel("c", Email(("a@example.com",))), a_notice(an_alert()))
    assert (outcome.is_delivered, outcome.is_final, outcome.status) == (False, is_final, status)
    outcome, _ = await local(mail=server).attempt(Channel("c", Email(("a@example.com", "b@example.com"))), a_notice(an_alert()))
    assert (outcome.is_delivered, outcome.error) == (is_final, "the mail server refused 1 of 2 recipients")


async def test_who_is_refused_for_now_is_written_to_again_whoever_else_is_refused(mail: Any):
    box, server = mail
    channel = Channel("c", Email(("a@example.com", "b@example.com")))
    box.refused = {"a@example.com": "450 busy"}
    outcome, _ = await local(mail=server).attempt(channel, a_notice(an_alert()))
    assert (outcome.is_delivered, outcome.is_final, outcome.status) == (False, False, 450)
    assert outcome.error == "the mail server refused 1 of 2 recipients"
    box.refused |= {"b@example.com": "550 no such user"}
    outcome, _ = await local(mail=server).attempt(channel, a_notice(an_alert()))
    assert (outcome.is_delivered, outcome.is_final) == (False, False)


@pytest.mark.parametrize("at", ["handle_MAIL", "handle_DATA"])
async def test_what_the_installation_is_refused_for_is_tried_again(mail: Any, at: str):
    async def refuses(*_: Any) -> str:
        return "550 not from you"

    box, server = mail
    setattr(box, at, refuses)
    outcome, _ = await local(mail=server).attempt(Channel("c", Email(("a@example.com",))), a_notice(an_alert()))
    assert (outcome.is_delivered, outcome.is_final, outcome.status) == (False, False, 550)


async def test_without_a_mail_server_it_says_so():
    outcome, _ = await local().attempt(Channel("c", Email(("a@example.com",))), a_notice(an_alert()))
    assert (outcome.is_delivered, outcome.error) == (False, "this installation is not set up to send e-mail")


# --- what is refused


async def test_a_redirect_is_not_followed():
    async with receiving() as elsewhere, receiving(statuses=[307], headers={"Location": elsewhere.url}) as receiver:
        outcome, _ = await local().attempt(webhook(receiver.url), a_notice(an_alert()))
        assert (outcome.is_delivered, outcome.is_final, outcome.status) == (False, True, 307)
        assert len(receiver.seen) == 1
        assert elsewhere.seen == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "127.1", "2130706433", "0x7f.1"])
async def test_an_address_that_is_not_public_is_not_called(host: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(posting, "complaint", lambda url, *, allow_local: None)
    async with receiving() as receiver:
        strict = public()
        outcome, _ = await strict.attempt(webhook(f"http://{host}:{receiver.port}/"), a_notice(an_alert()))
        assert (outcome.is_delivered, outcome.status) == (False, None)
        assert receiver.seen == []


async def test_a_name_that_stands_for_an_address_that_is_not_public_is_not_called(monkeypatch: pytest.MonkeyPatch):
    """Also when another of its addresses is public, and when it would stand for another one if it were asked again."""
    asked: list[str] = []

    def answers(host: str, family: int) -> list[tuple[str, int]]:
        asked.append(host)
        return [("8.8.8.8", socket.AF_INET), ("127.0.0.1", socket.AF_INET)]

    monkeypatch.setattr(posting, "complaint", lambda url, *, allow_local: None)
    monkeypatch.setattr(lookups, "lookup", answers)
    async with receiving() as receiver:
        url = f"http://hooks.example.com:{receiver.port}/"
        outcome, _ = await public().attempt(webhook(url), a_notice(an_alert()))
        assert (outcome.is_final, outcome.error) == (True, "the address is not public, and must not be called")
        assert receiver.seen == []
        # The control: where this machine may be called, what the name stood for is.
        monkeypatch.setattr(lookups, "lookup", lambda *_: [("127.0.0.1", socket.AF_INET)])
        outcome, _ = await local().attempt(webhook(url), a_notice(an_alert()))
        assert outcome.is_delivered
    assert asked == ["hooks.example.com"]


async def test_http_is_refused_where_local_receivers_are():
    async with receiving() as receiver:
        outcome, _ = await public().attempt(webhook(receiver.url), a_notice(an_alert()))
        assert outcome.is_final
        assert receiver.seen == []


async def test_a_receiver_that_does_not_answer_is_left_after_a_while(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(posting, "TIMEOUT_S", 0.2)
    async with receiving(gate=asyncio.Event()) as receiver:
        outcome, attempt = await local().attempt(webhook(receiver.url), a_notice(an_alert()))
    assert (outcome.is_final, attempt.took_ms < 5000) == (False, True)
    assert "did not answer" in outcome.error


async def test_an_endless_answer_is_not_read():
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        with_suppress = (ConnectionError, asyncio.CancelledError)
        try:
            while True:
                writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                await writer.drain()
        except with_suppress:
            writer.close()

    server = await asyncio.start_server(endless, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    outcome, attempt = await local().attempt(webhook(f"http://127.0.0.1:{port}/"), a_notice(an_alert()))
    assert outcome.is_delivered
    # Who reads it is given up after ten seconds.
    assert attempt.took_ms < 9000
    server.close()
