"""A notification as an e-mail of plain text, by the installation's own mail server."""

from __future__ import annotations

import asyncio
import ssl
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

import aiosmtplib

from services.alerting.alerts import Alert, AlertState
from services.alerting.rules import Severity
from services.alerting.telling.attempts import Outcome
from services.alerting.telling.channels import Email
from services.alerting.telling.notices import TEST, Notice
from services.alerting.telling.posting import TIMEOUT_S
from services.alerting.wording import Guidance, guidance, summary, taken_by

#: Alerts that are told of; the others are counted.
SHOWN = 100
_SUBJECT = 200
_FOR_GOOD = 500
#: How long a server that took a message is waited for.
_FAREWELL_S = 2.0


@dataclass(frozen=True, slots=True)
class MailServer:
    """The server that mail is given to. `tls` is "tls" from the first byte, "starttls" or "none". No host: no mail."""

    host: str = ""
    port: int = 587
    user: str = ""
    password: str = field(default="", repr=False)
    sender: str = ""
    tls: str = "starttls"


class _NotOffered(Exception):
    """The mail server does not do what it must."""


async def deliver(server: MailServer, email: Email, notice: Notice, now: datetime) -> Outcome:
    """Send a notification once and return what came of it."""
    if not server.host:
        return Outcome(False, error="this installation is not set up to send e-mail", may_have_arrived=False)
    client = _client(server)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            refused = await _send(client, server, email, message_of(server.sender, email.to, notice, now))
        await _take_leave(client)
    except (aiosmtplib.SMTPException, OSError, _NotOffered) as error:
        return _failure(error)
    finally:
        # Without a farewell where it went wrong: a server that is silent would be waited for once more.
        client.close()
    return _accepted(refused, len(email.to))


def _client(server: MailServer) -> aiosmtplib.SMTP:
    return aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        # Not asked of the system: that may wait for a name server.
        local_hostname=_domain(server.sender),
        use_tls=server.tls == "tls",
        # Begun below, where it can be told why it cannot be.
        start_tls=False,
        timeout=TIMEOUT_S,
    )


async def _send(client: aiosmtplib.SMTP, server: MailServer, email: Email, message: EmailMessage) -> list[int]:
    """Give a message to the mail server; return the codes of the recipients that it refused. Raises what goes wrong."""
    await client.connect()
    if server.tls == "starttls":
        await client.ehlo()
        if not client.supports_extension("starttls"):
            raise _NotOffered("the mail server does not offer STARTTLS")
        await client.starttls()
    if server.user:
        await client.ehlo()
        if not client.supported_auth_methods:
            raise _NotOffered("the mail server offers no way to log in")
        await client.login(server.user, server.password)
    refused, _ = await client.send_message(message, sender=parseaddr(server.sender)[1], recipients=list(email.to))
    return [answer.code for answer in refused.values()]


async def _take_leave(client: aiosmtplib.SMTP) -> None:
    """End the conversation; the message was taken, whatever comes of this."""
    with suppress(aiosmtplib.SMTPException, OSError):
        await client.quit(timeout=_FAREWELL_S)


def message_of(sender: str, to: Sequence[str], notice: Notice, now: datetime) -> EmailMessage:
    """Return the message of a notification, the same each time but for its date."""
    message = EmailMessage()
    message["From"] = one_line(sender)
    message["To"] = ", ".join(map(one_line, to))
    message["Subject"] = one_line(notice.headline)[:_SUBJECT]
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{notice.notification_id}@{_domain(sender)}>"
    message["Auto-Submitted"] = "auto-generated"
    message["Rapport-Notification-Id"] = str(notice.notification_id)
    message.set_content("\n".join(_lines(notice)) + "\n", cte="quoted-printable")
    return message


def one_line(text: str) -> str:
    """Return text without anything that could end a header's line, or hide in it."""
    return "".join(" " if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else c for c in text).strip()


def _domain(sender: str) -> str:
    return parseaddr(sender)[1].rpartition("@")[2] or "localhost"


