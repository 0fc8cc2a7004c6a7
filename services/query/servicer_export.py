"""Facts and numbers as files."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

from google.api import httpbody_pb2
from rapport.query.v1 import export_pb2, vocabulary_pb2

from services.query import convert, export_alerts, export_pages, export_tokens
from services.query.calls import Calls, Context
from services.query.export_files import writer_of
from services.query.export_pages import Page, Plan
from services.query.export_streams import Piece, write
from services.query.exporting import MOST_EXPORTS, Course, Dataset, Format, Span
from services.runtime.errors import FieldViolation, InvalidArgument, ResourceExhausted
from services.runtime.tenancy import current_tenant

_CONTENT_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.ARROW: "application/vnd.apache.arrow.stream",
    Format.PARQUET: "application/vnd.apache.parquet",
}


#: Seconds after which an export that is one too many may be asked for again.
_RETRY_S = 5


class ExportCalls(Calls):
    """Facts and numbers as files, page by page: memory stays the same, however long the file and however slow its reader."""

    def __init__(self, *parts: Any, max_exports: int = MOST_EXPORTS) -> None:
        super().__init__(*parts)
        self._max_exports = max_exports
        #: Exports that go on, by tenant.
        self._exports: Counter[str] = Counter()

    async def Export(self, request: export_pb2.ExportRequest, context: Context) -> AsyncIterator[export_pb2.ExportResponse]:
        """Stream a file in pieces, each with what goes on behind it."""
        await self._wait(request, context)
        signer = self._pages.signer
        course = export_tokens.read(signer, request)
        with self._one_of_few():
            export, estimated = await self._begin(request, course)
            async with aclosing(self._pieces(request, export)) as pieces:
                async for piece in pieces:
                    message = export_pb2.ExportResponse(data=piece.data, rows=piece.rows, complete=piece.complete)
                    if piece.complete:
                        message.token = export_tokens.token(signer, request, export.course.following())
                    elif piece.end is not None:
                        message.token = export_tokens.token(signer, request, export.course.at(piece.end))
                    if estimated is not None:
                        message.rows_estimated, estimated = estimated, None
                    yield message

    async def Download(self, request: export_pb2.DownloadRequest, context: Context) -> AsyncIterator[httpbody_pb2.HttpBody]:
        """Stream a file's bytes; the first message tells what they are."""
        content_type = _CONTENT_TYPES[_format_of(request)]
        with self._one_of_few():
            export, _ = await self._begin(request, Course())
            async with aclosing(self._pieces(request, export)) as pieces:
                async for piece in pieces:
                    yield httpbody_pb2.HttpBody(content_type=content_type, data=piece.data)
                    content_type = ""

    @contextmanager
    def _one_of_few(self) -> Iterator[None]:
        """Be one of the exports at once for as long as the block lasts: of all tenants', and of the half that one may have.

        Raises ResourceExhausted (OVERLOADED).
        """
        tenant = current_tenant()
        # Rounded up, it is never nothing.
        if self._exports.total() >= self._max_exports or self._exports[tenant] >= (self._max_exports + 1) // 2:
            raise ResourceExhausted("OVERLOADED", "too many exports at once; try again", retry_after_s=_RETRY_S)
        self._exports[tenant] += 1
        try:
            yield
        finally:
            self._exports[tenant] -= 1
            if not self._exports[tenant]:
                del self._exports[tenant]

    async def _begin(self, request: Any, course: Course) -> tuple[Plan, int | None]:
        """Return what is exported, and about how many rows that are; None where nobody knows."""
        now = self._clock()
        dataset, span = _dataset_of(request), _span_of(request)
        async with self._database.snapshot() as conn:
            mark = course.mark or await export_pages.load_mark(conn, dataset, now)
            export = await export_pages.plan(conn, dataset, span, course, mark)
            # Nobody knows how much has changed, nor how many alerts there are.
            is_known = course.since is None and dataset is not Dataset.ALERTS
            return export, await export_pages.estimate(conn, export) if is_known else None

    async def _pieces(self, request: Any, export: Plan) -> AsyncGenerator[Piece, None]:
        writer = writer_of(export.dataset, _format_of(request))
        async with aclosing(self._read(request, export)) as pages, aclosing(write(pages, writer)) as pieces:
            async for piece in pieces:
                yield piece

    def _read(self, request: Any, export: Plan) -> AsyncGenerator[Page, None]:
        if export.dataset is Dataset.ALERTS:
            return export_alerts.read_pages(self._siblings, _span_of(request), export.course)
        return export_pages.read_pages(self._database, export)


def _dataset_of(request: Any) -> Dataset:
    return Dataset(vocabulary_pb2.ExportDataset.Value.Name(request.dataset))


def _format_of(request: Any) -> Format:
    """Return how a file is to be written: CSV where that is not told."""
    return Format(vocabulary_pb2.ExportFormat.Value.Name(request.format)) if request.format else Format.CSV


def _span_of(request: Any) -> Span:
    span = Span(convert.given_moment(request, "start_time"), convert.given_moment(request, "end_time"))
    if span.start is not None and span.end is not None and span.start >= span.end:
        sentence = "the period is empty: end_time must be after start_time"
        raise InvalidArgument("UNSUPPORTED_WINDOW", sentence, violations=[FieldViolation("end_time", "window", sentence)])
    return span
