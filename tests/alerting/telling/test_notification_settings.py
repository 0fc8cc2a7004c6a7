"""Settings of notifications."""

from __future__ import annotations

from typing import Any

import pytest

from services.alerting.settings import AlertingSettings
from services.runtime.settings import complaints


def settings(**more: Any) -> AlertingSettings:
    return AlertingSettings(**{"database_url": "postgresql://u@h/d", **more})


def test_settings_of_notifications():
    assert not settings().receivers().allow_local
    assert settings(allow_local_receivers=True).receivers().allow_local
    assert settings(allow_local_receivers=True, pagerduty_url="http://127.0.0.1:1/").pagerduty_url == "http://127.0.0.1:1/"
    made = settings(smtp_host="mail", smtp_from="R <r@example.com>", smtp_password="S3CRET")
    assert made.receivers().mail.password == "S3CRET"
    assert "S3CRET" not in repr(made) + repr(made.receivers())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"allow_local_receivers": True, "host": "0.0.0.0"}, "loopback"),
        ({"smtp_host": "mail"}, "RAPPORT_SMTP_FROM is refused: must be set beside a mail server"),
        ({"smtp_from": "nobody"}, "RAPPORT_SMTP_FROM is refused: must have an address in it"),
        ({"pagerduty_url": "http://events.example.com"}, "RAPPORT_PAGERDUTY_URL is refused: must begin with https://"),
        ({"pagerduty_url": "https://10.0.0.1/"}, "RAPPORT_PAGERDUTY_URL is refused: must name a public host"),
        ({"smtp_tls": "maybe"}, "RAPPORT_SMTP_TLS is refused"),
    ],
)
def test_settings_that_are_refused(wrong: dict[str, Any], says: str):
    with pytest.raises(ValueError, match="validation error") as caught:
        settings(**wrong)
    assert any(says in sentence for sentence in complaints(AlertingSettings, caught.value))  # type: ignore[arg-type]
