"""Settings fail at the start, in clear sentences, and keep secrets to themselves."""

from __future__ import annotations

import pytest
from pydantic import Field

from services.runtime.settings import DEVELOPMENT_KEY, ServiceSettings, is_loopback, join_address, load_settings


class ExampleSettings(ServiceSettings):
    port: int = Field(7001, ge=0, le=65535, description="the port to listen on")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("RAPPORT_DATABASE_URL", "postgresql://user:hunter2@localhost/rapport")
    return monkeypatch


def refusal(capsys) -> str:
    with pytest.raises(SystemExit) as caught:
        load_settings(ExampleSettings)
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


def test_defaults():
    settings = load_settings(ExampleSettings)
    assert settings.address == "127.0.0.1:7001"
    assert settings.signing_key_bytes() == (DEVELOPMENT_KEY,)
    assert "hunter2" not in repr(settings)


def test_the_environment_is_read(environment):
    environment.setenv("RAPPORT_PORT", "0")
    environment.setenv("RAPPORT_HOST", "::1")
    environment.setenv("RAPPORT_SIGNING_KEYS", "the-newest-of-the-keys, an-older-one-of-them,")
    settings = load_settings(ExampleSettings)
    assert settings.address == "[::1]:0"
    assert settings.signing_key_bytes() == (b"the-newest-of-the-keys", b"an-older-one-of-them")
    assert "newest" not in repr(settings)


def test_what_is_missing_is_named_with_its_meaning(environment, capsys):
    environment.delenv("RAPPORT_DATABASE_URL")
    assert refusal(capsys) == (
        "RAPPORT_DATABASE_URL must be set: the PostgreSQL to use, such as postgresql://user@localhost/rapport.\n"
    )


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("RAPPORT_PORT", "many", "should be a valid integer"),
        ("RAPPORT_PORT", "70000", "less than or equal to 65535"),
        ("RAPPORT_HOST", "0.0.0.0", "must be a loopback address"),
        ("RAPPORT_HOST", "example.org", "as long as no credentials are configured"),
        ("RAPPORT_LOG_LEVEL", "LOUD", "DEBUG, INFO, WARNING or ERROR"),
        ("RAPPORT_DATABASE_URL", "mysql://user:hunter2@db/x", "must be a URL such as postgresql://"),
        ("RAPPORT_DATABASE_URL", "hunter2", "must be a URL such as postgresql://"),
        ("RAPPORT_SIGNING_KEYS", "long-enough-to-sign-with,hunter2", "at least 16 characters"),
        ("RAPPORT_DRAIN_SECONDS", "60", "less than or equal to 9"),
    ],
)
def test_what_is_wrong_is_named_in_one_sentence(environment, capsys, variable, value, sentence):
    environment.setenv(variable, value)
    printed = refusal(capsys)
    assert printed.startswith(f"{variable} is refused: ")
    assert sentence in printed
    assert printed.count("\n") == 1
    assert "hunter2" not in printed
    assert "pydantic" not in printed.lower()


def test_each_bad_setting_has_its_sentence(environment, capsys):
    environment.setenv("RAPPORT_PORT", "many")
    environment.setenv("RAPPORT_MAX_STREAMS", "0")
    assert [line.split()[0] for line in refusal(capsys).splitlines()] == ["RAPPORT_PORT", "RAPPORT_MAX_STREAMS"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example.org", ""])
def test_not_loopback(host):
    assert not is_loopback(host)


def test_addresses():
    assert join_address("::1", 7) == "[::1]:7"
    assert join_address("localhost", 7) == "localhost:7"
