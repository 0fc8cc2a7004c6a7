"""A query service that exports, as a test wants it to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import pairwise

import pyarrow as pa
from rapport.query.v1.export_pb2 import ExportRequest, ExportResponse

from tests.cli.query_servicer import Query
from tests.cli.servicers import refuse, status

HEADER = b"conversation_id,tags\n"
ROWS = [f"c{number},x\n".encode() for number in range(6)]
SCHEMA = pa.schema([("conversation_id", pa.string()), ("tags", pa.list_(pa.string()))])
GONE = ("UNAVAILABLE", "DATABASE_UNAVAILABLE", "the database cannot be reached")


def arrow_messages() -> list[bytes]:
    """Return a schema, batches of a row each, and the end, as a stream of Arrow's has them."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA) as stream:
        ends = []
        for row in range(6):
            stream.write_batch(pa.record_batch([[f"c{row}"], [["x"] * row]], schema=SCHEMA))
            ends.append(sink.tell())
    whole = sink.getvalue().to_pybytes()
    schema = 8 + int.from_bytes(whole[4:8], "little")
    return [whole[begin:end] for begin, end in pairwise([0, schema, *ends, len(whole)])]


@dataclass
class Exporting(Query):
    """Tells six rows, one a piece, each with a token that is its number, two of them in the piece with the opening."""

    opening: bytes = HEADER
    rows: list[bytes] = field(default_factory=lambda: list(ROWS))
    end: bytes = b""
    with_tokens: bool = True
    #: How many streams are turned away before one is served.
    turned_away: int = 0
    #: After how many rows each stream is cut.
    cuts: list[int] = field(default_factory=list)
    #: What streams are cut with; None: they just end.
    cut_with: tuple[str, str, str] | None = GONE

    async def Export(self, request: ExportRequest, context) -> AsyncIterator[ExportResponse]:  # noqa: N802 - the contract names it
        kept = ExportRequest()
        kept.CopyFrom(request)
        self.calls.append(kept)
        if self.failure is not None:
            await refuse(context, self.failure)
        if self.turned_away:
            self.turned_away -= 1
            await refuse(context, status("RESOURCE_EXHAUSTED", "OVERLOADED", "too many exports at once; try again"))
        begin = int(request.token) if request.token.isdecimal() else 0
        cut = self.cuts.pop(0) if self.cuts else None
        yield ExportResponse(data=self.opening[:5], rows_estimated=6 - begin)
        yield ExportResponse(data=self.opening[5:])
        for told, row in enumerate(self.rows[begin:], 1):
            if cut is not None and told > cut:
                # Some of the next row is on its way already.
                yield ExportResponse(data=row[:2], rows=told - 1)
                if self.cut_with is not None:
                    await refuse(context, status(*self.cut_with))
                return
            yield ExportResponse(data=row, rows=told, token=str(begin + told) if self.with_tokens else "")
        yield ExportResponse(data=self.end, rows=6 - begin, complete=True, token="the last")
