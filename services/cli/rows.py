"""Rows of CSV and JSONL files, read one at a time: a file is never held whole in memory."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from services.cli.records import Malformed, Records

#: A row by column name. Text, or the texts of a list (JSONL only); what is null or missing is "".
Row: TypeAlias = Mapping[str, str | tuple[str, ...]]

_GZIP_MAGIC = b"\x1f\x8b"
_JSON_SUFFIXES = (".jsonl", ".ndjson")


class BadFile(Exception):
    """A file of which no further row can be read; says why."""


def read_rows(path: Path, raw: BinaryIO, delimiter: str = ",", needed: Iterable[str] = ()) -> Iterator[Row | Malformed]:
    """Yield the rows of the open file `raw`: CSV with a header, or JSONL when the name says so; gzip or not.

    Raises BadFile when it is damaged, not such a file, or its header lacks a column that is needed. JSONL has no header:
    what a line lacks is empty.
    """
    is_gzip = raw.read(2) == _GZIP_MAGIC
    raw.seek(0)
    stream = gzip.GzipFile(fileobj=raw) if is_gzip else raw
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    try:
        with io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
            if suffixes and suffixes[-1].lower() in _JSON_SUFFIXES:
                yield from _json_rows(text)
            else:
                yield from _csv_rows(text, delimiter, needed)
    except (EOFError, zlib.error, OSError) as error:
        raise BadFile(f"the file is damaged: {error}") from None


def _csv_rows(text: io.TextIOWrapper, delimiter: str, needed: Iterable[str]) -> Iterator[Row | Malformed]:
    records = Records(text, delimiter)
    header = _header(records, needed)
    for cells in records:
        if isinstance(cells, Malformed):
            yield cells
        elif len(cells) == len(header):
            yield dict(zip(header, cells, strict=True))
        elif cells:
            yield Malformed(f"{records.place} has {len(cells)} columns, the header has {len(header)}")


def _header(records: Iterator[list[str] | Malformed], needed: Iterable[str]) -> list[str]:
    header = next(records, None)
    if not isinstance(header, list):
        raise BadFile("it has no header")
    if len(set(header)) != len(header):
        raise BadFile("its header names a column twice")
    if missing := sorted(set(needed) - set(header)):
        raise BadFile(f"it has no column {missing[0]}, which the mapping names")
    return header


def _json_rows(text: io.TextIOWrapper) -> Iterator[Row | Malformed]:
    for line in text:
        if not line.strip():
            continue
        try:
            document = json.loads(line, parse_float=Decimal)
        except (ValueError, RecursionError):
            yield Malformed("it is not JSON")
            continue
        yield dict(_flat(document, "")) if isinstance(document, dict) else Malformed("it is not a JSON object")


def _flat(value: Any, name: str) -> Iterator[tuple[str, str | tuple[str, ...]]]:
    """Yield the texts of a JSON value by dotted name: {"a": {"b": 1}} has a.b, {"a": [{"b": 1}]} has a.0.b."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _flat(part, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and any(isinstance(part, dict | list) for part in value):
        for index, part in enumerate(value):
            yield from _flat(part, f"{name}.{index}")
    elif isinstance(value, list):
        yield name, tuple(_text(part) for part in value)
    else:
        yield name, _text(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
