"""Rings for a tenant when a transaction of this process that appended to its log is over."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import current_tenant


class Bell:
    """Wakes who listens for a tenant. It says that there may be news, never which: what was rolled back rings, too."""

    def __init__(self) -> None:
        self._listeners: defaultdict[str, set[Callable[[], None]]] = defaultdict(set)

    @contextmanager
    def heard(self, tenant_id: str, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake` whenever it rings for the tenant, for as long as the block runs."""
        self._listeners[tenant_id].add(wake)
        try:
            yield
        finally:
            self._listeners[tenant_id].remove(wake)
            if not self._listeners[tenant_id]:
                del self._listeners[tenant_id]

    def ring_after(self, conn: AsyncConnection) -> None:
        """Ring for the current tenant as soon as the connection is given back, which is right after the commit."""
        mine = conn.sync_connection
        assert mine is not None, "it is open"
        mine.info[self] = current_tenant()
        # Whoever listens already is not added again.
        event.listen(mine.engine.pool, "checkin", self._given_back)

    def _given_back(self, _connection: Any, record: Any) -> None:
        tenant_id = record.info.pop(self, None)
        for wake in tuple(self._listeners.get(tenant_id, ())):
            wake()


#: That of this process, as there is one database to each.
BELL = Bell()
