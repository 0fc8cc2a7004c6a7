"""Posts to receivers of tenants: to public addresses, over HTTPS, within bounded time, following nothing, reading no answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from services.alerting.telling.addresses import complaint, may_be_called
from services.alerting.telling.attempts import Outcome, of_status
from services.alerting.telling.lookups import Lookups
from services.runtime.tenancy import current_tenant

#: Seconds that an attempt may last, from the look-up of the name to the answer's head.
TIMEOUT_S = 10.0

_USER_AGENT = "Rapport"
_REFUSED = "the address is not public, and must not be called"
_UNREACHABLE = "the receiver could not be reached"
_TOO_SLOW = f"the receiver did not answer within {TIMEOUT_S:.0f} s"


@dataclass(frozen=True, slots=True)
class Post:
    """A request: where it goes and what it says. Both may be secret."""

    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class AddressRefused(Exception):
    """A name stands for an address that must not be called."""


class Resolver(AbstractResolver):
    """Looks a name up for a tenant, once an attempt; refuses it when any of its addresses must not be called.

    What was checked is what is called.
    """

    def __init__(self, lookups: Lookups, tenant: str, *, allow_local: bool) -> None:
        self._lookups = lookups
        self._tenant = tenant
        self._allow_local = allow_local

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        """Return the addresses of a name. Raises OSError when there are none, AddressRefused when one must not be called."""
        found = await self._lookups.find(self._tenant, host, family)
        if not all(may_be_called(address, allow_local=self._allow_local) for address, _ in found):
            raise AddressRefused
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=socket.IPPROTO_TCP, flags=_NUMERIC)
            for address, kind in found
        ]

    async def close(self) -> None:
        """Keep the look-ups: a connector that closes is not the last."""


_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Poster:
    """Posts of the current tenant, each over a connection of its own."""

    def __init__(self, *, allow_local: bool = False) -> None:
        self._allow_local = allow_local
        self._lookups = Lookups()

    async def post(self, post: Post) -> Outcome:
        """Post once and return what came of it."""
        if complaint(post.url, allow_local=self._allow_local) is not None or not self._is_callable(post.url):
            return Outcome(False, error=_REFUSED, is_final=True, may_have_arrived=False)
        connected = asyncio.Event()
        try:
            return await self._send(post, connected)
        except AddressRefused:
            return Outcome(False, error=_REFUSED, is_final=True, may_have_arrived=False)
        except TimeoutError:
            return Outcome(False, error=_TOO_SLOW, may_have_arrived=connected.is_set())
        except aiohttp.ClientConnectorCertificateError:
            return Outcome(False, error="the receiver's certificate is not valid", may_have_arrived=False)
        except (aiohttp.ClientError, OSError, ValueError):
            return Outcome(False, error=_UNREACHABLE, may_have_arrived=connected.is_set())

    def _is_callable(self, url: str) -> bool:
        """Tell whether the host is a name, or an address that may be called; asked in the words of what calls it."""
        host = URL(url).host or ""
        if ":" not in host and not host.replace(".", "").isdigit():
            return bool(host)
        return may_be_called(host, allow_local=self._allow_local)

    async def _send(self, post: Post, connected: asyncio.Event) -> Outcome:
        """Post; `connected` is set once there is a connection, so that the receiver may know of it, whatever it answers."""
        headers = {"Content-Type": "application/json", "User-Agent": _USER_AGENT, **post.headers}
        options: dict[str, Any] = {"allow_redirects": False, "headers": headers}
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        resolver = Resolver(self._lookups, current_tenant(), allow_local=self._allow_local)
        # No environment, no cookies, no connection that is kept: an attempt knows nothing of others.
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=timeout,
                auto_decompress=False,
                trust_env=False,
                trace_configs=[_telling(connected)],
            ) as session,
            session.post(post.url, data=post.body, **options) as answer,
        ):
            # What the receiver says beyond its status is not read, however long it is.
            return of_status(answer.status, retry_after_s(answer.headers.get("Retry-After", ""), datetime.now(UTC)))


def _telling(connected: asyncio.Event) -> aiohttp.TraceConfig:
    """Return what tells when there is a connection."""

    async def tell(*_: object) -> None:
        connected.set()

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(tell)
    return trace


def retry_after_s(told: str, now: datetime) -> float | None:
    """Return for how long a receiver asks to be left alone, in seconds (RFC 9110, section 10.2.3); None when it does not."""
    if told.isascii() and told.isdigit():
        return float(told[:9])
    try:
        at = parsedate_to_datetime(told)
    except (TypeError, ValueError, OverflowError):
        return None
    return max((at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds(), 0.0)
