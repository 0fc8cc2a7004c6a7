"""Writes files: CSV, a stream of Arrow's, Parquet, each from blocks of CSV rows without a header, in constant memory.

A block goes from CSV to columns and from columns to the file without any work for a single row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pq

from services.query.export_columns import COLUMNS, Column, Type
from services.query.exporting import Dataset, Format

#: A group of a Parquet file's rows ends with the block that makes it as long, or as large in memory.
GROUP_ROWS, GROUP_BYTES = 65_536, 32 * 1024 * 1024

_AMOUNT = pa.decimal128(38, 9)
_TIME = pa.timestamp("us", "UTC")
_TYPES: dict[Type, pa.DataType] = {
    Type.TEXT: pa.string(),
    Type.INTEGER: pa.int64(),
    Type.NUMBER: pa.float64(),
    Type.AMOUNT: _AMOUNT,
    Type.WHOLE: pa.decimal128(38, 0),
    Type.BOOLEAN: pa.bool_(),
    Type.TIME: _TIME,
    Type.DAY: pa.date32(),
    Type.TEXTS: pa.list_(pa.string()),
    Type.INTENTS: pa.list_(pa.struct([("intent", pa.string()), ("confidence", pa.float64()), ("timestamp", _TIME)])),
    Type.REVENUE: pa.list_(pa.struct([("currency", pa.string()), ("orders", pa.int64()), ("amount", _AMOUNT)])),
}
#: What is JSON within CSV.
_LISTS = frozenset({Type.TEXTS, Type.INTENTS, Type.REVENUE})


class Writer(Protocol):
    """A file in the making. Its bytes are what `begin`, every `add` and `end` return, one after another."""

    #: Rows that are complete in the bytes returned so far.
    rows: int
    #: Whether what was returned so far is a file that can be read, and the rest may be a file of its own.
    can_be_cut: bool

    def begin(self) -> bytes:
        """Return what comes before the rows."""

    def add(self, csv: bytes, rows: int) -> bytes:
        """Take a block and return what there is to write."""

    def end(self) -> bytes:
        """Return what comes after the rows."""


class CsvWriter:
    """RFC 4180 in UTF-8 with a header; lines end in a line feed. NULL is empty, an empty text is two quotes."""

    can_be_cut = True

    def __init__(self, columns: Sequence[Column]) -> None:
        self._header = ",".join(column.name for column in columns) + "\n"
        self.rows = 0

    def begin(self) -> bytes:
        return self._header.encode()

    def add(self, csv: bytes, rows: int) -> bytes:
        self.rows += rows
        return csv

    def end(self) -> bytes:
        return b""


class ArrowWriter:
    """Arrow's streaming format: a schema, then a batch a block."""

    can_be_cut = True

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._sink = _Sink()
        self._stream = pa.ipc.new_stream(pa.PythonFile(self._sink, "w"), schema_of(columns))
        self.rows = 0

    def begin(self) -> bytes:
        # The schema would come with the first batch only, and what is cut before that could not be read: so one without rows.
        schema = schema_of(self._columns)
        self._stream.write_batch(pa.RecordBatch.from_pylist([], schema))
        return self._sink.take()

    def add(self, csv: bytes, rows: int) -> bytes:
        if rows:
            self._stream.write_table(table_of(self._columns, csv))
        self.rows += rows
        return self._sink.take()

    def end(self) -> bytes:
        self._stream.close()
        return self._sink.take()


class ParquetWriter:
    """Parquet: groups of rows, and what tells where they are at the end; without that nobody can read the rest."""

    can_be_cut = False

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._sink = _Sink()
        self._file = pq.ParquetWriter(pa.PythonFile(self._sink, "w"), schema_of(columns), compression="zstd")
        self._waiting: list[pa.Table] = []
        self.rows = 0

    def begin(self) -> bytes:
        return self._sink.take()

    def add(self, csv: bytes, rows: int) -> bytes:
        if rows:
            self._waiting.append(table_of(self._columns, csv))
        if sum(t.num_rows for t in self._waiting) >= GROUP_ROWS or sum(t.nbytes for t in self._waiting) >= GROUP_BYTES:
            self._write_group()
        return self._sink.take()

    def end(self) -> bytes:
        self._write_group()
        self._file.close()
        return self._sink.take()

    def _write_group(self) -> None:
        if self._waiting:
            group = pa.concat_tables(self._waiting)
            self._file.write_table(group, row_group_size=group.num_rows)
            self.rows += group.num_rows
            self._waiting.clear()


_WRITERS: dict[Format, Callable[[Sequence[Column]], Writer]] = {
    Format.CSV: CsvWriter,
    Format.ARROW: ArrowWriter,
    Format.PARQUET: ParquetWriter,
}


def writer_of(dataset: Dataset, written_as: Format) -> Writer:
    """Return the writer of a dataset's file."""
    return _WRITERS[written_as](COLUMNS[dataset])


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """Return columns as Arrow has them, each with what it means."""
    return pa.schema([pa.field(each.name, _TYPES[each.type], metadata={"description": each.doc}) for each in columns])


def table_of(columns: Sequence[Column], csv: bytes) -> pa.Table:
    """Return a block, of at least one row, as columns."""
    types = {each.name: pa.string() if each.type in _LISTS else _TYPES[each.type] for each in columns}
    told = pa_csv.read_csv(
        pa.BufferReader(csv),
        read_options=pa_csv.ReadOptions(column_names=list(types), use_threads=False, block_size=len(csv) + 1),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True),
        convert_options=pa_csv.ConvertOptions(
            column_types=types, strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""]
        ),
    )
    whole = [_lists(told[each.name], _TYPES[each.type]) if each.type in _LISTS else told[each.name] for each in columns]
    return pa.Table.from_arrays(whole, schema=schema_of(columns))


def _lists(texts: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    """Return lists of what is told as JSON: the texts, each as a line's object, are one document."""
    lines = pc.binary_join_element_wise('{"v":', pc.fill_null(texts.combine_chunks(), "null"), "}\n", "")
    document = lines.buffers()[2]
    read = pa_json.read_json(
        pa.BufferReader(document),
        read_options=pa_json.ReadOptions(use_threads=False, block_size=document.size + 1),
        parse_options=pa_json.ParseOptions(explicit_schema=pa.schema([("v", wanted)]), unexpected_field_behavior="ignore"),
    )
    return read["v"]


class _Sink:
    """Takes what is written to it until it is asked for."""

    closed = False

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        taken = b"".join(self._written)
        self._written.clear()
        return taken
