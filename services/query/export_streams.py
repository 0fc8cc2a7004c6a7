"""Makes pieces of a file from pages: of bounded size, one after another, as fast as they are taken.

Where pages have nothing to tell for a while, a piece without bytes says that the work goes on, and from where it could.
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
    """Yield the pieces of a file. The first page is read before the first piece: what fails at once fails without a file.

    `seconds` tells how much time has passed.
    """
    opening, told_at = writer.begin(), seconds()
    async with aclosing(_ahead(pages)) as read:
        async for page in read:
            rows = writer.rows
            # Columns are made and compressed beside what else the process serves.
            data = opening + await asyncio.to_thread(writer.add, page.block.csv, page.block.rows)
            opening = b""
            *parts, last = _parts(data)
            for part in parts:
                yield Piece(part, rows)
            if last or seconds() >= told_at + SILENCE_S:
                yield Piece(last, writer.rows, page.end if writer.can_be_cut else None)
                told_at = seconds()
    rows = writer.rows
    *parts, last = _parts(await asyncio.to_thread(writer.end))
    for part in parts:
        yield Piece(part, rows)
    yield Piece(last, writer.rows, complete=True)


async def _ahead(pages: AsyncIterator[Page]) -> AsyncGenerator[Page, None]:
    """Yield pages, the next one being read while one is dealt with."""

    async def read() -> Page | None:
        return await anext(pages, None)

    reading = asyncio.create_task(read())
    try:
        while (page := await reading) is not None:
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
