"""Questions to the gateway, straight to the loopback address whatever proxies the environment names."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

OK = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """HTTP status and decoded JSON; status 0 when nobody answered."""

    status: int
    body: Any


class Client:
    """Asks the gateway on a port."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def get(self, path: str, parameters: Mapping[str, str] | None = None) -> Answer:
        """Ask for a path. Parameters whose value is empty are left out."""
        query = urlencode({k: v for k, v in (parameters or {}).items() if v})
        return await asyncio.to_thread(self._call, "GET", f"{path}?{query}" if query else path, None)

    async def send(self, verb: str, path: str, body: Any) -> Answer:
        """Send a JSON body."""
        return await asyncio.to_thread(self._call, verb, path, json.dumps(body))

    def _call(self, verb: str, path: str, body: str | None) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request(verb, path, body, {"content-type": "application/json"})
            response = connection.getresponse()
            return Answer(response.status, _decoded(response.read()))
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, {"message": str(error)})
        finally:
            connection.close()


def _decoded(content: bytes) -> Any:
    try:
        return json.loads(content or b"{}")
    except ValueError:
        return {"message": content.decode(errors="replace")}
