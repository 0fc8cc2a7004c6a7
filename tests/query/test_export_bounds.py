"""What an export takes: bounded memory, short transactions, and no more work than is waited for."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import psycopg
import pytest
from rapport.query.v1 import export_pb2

from services.query import export_pages, exporting, store_export
from services.query.export_files import writer_of
from services.query.export_streams import PIECE, write
from services.query.exporting import Course, Dataset, Format, Span
from services.query.store_export_rows import Asked, query
from services.runtime.tenancy import set_tenant
from services.storage.schema import conversation
from tests.query.conftest import Service
from tests.query.exports import D, F, data, export, read, tokens
from tests.query.rows import NOW, Rows, ago
from tests.until import until

BUSY = "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE 'COPY%' AND "


def many(rows: Rows, count: int, actions: int = 1) -> None:
    """Write conversations, each with so many lines of what is to be done, of 500 letters."""
    rows.conversation("c0", ago(days=1), recorded_at=ago(hours=1), follow_up_actions=["x" * 500] * actions)
    columns = [c.name for c in conversation.columns]
    copied = ", ".join("'c' || lpad(n::text, 6, '0')" if c == "conversation_id" else c for c in columns)
    rows.conn.execute(
        f"INSERT INTO ingest.conversation ({', '.join(columns)}) SELECT {copied} FROM ingest.conversation, "
        f"generate_series(1, {count - 1}) AS n"
    )


def counted_copies(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note the bytes of every page that is read from now on."""
    sizes: list[int] = []
    copied = store_export.copy_rows

    async def noting(*arguments: Any) -> store_export.Block:
        block = await copied(*arguments)
        sizes.append(len(block.csv))
        return block

    monkeypatch.setattr(store_export, "copy_rows", noting)
    return sizes


@pytest.fixture
async def watching(database_url: str) -> AsyncIterator[Callable[[str], Awaitable[int]]]:
    """Counts the COPYs, under way or last done in an open transaction, that a condition holds of."""
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as conn:

        async def count(condition: str) -> int:
            row = await (await conn.execute((BUSY + condition).encode())).fetchone()
            assert row is not None
            return int(row[0])

        yield count


