"""Makes pieces of a file from pages: of bounded size, one after another, as fast as they are taken.

Where there is nothing to tell for a while, because pages have none or one takes long, a piece without bytes says that the work
goes on, and from where it could.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass

from services.query.export_files import Writer
from services.query.export_pages import Page
from services.query.exporting import Key

#: The largest piece, in bytes.
PIECE = 256 * 1024
#: Seconds without a piece after which one without bytes is sent.
SILENCE_S = 5.0


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a file, the rows that are complete with them, the key that these go up to, and whether the file is complete.

    `end` is None where the file cannot go on from, and with the last piece.
    """

    data: bytes
    rows: int
    end: Key | None = None
    complete: bool = False


async def write(
    pages: AsyncIterator[Page], writer: Writer, seconds: Callable[[], float] = time.monotonic
) -> AsyncGenerator[Piece, None]:
    """Yield the pieces of a file. The first page is read before the first bytes: what fails at once fails without a file.

    `seconds` tells how much time has passed.
    """
    opening, told_at, end = writer.begin(), seconds(), None
    async with aclosing(_ahead(pages, lambda: told_at + SILENCE_S - seconds())) as read:
        async for page in read:
            rows, last = writer.rows, b""
            if page is not None:
                # Columns are made and compressed beside what else the process serves.
                data = opening + await asyncio.to_thread(writer.add, page.block.csv, page.block.rows)
                opening, end = b"", page.end if writer.can_be_cut else None
                *parts, last = _parts(data)
                for part in parts:
                    yield Piece(part, rows)
            if last or seconds() >= told_at + SILENCE_S:
                yield Piece(last, writer.rows, end)
                told_at = seconds()
    rows = writer.rows
    *parts, last = _parts(await asyncio.to_thread(writer.end))
    for part in parts:
        yield Piece(part, rows)
    yield Piece(last, writer.rows, complete=True)


async def _ahead(pages: AsyncIterator[Page], left: Callable[[], float]) -> AsyncGenerator[Page | None, None]:
    """Yield pages, the next one being read while one is dealt with; None when no seconds are `left` before there is one."""

    async def read() -> Page | None:
        return await anext(pages, None)

    reading = asyncio.create_task(read())
    try:
        while True:
            done, _ = await asyncio.wait([reading], timeout=max(left(), 0))
            if not done:
                yield None
                continue
            if (page := reading.result()) is None:
                return
            reading = asyncio.create_task(read())
            yield page
    finally:
        # Whoever goes away ends the work on the next page, too.
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def _parts(data: bytes) -> Iterator[bytes]:
    """Yield data in pieces, at least one."""
    for begin in range(0, max(len(data), 1), PIECE):
        yield data[begin : begin + PIECE]
