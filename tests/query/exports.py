"""Exports as tests ask for them, and what is in them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rapport.query.v1 import export_pb2, vocabulary_pb2

from services.query.export_columns import COLUMNS
from services.query.export_files import table_of
from services.query.exporting import Dataset
from tests.query.conftest import Service

D = vocabulary_pb2.ExportDataset
F = vocabulary_pb2.ExportFormat
Responses = list[export_pb2.ExportResponse]


async def export(service: Service, dataset: int = D.conversations, **fields: Any) -> Responses:
    """Return the messages of a complete export."""
    found = [each async for each in service.stub.Export(export_pb2.ExportRequest(dataset=dataset, **fields), timeout=30)]
    assert [each.complete for each in found] == [False] * (len(found) - 1) + [True]
    return found


def data(responses: Iterable[export_pb2.ExportResponse]) -> bytes:
    return b"".join(each.data for each in responses)


def read(file: bytes, dataset: int, written_as: int = F.csv) -> list[dict[str, Any]]:
    """Return the rows of a file."""
    if written_as == F.arrow:
        return pa.ipc.open_stream(file).read_all().to_pylist()
    if written_as == F.parquet:
        return pq.read_table(io.BytesIO(file)).to_pylist()
    columns = COLUMNS[Dataset(D.Value.Name(dataset))]
    header, _, rows = file.partition(b"\n")
    assert header.decode() == ",".join(each.name for each in columns)
    return table_of(columns, rows).to_pylist() if rows else []


async def rows(service: Service, dataset: int = D.conversations, **fields: Any) -> list[dict[str, Any]]:
    """Return the rows of a whole export."""
    return read(data(await export(service, dataset, **fields)), dataset, fields.get("format", F.csv))


def tokens(responses: Responses) -> list[tuple[int, str]]:
    """Return the tokens in the middle of an export, each with the number of messages up to it."""
    return [(place, each.token) for place, each in enumerate(responses, 1) if each.token and not each.complete]