def _accepted(refused: Sequence[int], recipients: int) -> Outcome:
    """Return what it means that a message was taken, but not for those whose codes these are.

    Who was refused for now is written to again, and so is everybody else: a duplicate is better than a loss.
    """
    said = f"the mail server refused {len(refused)} of {recipients} recipients" if refused else ""
    passing = [code for code in refused if code < _FOR_GOOD]
    return Outcome(False, passing[0], said) if passing else Outcome(True, 250, said)


def _failure(error: Exception) -> Outcome:
    """Return what an error of the mail server means: 5yz is for good, 4yz may pass (RFC 5321, section 4.2.1).

    Only what is wrong with each recipient is the channel's business; anything else is the installation's and may be mended.
    """
    match error:
        case aiosmtplib.SMTPRecipientsRefused():
            code = min((each.code for each in error.recipients), default=0)
            is_final = code >= _FOR_GOOD
            return Outcome(False, code, "the mail server refused every recipient", is_final=is_final, may_have_arrived=False)
        case aiosmtplib.SMTPAuthenticationError():
            return Outcome(False, error.code, "the mail server refused this installation's login", may_have_arrived=False)
        case aiosmtplib.SMTPResponseException():
            return Outcome(False, error.code, "the mail server refused the message", may_have_arrived=False)
        case _:
            return Outcome(False, error=_unanswered(error), may_have_arrived=not _is_before_mail(error))


def _unanswered(error: Exception) -> str:
    """Return what went wrong before the mail server said what it does with the message."""
    if isinstance(error, _NotOffered):
        return str(error)
    if _is_untrusted(error):
        return "the mail server's certificate is not valid"
    if isinstance(error, TimeoutError):
        return f"the mail server did not answer within {TIMEOUT_S:.0f} s"
    return "the mail server could not be reached"


def _is_before_mail(error: Exception) -> bool:
    """Tell whether it went wrong before anything was sent: there was no connection, or none to trust."""
    return isinstance(error, (_NotOffered, aiosmtplib.SMTPConnectError, ConnectionRefusedError)) or _is_untrusted(error)


def _is_untrusted(error: Exception) -> bool:
    """Tell whether a certificate is what is wrong; where TLS comes first, that is only the cause of what is raised."""
    return isinstance(error, ssl.SSLCertVerificationError) or isinstance(error.__cause__, ssl.SSLCertVerificationError)


def _lines(notice: Notice) -> list[str]:
    if notice.status == TEST:
        return ["This is a test of a notification channel of Rapport. There is nothing to do."]
    lines = [line for alert in notice.alerts[:SHOWN] for line in (*_about(alert), "")]
    hidden = len(notice.alerts) - SHOWN
    more = [f"and {hidden} more", ""] if hidden > 0 else []
    todo = [line for told in guidance(notice.alerts[:SHOWN]) for line in (*_guidance(told), "")]
    return [*lines, *more, *todo, f"Route: {notice.route_id}"]


def _about(alert: Alert) -> list[str]:
    is_over = alert.state == AlertState.RESOLVED
    told = [f"{'RESOLVED' if is_over else Severity(alert.severity).name}: {one_line(alert.message)}"]
    if alert.subject_id:
        told.append(f"  {alert.names['subject_kind']}: {one_line(alert.subject_id)}")
    told.append(f"  found: {one_line(summary(alert))}")
    told.append(f"  since: {alert.fired_at:%Y-%m-%d %H:%M:%S} UTC")
    if alert.resolved_at is not None:
        told.append(f"  until: {alert.resolved_at:%Y-%m-%d %H:%M:%S} UTC")
    if alert.acknowledged_at is not None:
        told.append(f"  {one_line(taken_by(alert))}")
    told += [f"  {one_line(name)}: {one_line(value)}" for name, value in sorted(alert.labels.items())]
    return [*told, f"  rule: {alert.rule_id}", f"  alert: {alert.alert_id}"]


def _guidance(told: Guidance) -> list[str]:
    """Return what to do about the alerts of a rule: lines stay lines."""
    said = [f"  {one_line(line)}" for line in told.description.splitlines()]
    return [f"What to do ({told.rule_id}):", *said, *([f"  {one_line(told.runbook_url)}"] if told.runbook_url else [])]
