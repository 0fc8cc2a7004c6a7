"""The control: the ingest service, but that it acknowledges before it commits. What it loses is what the others must not."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest import __main__ as ingest
from services.runtime import process
from services.runtime.database import Database

#: Seconds by which a commit comes after its acknowledgement.
_LATE_S = 0.15


class LateDatabase(Database):
    """Lets a transaction's block end long before the transaction does."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._commits: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def transaction(self, *arguments: Any, **options: Any) -> AsyncIterator[AsyncConnection]:
        opened = super().transaction(*arguments, **options)
        conn = await opened.__aenter__()
        try:
            yield conn
        except BaseException:
            await opened.__aexit__(*sys.exc_info())
            raise
        commit = asyncio.create_task(self._commit_late(opened))
        self._commits.add(commit)
        commit.add_done_callback(self._commits.discard)

    async def _commit_late(self, opened: Any) -> None:
        await asyncio.sleep(_LATE_S)
        await opened.__aexit__(None, None, None)


if __name__ == "__main__":
    ingest.Database = LateDatabase  # type: ignore[misc]
    process.run(ingest.main())
