"""Visits to tenants: several at once, so that fewer that take long keep the others from nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any
from weakref import WeakValueDictionary


class Visits:
    """Visits tenants, at most `at_once` at a time and none twice at once.

    `visit` tells whether it found anything to do, and deals with what goes wrong itself.
    """

    def __init__(self, at_once: int, visit: Callable[[str], Coroutine[Any, Any, bool]]) -> None:
        #: Set when a visit ends that found something to do: there may be more.
        self.has_worked = asyncio.Event()
        self._visit = visit
        self._free = asyncio.Semaphore(at_once)
        self._going: dict[str, asyncio.Task[bool]] = {}
        self._is_ending = False

    def begin(self, tenants: Iterable[str]) -> list[asyncio.Task[bool]]:
        """Let tenants be visited in this order, each as soon as there is room; return the visits.

        Who waits for a visit or is being visited has none of another.
        """
        return [self._begin(tenant) for tenant in tenants if tenant not in self._going]

    async def settle(self, within_s: float) -> None:
        """Begin no visit any more, wait for those that go on, and give up those that last longer than that many seconds."""
        self._is_ending = True
        try:
            if self._going:
                await asyncio.wait(self._going.values(), timeout=within_s)
        finally:
            late = tuple(self._going.values())
            for visit in late:
                visit.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            self._is_ending = False

    def _begin(self, tenant: str) -> asyncio.Task[bool]:
        # In a task of its own: the tenant that a task is bound to stays its tenant.
        visit = self._going[tenant] = asyncio.create_task(self._go(tenant))
        visit.add_done_callback(lambda _: self._going.pop(tenant))
        return visit

    async def _go(self, tenant: str) -> bool:
        async with self._free:
            has_worked = not self._is_ending and await self._visit(tenant)
        if has_worked:
            self.has_worked.set()
        return has_worked


class Locks:
    """A lock for each tenant, for as long as anybody holds it or waits for it."""

    def __init__(self) -> None:
        self._held: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, tenant: str) -> asyncio.Lock:
        """Return the tenant's lock."""
        return self._held.setdefault(tenant, asyncio.Lock())
