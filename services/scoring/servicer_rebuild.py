"""Answers the calls about rebuilding the rollups."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.scoring import convert_rebuild, rebuilding
from services.scoring.calls import Calls


class RebuildCalls(Calls):
    """Calls about rebuilding the rollups."""

    async def RebuildRollups(self, request: pb.RebuildRollupsRequest, context: Any) -> AsyncIterator[pb.RebuildRollupsResponse]:
        wanted = convert_rebuild.wanted(request)
        async with self._database.transaction() as conn, aclosing(rebuilding.rebuild(conn, *wanted, self._clock())) as steps:
            async for progress in steps:
                yield convert_rebuild.progress_to_proto(progress)
        yield convert_rebuild.finished_to_proto(progress)
