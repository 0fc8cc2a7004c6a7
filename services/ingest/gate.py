"""Keeps out what was erased or deleted and what is older than is kept, item by item, before anything is recorded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest import gate_store
from services.ingest.recording import Fact, Incoming, Recorded
from services.ingest.tombstones import Digests, Name, gone_of, names_of, verdict
from services.runtime.database import Database
from services.runtime.errors import StartError
from services.runtime.tenancy import current_tenant


class Gate:
    """Screens records against tombstones and the horizon of their tenant.

    It costs a transaction one statement. Digests are computed for tenants only that are known to have tombstones: once one
    has any it always will, and learning that costs a second statement, once a process.
    """

    def __init__(self, digests: Digests) -> None:
        self._digests = digests
        self._with_tombstones: set[str] = set()

    async def screen(
        self, conn: AsyncConnection, items: Sequence[Incoming[Fact]]
    ) -> tuple[Sequence[Incoming[Fact]], dict[int, Recorded]]:
        """Return the items that may be recorded, and why each of the others is refused, by its place.

        The transaction must hold the lock of those who record: what is erased meanwhile would be missed.
        """
        if not items:
            return items, {}
        tenant = current_tenant()
        # Looked at once: another call may learn of tombstones while this one asks without digests.
        is_known = tenant in self._with_tombstones
        digests = self._digests_of(tenant, items) if is_known else {}
        bounds = await gate_store.get_bounds(conn, digests)
        if bounds.has_tombstones and not is_known:
            self._with_tombstones.add(tenant)
            digests = self._digests_of(tenant, items)
            bounds = await gate_store.get_bounds(conn, digests)
        gone = gone_of(digests, bounds.found)
        if not gone and bounds.horizon is None:
            return items, {}
        verdicts = {item.index: verdict(item.fact, gone, bounds.horizon) for item in items}
        refused = {index: Recorded(index, outcome, 0) for index, outcome in verdicts.items() if outcome is not None}
        return [item for item in items if item.index not in refused], refused

    def _digests_of(self, tenant: str, items: Iterable[Incoming[Fact]]) -> dict[bytes, Name]:
        names = {name for item in items for name in names_of(item.fact)}
        return {digest: name for name in names for digest in self._digests.every(tenant, name)}


class GuardedDatabase:
    """The database as health looks at it: fit to serve from only with every key that tombstones were made with."""

    def __init__(self, database: Database, digests: Digests) -> None:
        self._database = database
        self._digests = digests

    async def check(self) -> None:
        """Raise StartError when the database is not fit, or a key of some tombstones is missing: the erased could come back."""
        await self._database.check()
        async with self._database.probe() as conn:
            missing = await gate_store.get_key_ids(conn) - set(self._digests.key_ids)
        if missing:
            raise StartError(
                "RAPPORT_SIGNING_KEYS lacks a key that was used when customers were erased, and without it they could come back: "
                "keys may be added in front, but none that erasures were remembered with may be taken away"
            )

    async def ping(self) -> None:
        """Raise when it cannot be reached."""
        await self._database.ping()

    async def close(self) -> None:
        """Give up every connection."""
        await self._database.close()
