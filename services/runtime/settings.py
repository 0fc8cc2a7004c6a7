"""Settings of a process: read from the environment once, refused with clear sentences."""

from __future__ import annotations

import ipaddress
import sys
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

PREFIX = "RAPPORT_"

#: Signs tokens where only this machine can call and no key is set: known to everybody, hence good for development only.
DEVELOPMENT_KEY = b"rapport-development-signing-key"

_SHORTEST_KEY = 16

Settings = TypeVar("Settings", bound=BaseSettings)


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _long_enough(keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    if any(len(key.get_secret_value()) < _SHORTEST_KEY for key in keys):
        raise ValueError(f"each key must have at least {_SHORTEST_KEY} characters")
    return keys


class ServiceSettings(BaseSettings):
    """What every service is told; each service's subclass gives its own default port and adds what is its own."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True)

    database_url: str = Field(repr=False, description="the PostgreSQL to use, such as postgresql://user@localhost/rapport")
    host: str = Field("127.0.0.1", description="the address to listen on")
    port: int = Field(ge=0, le=65535, description="the port to listen on; 0 takes a free one")
    metrics_port: int = Field(0, ge=0, le=65535, description="the port that serves metrics to Prometheus; 0 serves none")
    otlp_endpoint: str = Field("", description="the OpenTelemetry collector, such as http://localhost:4317; empty sends nothing")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING or ERROR")
    signing_keys: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split), AfterValidator(_long_enough)] = Field(
        (), repr=False, description="secrets that sign tokens, separated by commas: the first signs, all verify"
    )
    max_message_bytes: int = Field(4 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024, description="the largest message, in bytes")
    max_request_bytes: int = Field(
        64 * 1024 * 1024, ge=1024 * 1024, description="bytes of the requests served at once; each stream reads its own ahead"
    )
    max_concurrent_calls: int = Field(256, ge=1, description="calls served at once")
    max_streams: int = Field(2000, ge=1, description="streams served at once")
    streams_per_tenant: int = Field(1000, ge=1, description="how many of these for one tenant")
    write_timeout_seconds: float = Field(30, gt=0, description="how long a stream may wait for a reader that does not read")
    workers: int = Field(1, ge=1, le=64, description="processes that serve the port together")
    port_is_shared: bool = Field(False, description="whether this is one of them; the process that starts them says so")
    drain_seconds: float = Field(8, gt=0, le=9, description="how long calls may take to end once the process is told to stop")

    @field_validator("host")
    @classmethod
    def _is_loopback(cls, host: str) -> str:
        if not is_loopback(host):
            raise ValueError("must be a loopback address (127.0.0.1, ::1 or localhost) as long as no credentials are configured")
        return host

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, url: str) -> str:
        try:
            backend = make_url(url).get_backend_name()
        except ArgumentError:
            backend = ""
        if backend != "postgresql":
            raise ValueError("must be a URL such as postgresql://user@localhost/rapport")
        return url

    @property
    def address(self) -> str:
        """Where the service listens, as host:port."""
        return join_address(self.host, self.port)

    def signing_key_bytes(self) -> tuple[bytes, ...]:
        """Return the keys of tokens, the signing one first: the development key when none is set (loopback only)."""
        if self.signing_keys:
            return tuple(key.get_secret_value().encode() for key in self.signing_keys)
        if not is_loopback(self.host):
            raise ValueError(f"{PREFIX}SIGNING_KEYS must be set to listen on an address that others can reach")
        return (DEVELOPMENT_KEY,)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def join_address(host: str, port: int) -> str:
    """Return host:port, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def load_settings(cls: type[Settings]) -> Settings:
    """Return the settings that the environment gives; where it cannot, say why, a sentence a setting, and exit with 2."""
    try:
        return cls()
    except ValidationError as error:
        for sentence in complaints(cls, error):
            sys.stderr.write(sentence + "\n")
        raise SystemExit(2) from None


def complaints(cls: type[BaseSettings], error: ValidationError) -> list[str]:
    """Return one sentence a bad setting; none repeats what was set, since that may be a secret."""
    return [_complaint(cls, str(found["loc"][0]), found) for found in error.errors(include_input=False, include_url=False)]


def _complaint(cls: type[BaseSettings], name: str, found: Any) -> str:
    variable = f"{cls.model_config.get('env_prefix', '')}{name}".upper()
    meaning = cls.model_fields[name].description or "see the documentation"
    if found["type"] == "missing":
        return f"{variable} must be set: {meaning}."
    problem = found["ctx"]["error"] if found["type"] == "value_error" else found["msg"][:1].lower() + found["msg"][1:]
    return f"{variable} is refused: {problem} (it is {meaning})."
