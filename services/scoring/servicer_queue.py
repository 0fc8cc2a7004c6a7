"""Answers the calls about freshness and quarantine."""

from __future__ import annotations

from typing import Any

from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.runtime.page_tokens import read_page_token
from services.runtime.tenancy import current_tenant
from services.scoring import convert_queue, freshness_store, quarantine_store
from services.scoring.calls import Calls
from services.scoring.retrying import retry

_PAGE = 100
#: Changes that are counted again when none are named.
_RETRIED = 1000


class QueueCalls(Calls):
    """How far counting is, and what it could not count."""

    async def GetFreshness(self, request: pb.GetFreshnessRequest, context: Any) -> pb.GetFreshnessResponse:
        now = self._clock()
        async with self._database.snapshot() as conn:
            freshness = await freshness_store.get_freshness(conn, now)
        return convert_queue.freshness_to_proto(freshness, now)

    async def ListQuarantine(self, request: pb.ListQuarantineRequest, context: Any) -> pb.ListQuarantineResponse:
        bound_to = ("quarantine", current_tenant())
        after = convert_queue.position_of(read_page_token(self._pages, request.page_token, *bound_to))
        size = request.page_size or _PAGE
        async with self._database.transaction() as conn:
            changes = await quarantine_store.list_quarantined(conn, after, size + 1)
        answer = pb.ListQuarantineResponse(changes=[convert_queue.quarantined_to_proto(c) for c in changes[:size]])
        if len(changes) > size:
            answer.next_page_token = self._pages.sign(convert_queue.position_to_token(changes[size - 1]), *bound_to)
        return answer

    async def RetryQuarantine(self, request: pb.RetryQuarantineRequest, context: Any) -> pb.RetryQuarantineResponse:
        asked = request.change_ids
        async with self._database.transaction() as conn:
            found = await (
                quarantine_store.get_quarantined(conn, asked)
                if asked
                else quarantine_store.list_quarantined(conn, None, _RETRIED)
            )
        failed = await retry(self._database, found, self._clock())
        return convert_queue.retried_to_proto(asked, found, failed)
