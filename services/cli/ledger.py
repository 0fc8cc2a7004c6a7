"""The book that an import keeps: what became of each row, and the file of those that were rejected."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self, TypeAlias

from rapport.ingest.v1.ingest_service_pb2 import BatchRecordConversationsResponse, SyncEventsResponse

from services.cli.failures import Failure, FieldProblem, of_status
from services.cli.outcomes import Tally

Answer: TypeAlias = BatchRecordConversationsResponse | SyncEventsResponse


class Ledger:
    """Counts outcomes and writes a line of JSON for each rejected row; without any, no file is left.

    A line has row (from 1, the header not counted), id, status, reason, message and fields, each with field and description.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tally = Tally()
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        self._file = self.path.open("w", encoding="utf-8", errors="replace")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()
        if not self.tally.refused:
            self.path.unlink(missing_ok=True)

    def reject(self, row: int, id_: str, failure: Failure) -> None:
        """Enter a rejected row."""
        self.tally.refuse(failure.reason or failure.status, failure.fields)
        line = {
            "row": row,
            "id": id_,
            "status": failure.status,
            "reason": failure.reason,
            "message": failure.message,
            "fields": [{"field": problem.field, "description": problem.description} for problem in failure.fields],
        }
        if self._file is not None:
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def reject_unread(self, row: int, reason: str, description: str, *, field: str = "", id_: str = "") -> None:
        """Enter a row that could not become a message."""
        fields = (FieldProblem(field, description),) if field else ()
        self.reject(row, id_, Failure("INVALID_ARGUMENT", reason, description, fields))

    def enter(self, rows: Sequence[int], answer: Answer) -> None:
        """Enter what became of a batch, given its row numbers."""
        self.tally.take(answer.outcomes)
        for rejection in answer.rejections:
            self.reject(rows[rejection.index], rejection.id, of_status(rejection.status).of_item())
