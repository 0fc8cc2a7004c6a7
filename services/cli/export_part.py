"""A file in the making: what came is kept up to the last token, and what comes after a cut is put behind it."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from rapport.query.v1 import vocabulary_pb2
from rapport.query.v1.export_pb2 import ExportResponse
from rich.progress import TextColumn, TimeElapsedColumn

from rapport_client import Failure
from services.cli.bar import Bar
from services.cli.layout import ERR

_ARROW, _PARQUET = vocabulary_pb2.ExportFormat.arrow, vocabulary_pb2.ExportFormat.parquet
#: Bytes before a message of Arrow's stream: a marker, and the length of what follows.
_ARROW_PREFIX = 8


class Part:
    """FILE.part, which becomes FILE when it is complete."""

    def __init__(self, file: Path, written_as: int) -> None:
        self._target = file
        self._path = file.with_name(f"{file.name}.part")
        self._file = self._path.open("wb")
        self._format = written_as
        #: Bytes, rows and token of what a stream can go on behind.
        self._kept = self._kept_rows = 0
        #: Rows of the streams before this one.
        self._rows_before = 0
        self._token = ""
        #: What comes first in a stream and is in the file already, as far as it has come; None when all is to be written.
        self._opening: bytes | None = None
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    @property
    def can_go_on(self) -> bool:
        """Whether what came can be kept, or nothing came that cannot."""
        return self._format != _PARQUET or not self._file.tell()

    def take(self, piece: ExportResponse) -> None:
        """Write a piece."""
        self._file.write(self._without_opening(piece.data))
        self.rows = self._rows_before + piece.rows
        if piece.token:
            self._token, self._kept, self._kept_rows = piece.token, self._file.tell(), self.rows

    def go_back(self, token: str) -> str:
        """Forget what came behind the last token, and return it; without one, forget everything and return `token`."""
        self._file.seek(self._kept)
        self._file.truncate()
        self.rows = self._rows_before = self._kept_rows
        self._opening = b"" if self._token else None
        return self._token or token

    def finish(self) -> Path:
        """Give the file its name, write the token beside it and return where."""
        self._file.close()
        self._path.replace(self._target)
        beside = token_beside(self._target)
        beside.write_text(f"{self._token}\n")
        return beside

    def _without_opening(self, data: bytes) -> bytes:
        """Return data without the header or schema that a stream begins with when the file has it already."""
        if self._opening is None:
            return data
        self._opening += data
        length = _opening_length(self._opening, self._format)
        if length is None:
            return b""
        rest, self._opening = self._opening[length:], None
        return rest


def token_beside(file: Path) -> Path:
    """Return where the token of a file is written."""
    return file.with_name(f"{file.name}.token")


def _opening_length(data: bytes, written_as: int) -> int | None:
    """Return the length of a CSV's header or of an Arrow stream's schema; None while it has not come whole."""
    if written_as != _ARROW:
        return data.find(b"\n") + 1 or None
    if len(data) < _ARROW_PREFIX:
        return None
    length = _ARROW_PREFIX + int.from_bytes(data[4:_ARROW_PREFIX], "little")
    return length if len(data) >= length else None


class Course(Bar):
    """A progress bar on stderr; on anything but a terminal, a line every ten seconds."""

    def __init__(self, dataset: int) -> None:
        name = vocabulary_pb2.ExportDataset.Value.Name(dataset)  # type: ignore[arg-type]  # a number of it
        self._name = f"exporting {name}"
        super().__init__(
            self._name,
            TextColumn("{task.completed:,} rows"),
            TextColumn("{task.fields[rate]:,.0f} rows/s"),
            TimeElapsedColumn(),
            total=None,
            rate=0.0,
        )

    def show(self, rows: int, piece: ExportResponse) -> None:
        """Show how far it is; the first piece of a stream tells about how many rows are still to come."""
        if piece.HasField("rows_estimated"):
            # An estimate may be too low: the bar is full then, and goes on counting.
            self.update(total=max(rows + piece.rows_estimated, 1))
        rate = rows / max(self.seconds, 1e-9)
        self.update(completed=rows, rate=rate)
        if self.is_line_due():
            ERR.print(f"{self._name}: {rows:,} rows, {rate:,.0f} rows/s")

    def waiting(self, failure: Failure, delay_s: float) -> None:
        """Tell that the stream was cut and goes on, and why."""
        ERR.print(f"going on in {delay_s:.1f} s: {failure.sentence()}", style="yellow", soft_wrap=True)
