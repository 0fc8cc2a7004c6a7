"""How much may be served at once: what is too much is turned away before it takes memory."""

from __future__ import annotations

from services.runtime.errors import ResourceExhausted

_RETRY_S = 1.0
#: Streams last: a tenant that has its share of them will not have fewer a moment later.
_RETRY_STREAM_S = 5.0


class Slots:
    """How many calls and streams may be served at once, how many streams of one tenant, and how much all may have sent."""

    def __init__(self, *, calls: int, streams: int, streams_per_tenant: int, request_bytes: int) -> None:
        self._free = {False: calls, True: streams}
        self._share = streams_per_tenant
        self._streams_of: dict[str, int] = {}
        self._free_bytes = request_bytes

    def take(self, streaming: bool, size: int, tenant_id: str) -> None:
        """Take a slot for a tenant's request of `size` bytes, to be given back.

        Raises ResourceExhausted (OVERLOADED) when none is free, too much waits in memory, or the tenant has its share of streams.
        """
        if self._free[streaming] <= 0 or self._free_bytes < size:
            raise ResourceExhausted("OVERLOADED", "Too much at once; try again.", retry_after_s=_RETRY_S)
        if streaming:
            held = self._streams_of.get(tenant_id, 0)
            if held >= self._share:
                raise ResourceExhausted("OVERLOADED", "Too many streams at once; try again.", retry_after_s=_RETRY_STREAM_S)
            self._streams_of[tenant_id] = held + 1
        self._free[streaming] -= 1
        self._free_bytes -= size

    def give_back(self, streaming: bool, size: int, tenant_id: str) -> None:
        """Let the next call have the slot."""
        self._free[streaming] += 1
        self._free_bytes += size
        if streaming:
            self._streams_of[tenant_id] -= 1
            if not self._streams_of[tenant_id]:
                del self._streams_of[tenant_id]
