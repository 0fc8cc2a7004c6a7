"""Look-ups of names: each in a thread that nobody can end, so that it is bounded how many of them one tenant holds."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import Future
from threading import Thread
from typing import NamedTuple

#: Names looked up at once, in all and of one tenant. What nobody waits for any more counts until its thread is done with it.
MOST, MOST_OF_TENANT = 128, 4

Found = list[tuple[str, int]]


class _Asked(NamedTuple):
    """Who looks up what."""

    tenant: str
    host: str
    family: int


class Lookups:
    """Look-ups under way. Who asks for a name that is being looked up for the same tenant waits for that answer."""

    def __init__(self) -> None:
        self._under_way: dict[_Asked, asyncio.Future[Found]] = {}

    async def find(self, tenant: str, host: str, family: int) -> Found:
        """Return the addresses of a name with their families, once there is room to look it up. Raises OSError."""
        asked = _Asked(tenant, host, family)
        while asked not in self._under_way:
            theirs = [future for each, future in self._under_way.items() if each.tenant == tenant]
            if len(theirs) < MOST_OF_TENANT and len(self._under_way) < MOST:
                self._begin(asked)
            else:
                awaited = theirs if len(theirs) >= MOST_OF_TENANT else list(self._under_way.values())
                await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
        return await asyncio.shield(self._under_way[asked])

    def _begin(self, asked: _Asked) -> None:
        answer: Future[Found] = Future()
        # A daemon: a name server that does not answer must not keep the process from ending.
        Thread(target=_look, args=(answer, asked), name="names", daemon=True).start()
        self._under_way[asked] = future = asyncio.wrap_future(answer)
        future.add_done_callback(lambda done: self._end(asked, done))

    def _end(self, asked: _Asked, done: asyncio.Future[Found]) -> None:
        del self._under_way[asked]
        # Looked at, or it would be complained of where nobody waits any more.
        done.exception()


def lookup(host: str, family: int) -> Found:
    """Return the addresses of a name with their families. Raises OSError."""
    found = socket.getaddrinfo(host, None, family=family, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((str(sockaddr[0]), int(kind)) for kind, _, _, _, sockaddr in found))


def _look(answer: Future[Found], asked: _Asked) -> None:
    try:
        answer.set_result(lookup(asked.host, asked.family))
    except Exception as exc:  # noqa: BLE001 who waits raises it
        answer.set_exception(exc)
