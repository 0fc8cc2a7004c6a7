"""Answers the calls about revenue targets."""

from __future__ import annotations

from typing import Any

from rapport.alerting.v1 import rule_pb2 as pb

from services.alerting import convert_rule, target_store
from services.alerting.calls import Calls
from services.alerting.targets import check_deletion, month_of, word_of
from services.runtime.windows import local_day
from services.storage.reading import get_settings

_MOST = 10_000


class TargetCalls(Calls):
    """Revenue that agents and tenants are to earn in a month."""

    async def PutTarget(self, request: pb.PutTargetRequest, context: Any) -> pb.PutTargetResponse:
        async with self._database.transaction() as conn:
            settings = await get_settings(conn)
            target = convert_rule.target_from_proto(request.target, settings.reporting_currency)
            await target_store.put_target(conn, target)
        return pb.PutTargetResponse(target=convert_rule.target_to_proto(target))

    async def DeleteTarget(self, request: pb.DeleteTargetRequest, context: Any) -> pb.DeleteTargetResponse:
        async with self._database.transaction() as conn:
            check_deletion(was_there=await target_store.delete_target(conn, request.agent_id, month_of(request.month)))
        return pb.DeleteTargetResponse()

    async def ListTargets(self, request: pb.ListTargetsRequest, context: Any) -> pb.ListTargetsResponse:
        async with self._database.transaction() as conn:
            today = local_day(self._clock(), (await get_settings(conn)).time_zone)
            found = await target_store.list_targets_from(conn, month_of(request.from_month or word_of(today)), _MOST)
        return pb.ListTargetsResponse(targets=[convert_rule.target_to_proto(t) for t in found])
