"""A whole process, as a service composes it: streams until it is told to drain, then says goodbye."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

from pydantic import Field
from rapport.auth.v1 import scope_pb2

from services.runtime import telemetry
from services.runtime.process import run
from services.runtime.server import Registration, serve
from services.runtime.settings import ServiceSettings, load_settings
from services.runtime.workers import supervise
from tests.runtime.four_kinds import NAME, FourKinds, Request, Response, add_to_server, declare


class ExampleSettings(ServiceSettings):
    """Settings of the example."""

    port: int = Field(0, ge=0, le=65535, description="the port to listen on")


class Farewell(FourKinds):
    """`Many` sends "hello", then "goodbye" once the end begins; `One` takes a second, or for ever."""

    def __init__(self) -> None:
        super().__init__(self.slow)
        self.draining = asyncio.Event()

    async def slow(self, request: Request) -> Response:
        print("working", flush=True)  # noqa: T201
        await asyncio.sleep(3600 if request.conversation.agent_id == "forever" else 1)
        return Response(conversation_id="done")

    async def Many(self, request: Request, context: Any) -> AsyncIterator[Response]:  # noqa: N802 the method's name
        yield Response(conversation_id="hello")
        await self.draining.wait()
        yield Response(conversation_id="goodbye")

    async def drain(self) -> None:
        self.draining.set()


async def work(stop: asyncio.Event) -> None:
    await stop.wait()
    print("work ended", flush=True)  # noqa: T201


async def main() -> None:
    settings = load_settings(ExampleSettings)
    if settings.workers > 1:
        await supervise(settings)
        return
    watched = telemetry.setup("rapport-example", settings)
    name = os.environ.get("EXAMPLE_NAME", NAME)
    if name != NAME:
        declare(name, scoped=False)
    servicer = Farewell()
    await serve(
        settings,
        [Registration(name, add_to_server, servicer)],
        scope_extension=scope_pb2.scope,
        telemetry=watched,
        background=[work],
        on_drain=[servicer.drain],
    )


if __name__ == "__main__":
    run(main())
