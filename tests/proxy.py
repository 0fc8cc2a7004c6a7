"""A TCP proxy that can do to connections what networks do: cut them, refuse them, or swallow what they carry."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_CHUNK = 64 * 1024
#: SO_LINGER of no seconds: the connection ends with a reset, and what was not yet delivered is gone.
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Passes connections to 127.0.0.1:`port` on to `target`, another port there, which may be changed."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        #: Whether new connections are reset at once.
        self.refuses = False
        #: Cleared, nothing passes in either direction, and nobody is told.
        self.passes = asyncio.Event()
        self.passes.set()
        self.cuts = 0
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._open) // 2

    def cut(self) -> int:
        """Reset every connection, and return how many that were."""
        count = self.connections
        for writer in self._open:
            _reset(writer)
        self.cuts += count
        return count

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        try:
            if self.refuses:
                raise ConnectionRefusedError
            there_reader, there = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _reset(writer)
            return
        self._open |= {writer, there}
        try:
            await asyncio.gather(self._pump(reader, there), self._pump(there_reader, writer))
        except OSError:
            pass
        finally:
            self._open -= {writer, there}
            for each in (writer, there):
                _reset(each)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            await self.passes.wait()
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


@asynccontextmanager
async def proxying(target: int) -> AsyncIterator[Proxy]:
    """Run a proxy to a port within the block."""
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut()
        proxy.passes.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 2)
