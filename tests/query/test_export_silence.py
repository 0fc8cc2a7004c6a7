"""Where nothing is to be told for long, signs of life are: nobody cuts the stream, and what was looked through is done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from rapport.query.v1 import export_pb2

from services.query import export_pages, export_streams, exporting, servicer_export
from services.query.export_files import Writer, writer_of
from services.query.export_pages import Page
from services.query.export_streams import SILENCE_S, Piece, write
from services.query.exporting import Dataset, Format
from services.query.store_export import Block
from tests.query.conftest import Service
from tests.query.exports import D, F, data, export, read, tokens
from tests.query.rows import NOW, Rows, ago
from tests.until import until

PAGES = 60


async def pieces_of(written_as: Format, page_s: float) -> list[tuple[float, Piece]]:
    """Return the pieces of pages without rows, each of which takes so many seconds, with the time at which they come."""
    now = 0.0

    async def pages() -> AsyncIterator[Page]:
        nonlocal now
        for number in range(PAGES):
            now += page_s
            yield Page(Block(b"", 0), (f"k{number}",) if number < PAGES - 1 else None)

    return [(now, piece) async for piece in write(pages(), writer_of(Dataset.COSTS, written_as), lambda: now)]


@pytest.mark.parametrize("written_as", list(Format))
async def test_a_sign_of_life_every_few_seconds(written_as: Format) -> None:
    (first_at, opening), *signs, (_, last) = await pieces_of(written_as, 1)
    assert opening.data
    assert last.complete
    # The first page is told with the opening, and the last one with the end.
    assert len(signs) == (PAGES - 2) // SILENCE_S
    assert [(each.data, each.rows, each.complete) for _, each in signs] == [(b"", 0, False)] * len(signs)
    times = [first_at, *(at for at, _ in signs)]
    assert {after - before for before, after in pairwise(times)} == {SILENCE_S}
    # From a sign of life a stream goes on where the file may be cut.
    assert [each.end is not None for _, each in signs] == [written_as is not Format.PARQUET] * len(signs)


@pytest.mark.parametrize("written_as", list(Format))
async def test_what_is_quick_needs_none(written_as: Format) -> None:
    pieces = [each for _, each in await pieces_of(written_as, SILENCE_S / PAGES / 2)]
    assert [each.complete for each in pieces] == [False, True]


@pytest.mark.parametrize("written_as", list(Format))
async def test_so_is_one_while_a_page_takes_long(written_as: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_streams, "SILENCE_S", 0.05)
    told: list[Piece] = []

    async def pages() -> AsyncIterator[Page]:
        """Yield two empty pages, each of which takes until some signs of life were told."""
        for number, enough in ((1, 3), (2, 8)):
            await until(lambda enough=enough: len(told) >= enough)  # type: ignore[misc]  # the default is its type
            yield Page(Block(b"", 0), (f"k{number}",) if number == 1 else None)

    async for piece in write(pages(), writer_of(Dataset.COSTS, written_as)):
        told.append(piece)  # noqa: PERF401  # pages look at it while it grows
    opening = next(number for number, piece in enumerate(told) if piece.data)
    before, behind = told[:opening], told[opening + 1 : -1]
    assert min(len(before), len(behind)) >= 3
    # Before the first page there is nothing to go on from; then there is what was read last.
    assert {(each.data, each.rows, each.end, each.complete) for each in before} == {(b"", 0, None, False)}
    end = None if written_as is Format.PARQUET else ("k1",)
    assert {(each.data, each.rows, each.end, each.complete) for each in behind[:-1]} == {(b"", 0, end, False)}
    assert told[-1].complete


async def test_whoever_goes_away_ends_the_page_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_streams, "SILENCE_S", 0.02)
    for closes in (True, False):
        became: list[str] = []

        async def pages(became: list[str] = became) -> AsyncIterator[Page]:
            became.append("begun")
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                became.append("cancelled")
                raise
            yield Page(Block(b"", 0), None)

        async def read_on(read: Callable[[], AsyncIterator[Page]] = pages, *, closes: bool = closes) -> None:
            async with aclosing(write(read(), writer_of(Dataset.COSTS, Format.CSV))) as pieces:
                async for _ in pieces:
                    if closes:
                        return

        reader = asyncio.create_task(read_on())
        if closes:
            await reader
        else:
            await until(lambda became=became: became == ["begun"])  # type: ignore[misc]  # the default is its type
            reader.cancel()
            await asyncio.wait([reader])
            assert reader.cancelled()
        assert became == ["begun", "cancelled"]


async def test_what_fails_behind_a_sign_of_life_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_streams, "SILENCE_S", 0.02)
    failing = asyncio.Event()

    async def pages() -> AsyncIterator[Page]:
        await failing.wait()
        raise LookupError
        yield

    written = write(pages(), writer_of(Dataset.COSTS, Format.CSV))
    assert await anext(written) == Piece(b"", 0)
    failing.set()
    with pytest.raises(LookupError):
        assert not [piece async for piece in written if piece.data]


async def test_a_stream_tells_that_its_first_page_takes_long(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    read_pages, go_on = export_pages.read_pages, asyncio.Event()

    async def slowly(*arguments: Any) -> AsyncIterator[Page]:
        await go_on.wait()
        async for page in read_pages(*arguments):
            yield page

    async def told(call: Any) -> list[Any]:
        """Return what a call answers whose first page takes until something was told four times."""
        go_on.clear()
        found = []
        async for each in call:
            found.append(each)
            if len(found) == 4:
                go_on.set()
        return found

    monkeypatch.setattr(export_pages, "read_pages", slowly)
    monkeypatch.setattr(export_streams, "SILENCE_S", 0.05)
    first, *rest = await told(service.stub.Export(export_pb2.ExportRequest(dataset=D.costs), timeout=30))
    assert (first.data, first.HasField("rows_estimated"), first.token, first.complete) == (b"", True, "", False)
    assert not any(each.HasField("rows_estimated") for each in rest)
    assert read(data([first, *rest]), D.costs) == []
    bodies = await told(service.stub.Download(export_pb2.DownloadRequest(dataset=D.costs), timeout=30))
    assert (bodies[0].data, bodies[0].content_type) == (b"", "text/csv; charset=utf-8")
    assert not any(each.content_type for each in bodies[1:])


@pytest.fixture
def sparse(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> Rows:
    """Two costs among a hundred events, pages of six, and a sign of life at every page that tells nothing."""
    monkeypatch.setattr(export_pages, "FIRST_PAGE", 6)
    monkeypatch.setattr(exporting, "LONGEST_PAGE", 6)
    monkeypatch.setattr(servicer_export, "write", written_slowly)
    body = psycopg.types.json.Jsonb({"category": 4, "amount": "12.5", "currency": "EUR"})
    for number in range(100):
        rows.insert(
            "ingest.event", source=4, event_id=f"e{number:03}", kind=13 if number in (50, 90) else 2, occurred_at=ago(days=3),
            body=body, content_hash=b"x", recorded_at=ago(hours=1),
        )  # fmt: skip
    return rows


def written_slowly(pages: AsyncIterator[Page], writer: Writer) -> AsyncGenerator[Piece, None]:
    """Write a file whose every page takes as long as a silence may."""
    now, add = 0.0, writer.add

    def add_slowly(csv: bytes, rows: int) -> bytes:
        nonlocal now
        now += SILENCE_S
        return add(csv, rows)

    writer.add = add_slowly  # type: ignore[method-assign]
    return write(pages, writer, lambda: now)


def events(responses: list[export_pb2.ExportResponse], written_as: int = F.csv) -> list[str]:
    return [row["event_id"] for row in read(data(responses), D.costs, written_as)]


@pytest.mark.parametrize("written_as", [F.csv, F.arrow])
async def test_a_stream_goes_on_behind_what_it_has_looked_through(service: Service, sparse: Rows, written_as: int) -> None:
    whole = await export(service, D.costs, format=written_as)
    assert events(whole, written_as) == ["e050", "e090"]
    assert len(tokens(whole)) == 16
    for place, token in tokens(whole):
        with service.statements() as sent:
            rest = await export(service, D.costs, format=written_as, token=token)
        assert events(whole[:place], written_as) + events(rest, written_as) == ["e050", "e090"]
        assert len([statement for statement in sent if "OFFSET" in statement]) == 17 - place


async def test_so_does_one_of_changes(service: Service, sparse: Rows) -> None:
    token = (await export(service, D.costs))[-1].token
    sparse.conn.execute("UPDATE ingest.event SET recorded_at = %s WHERE event_id = 'e090'", [NOW])
    changed = await export(service, D.costs, token=token)
    assert (events(changed), len(tokens(changed))) == (["e090"], 16)
    assert [events(await export(service, D.costs, token=each)) for _, each in tokens(changed)] == [["e090"]] * 15 + [[]]


async def test_a_parquet_file_and_a_download_are_what_they_were(service: Service, sparse: Rows) -> None:
    whole = await export(service, D.costs, format=F.parquet)
    assert (events(whole, F.parquet), tokens(whole)) == (["e050", "e090"], [])
    assert len([each for each in whole if not each.data]) == 16
    request = export_pb2.DownloadRequest(dataset=D.costs)
    bodies = [each async for each in service.stub.Download(request, timeout=30)]
    assert b"".join(each.data for each in bodies) == data(await export(service, D.costs))
    assert [bool(each.content_type) for each in bodies] == [True] + [False] * (len(bodies) - 1)
