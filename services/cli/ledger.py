"""The book that an import keeps: what became of each row's facts, and the file of those that were rejected."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from rapport.insight.v1.conversation_pb2 import ConversationInsight

from rapport_client import Acknowledged, Failure, FieldProblem, Rejected
from services.cli.outcomes import Tally


class Ledger:
    """Counts rows and outcomes, and writes a line of JSON for each that is rejected; without any, no file is left.

    A line has row (from 1, the header not counted), id, status, reason, message and fields, each with field and description.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tally = Tally()
        self.rows = 0
        self.skips: Counter[str] = Counter()
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        self._file = self.path.open("w", encoding="utf-8", errors="replace")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()
        if not self.tally.refused:
            self.path.unlink(missing_ok=True)

    def skip(self, reason: str) -> None:
        """Enter a row that is left out on purpose."""
        self.skips[reason] += 1

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

    def enter(self, answer: Acknowledged) -> None:
        """Enter what became of the facts that the service took."""
        self.tally.count(answer.counts)

    def enter_rejected(self, rejected: Rejected) -> None:
        """Enter a fact that the service refused, tagged with its row."""
        item = rejected.item
        id_ = item.conversation_id if isinstance(item, ConversationInsight) else item.event_id
        self.reject(int(str(rejected.tag)), id_, rejected.failure)
