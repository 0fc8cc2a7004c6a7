"""E-mail by real mail servers: with TLS from the first byte, with STARTTLS, with a login, and what each is refused for."""

from __future__ import annotations

import logging
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from services.alerting.telling.attempts import Attempt, Outcome
from services.alerting.telling.channels import Channel, Email
from services.alerting.telling.deliver_email import MailServer
from tests.alerting.notifying import a_notice, an_alert, local

PASSWORD = "a P4SSW0RD of the installation"
HOST = "localhost"

Start = Callable[..., "Post"]


class Post:
    """A mail server on this machine that keeps whom it got mail for, and who logged in."""

    def __init__(self, **options: Any) -> None:
        self.got: list[str] = []
        self.logins: list[bytes] = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port, authenticator=self._authenticate, **options)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.got += envelope.rcpt_tos
        return "250 OK"

    def _authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login)
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as started:

        def begin(**options: Any) -> Post:
            post = Post(**options)
            post.controller.start()
            started.callback(post.controller.stop)
            return post

        yield begin


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of this machine's name, with its key in the same file."""
    path = tmp_path_factory.mktemp("mail") / "mail.pem"
    how = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=mail"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", f"{path}.key", "-out", str(path)]
    subprocess.run([*how.split(), *names], check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.key").read_text())
    return path


@pytest.fixture
def context(certificate: Path) -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(certificate)
    return made


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The installation trusts the certificate, as it would that of an authority of its own."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


async def attempt(post: Post, tls: str, host: str = HOST, **login: str) -> tuple[Outcome, Attempt]:
    server = MailServer(host, post.port, sender="Rapport <rapport@example.com>", tls=tls, **login)
    return await local(mail=server).attempt(Channel("c", Email(("a@example.com",))), a_notice(an_alert()))


def options(tls: str, context: ssl.SSLContext) -> dict[str, Any]:
    return {"ssl_context": context} if tls == "tls" else {"tls_context": context, "require_starttls": True}


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("tls", ["tls", "starttls"])
async def test_mail_is_given_over_tls(start: Start, context: ssl.SSLContext, tls: str):
    post = start(**options(tls, context))
    outcome, attempted = await attempt(post, tls)
    assert (outcome.is_delivered, attempted.status, attempted.error, post.got) == (True, 250, "", ["a@example.com"])


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("tls", ["tls", "starttls"])
@pytest.mark.filterwarnings("ignore:Requiring AUTH")
async def test_with_a_login(start: Start, context: ssl.SSLContext, tls: str, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG, "services")
    post = start(auth_required=True, auth_require_tls=tls != "tls", **options(tls, context))
    good, _ = await attempt(post, tls, user="rapport", password=PASSWORD)
    assert (good.is_delivered, post.logins[-1], post.got) == (True, b"rapport", ["a@example.com"])
    outcome, attempted = await attempt(post, tls, user="rapport", password=f"not {PASSWORD}")
    assert (outcome.is_delivered, outcome.is_final, attempted.status) == (False, False, 535)
    assert attempted.error == "the mail server refused this installation's login"
    assert "P4SSW0RD" not in caplog.text + repr(outcome) + repr(attempted)
    outcome, attempted = await attempt(post, tls)
    assert (outcome.is_delivered, outcome.is_final, attempted.status) == (False, False, 530)
    assert post.got == ["a@example.com"]


@pytest.mark.parametrize("tls", ["tls", "starttls"])
async def test_a_certificate_that_nobody_vouches_for_is_refused(start: Start, context: ssl.SSLContext, tls: str):
    post = start(**options(tls, context))
    outcome, attempted = await attempt(post, tls, user="rapport", password=PASSWORD)
    assert (outcome.is_delivered, outcome.is_final) == (False, False)
    assert attempted.error == "the mail server's certificate is not valid"
    assert (post.got, post.logins, attempted.took_ms < 5000) == ([], [], True)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("tls", ["tls", "starttls"])
async def test_a_certificate_of_another_name_is_refused(start: Start, context: ssl.SSLContext, tls: str):
    post = start(**options(tls, context))
    outcome, attempted = await attempt(post, tls, host="127.0.0.1", user="rapport", password=PASSWORD)
    assert (outcome.is_delivered, attempted.error) == (False, "the mail server's certificate is not valid")
    assert (post.got, post.logins) == ([], [])


async def test_a_server_that_does_not_offer_starttls_gets_nothing(start: Start):
    post = start(auth_require_tls=False)
    outcome, attempted = await attempt(post, "starttls", user="rapport", password=PASSWORD)
    assert (outcome.is_delivered, outcome.is_final) == (False, False)
    assert attempted.error == "the mail server does not offer STARTTLS"
    assert (post.got, post.logins) == ([], [])
    # The control: where mail goes in the clear, it is given both.
    outcome, _ = await attempt(post, "none", user="rapport", password=PASSWORD)
    assert (outcome.is_delivered, post.got, post.logins) == (True, ["a@example.com"], [b"rapport"])


async def test_a_server_that_offers_no_login_is_not_told_one(start: Start):
    post = start(auth_exclude_mechanism=["LOGIN", "PLAIN"], auth_require_tls=False)
    outcome, attempted = await attempt(post, "none", user="rapport", password=PASSWORD)
    assert (outcome.is_delivered, outcome.is_final, post.got) == (False, False, [])
    assert attempted.error == "the mail server offers no way to log in"


@pytest.mark.usefixtures("trusted")
async def test_a_server_that_expects_tls_from_the_first_byte_and_does_not_get_it(
    start: Start, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("services.alerting.telling.deliver_email.TIMEOUT_S", 0.5)
    post = start(ssl_context=context)
    outcome, attempted = await attempt(post, "none", user="rapport", password=PASSWORD)
    assert (outcome.is_delivered, outcome.is_final, post.got) == (False, False, [])
    assert attempted.error
