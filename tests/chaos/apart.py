"""The control: the scoring service, but that changes are gone before what they do to the numbers is there.

Work is taken in a transaction of its own. What is killed between the two is never counted, which the others must not show.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime import process
from services.runtime.database import Database
from services.runtime.tenancy import current_tenant
from services.scoring import __main__ as scoring
from services.scoring import queue_store

_take_work = queue_store.take_work


class KnownDatabase(Database):
    """The database of this process."""

    only: KnownDatabase

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        KnownDatabase.only = self


async def take_apart(_conn: AsyncConnection, *arguments: Any, **options: Any) -> Any:
    """Take work, and commit that."""
    async with KnownDatabase.only.transaction(current_tenant()) as own:
        return await _take_work(own, *arguments, **options)


if __name__ == "__main__":
    scoring.Database = KnownDatabase  # type: ignore[misc]
    queue_store.take_work = take_apart
    process.run(scoring.main())