async def test_pieces_are_small_however_large_rows_are(service: Service, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that would take too much memory are read again as shorter ones; nothing is lost by that."""
    many(rows, 60, actions=50)  # 25 kB each
    monkeypatch.setattr(export_pages, "MOST_BYTES", 100_000)
    sizes = counted_copies(monkeypatch)
    for written_as in (F.csv, F.arrow):
        found = await export(service, format=written_as)
        assert max(len(each.data) for each in found) <= PIECE
        assert len(read(data(found), D.conversations, written_as)) == 60
    assert max(sizes) <= 100_000


async def test_a_page_is_as_long_as_its_bytes_allow() -> None:
    assert exporting.next_page(1000, 0) == 2000
    assert exporting.next_page(1000, exporting.AIM_BYTES) == 1000
    assert exporting.next_page(1000, exporting.MOST_BYTES) == 250
    assert exporting.next_page(1, exporting.MOST_BYTES) == 1
    assert exporting.next_page(exporting.LONGEST_PAGE, 0) == exporting.LONGEST_PAGE


@pytest.mark.parametrize("written_as", list(Format))
async def test_memory_does_not_grow_with_the_file(
    service: Service, rows: Rows, monkeypatch: pytest.MonkeyPatch, written_as: Format
) -> None:
    monkeypatch.setattr(exporting, "LONGEST_PAGE", 250)
    monkeypatch.setattr(export_pages, "FIRST_PAGE", 250)
    monkeypatch.setattr("services.query.export_files.GROUP_ROWS", 500)
    many(rows, 6000, actions=2)
    set_tenant("default")
    async with service.database.snapshot() as conn:
        mark = await export_pages.load_mark(conn, Dataset.CONVERSATIONS, NOW)
        plan = await export_pages.plan(conn, Dataset.CONVERSATIONS, Span(None, None), Course(), mark)

    async def peak_after(pages: int) -> tuple[int, int]:
        """Return the most bytes that were held at once while so many pages were written, and the bytes written."""
        written = done = 0
        tracemalloc.start()
        async for piece in write(export_pages.read_pages(service.database, plan), writer_of(Dataset.CONVERSATIONS, written_as)):
            written += len(piece.data)
            done += 1
            if piece.rows >= 250 * pages:
                break
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak, written

    await peak_after(2)
    (short, few), (long, much) = await peak_after(4), await peak_after(24)
    assert much > 5 * few
    # Pages are of about 300 kB; whoever kept them would need 6 MB.
    assert long < short + 1_000_000


async def test_a_slow_reader_holds_no_transaction(service: Service, rows: Rows, watching: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(exporting, "LONGEST_PAGE", 500)
    monkeypatch.setattr(export_pages, "FIRST_PAGE", 500)
    many(rows, 20_000, actions=2)
    copies = counted_copies(monkeypatch)
    call = service.stub.Export(export_pb2.ExportRequest(dataset=D.conversations))
    await call.read()

    async def nothing_is_open() -> bool:
        before = len(copies)
        await asyncio.sleep(0.3)
        return bool(await watching("state <> 'idle'") == 0) and len(copies) == before

    # The stream's buffers are full after some of the pages: nobody reads, and nothing is open.
    await until(nothing_is_open)
    assert 1 <= len(copies) < 40
    received = [each async for each in call]
    assert received[-1].rows == 20_000
    assert len(copies) == 41


async def test_whoever_goes_away_ends_the_work(service: Service, rows: Rows, database_url: str) -> None:
    many(rows, 100)
    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        await holder.execute("LOCK TABLE scoring.contribution IN ACCESS EXCLUSIVE MODE")
        # The estimate is of the same table: it is what waits first, and then nothing does.
        call = service.stub.Export(export_pb2.ExportRequest(dataset=D.conversations))
        reading = asyncio.ensure_future(call.read())
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as conn:

            async def waits() -> bool:
                row = await (await conn.execute(waiting)).fetchone()
                return row is not None and row[0] > 0

            await until(waits)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading

            async def is_over() -> bool:
                return not await waits()

            await until(is_over, 10)
    # The control: with the table free the connections still serve.
    assert len(read(data(await export(service)), D.conversations)) == 100


async def test_whoever_goes_away_in_the_middle_ends_the_copy(
    service: Service, rows: Rows, watching: Any, monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    many(rows, 300)
    monkeypatch.setattr(export_pages, "FIRST_PAGE", 100)
    slow = query.__wrapped__  # type: ignore[attr-defined]  # functools' name for it

    def slowly(dataset: Dataset, asked: Asked) -> str:
        told: str = slow(dataset, asked)
        # All pages but the first.
        return told.replace("c.session_id,", "c.session_id || pg_sleep(0.05)::text,", 1) if asked.after else told

    monkeypatch.setattr(store_export, "query", slowly)
    call = service.stub.Export(export_pb2.ExportRequest(dataset=D.conversations))
    await call.read()

    async def is_copying() -> bool:
        return bool(await watching("state = 'active'") == 1)

    await until(is_copying)
    call.cancel()

    async def is_over() -> bool:
        return bool(await watching("state <> 'idle'") == 0)

    # The page would take ten seconds.
    await until(is_over, 5)
    # Neither is a connection left in the middle of something, which the pool would complain of.
    ours = [each for each in caplog.records if each.name.startswith(("sqlalchemy", "services."))]
    assert [each.message for each in ours if each.levelname == "ERROR"] == []


async def test_a_deadline_ends_it_with_its_tokens_good(service: Service, rows: Rows, monkeypatch: Any) -> None:
    many(rows, 300)
    monkeypatch.setattr(export_pages, "FIRST_PAGE", 50)
    monkeypatch.setattr(exporting, "LONGEST_PAGE", 50)
    received: list[export_pb2.ExportResponse] = []
    with pytest.raises(grpc.aio.AioRpcError) as failed:  # noqa: PT012  # it fails while it is read
        async for each in service.stub.Export(export_pb2.ExportRequest(dataset=D.conversations), timeout=4):
            received.append(each)
            await asyncio.sleep(1.5)
    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    place, token = tokens(received)[-1]
    before = read(data(received[:place]), D.conversations)
    rest = read(data(await export(service, token=token)), D.conversations)
    assert len({row["conversation_id"] for row in before + rest}) == len(before) + len(rest) == 300


async def test_statements_are_as_many_as_pages(service: Service, rows: Rows, monkeypatch: Any) -> None:
    monkeypatch.setattr(export_pages, "FIRST_PAGE", 10)
    monkeypatch.setattr(exporting, "LONGEST_PAGE", 10)
    many(rows, 100)
    copies = counted_copies(monkeypatch)
    with service.statements() as sent:
        await export(service)
    pages = 11  # the last finds nothing behind the hundredth
    assert len(copies) == pages
    # Settings, what waits, and the tenant; then each page's tenant and end.
    assert len(sent) == 3 + 2 * pages
