"""Where nothing is to be told for long, signs of life are: nobody cuts the stream, and what was looked through is done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise

import psycopg
import pytest
from rapport.query.v1 import export_pb2

from services.query import export_pages, export_streams, exporting
from services.query.export_files import writer_of
from services.query.export_pages import Page
from services.query.export_streams import SILENCE_S, Piece, write
from services.query.exporting import Dataset, Format
from services.query.store_export import Block
from tests.query.conftest import Service
from tests.query.exports import D, F, data, export, read, tokens
from tests.query.rows import NOW, Rows, ago

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


@pytest.fixture
def sparse(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> Rows:
    """Two costs among a hundred events, pages of six, and a sign of life at every page that tells nothing."""
    monkeypatch.setattr(export_pages, "FIRST_PAGE", 6)
    monkeypatch.setattr(exporting, "LONGEST_PAGE", 6)
    monkeypatch.setattr(export_streams, "SILENCE_S", 0.0)
    body = psycopg.types.json.Jsonb({"category": 4, "amount": "12.5", "currency": "EUR"})
    for number in range(100):
        rows.insert(
            "ingest.event", source=4, event_id=f"e{number:03}", kind=13 if number in (50, 90) else 2, occurred_at=ago(days=3),
            body=body, content_hash=b"x", recorded_at=ago(hours=1),
        )  # fmt: skip
    return rows


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
