"""Requests about channels and routes as tests make them, and what these are refused for."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.json_format import ParseDict
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from rapport.alerting.v1 import notification_pb2 as pb

from tests.alerting.house import failure_of
from tests.alerting.notifying import SECRET

WEBHOOK = {"url": "https://example.com/hook", "secret": SECRET}


def put(channel_id: str = "c", **kind: Any) -> pb.PutChannelRequest:
    return pb.PutChannelRequest(channel=ParseDict({"channelId": channel_id, **kind}, pb.Channel()))


def routes(*told: dict[str, Any]) -> pb.PutRoutesRequest:
    return pb.PutRoutesRequest(routes=[ParseDict(each, pb.Route()) for each in told], clear=not told)


async def refused(call: Any) -> tuple[str, str, list[tuple[str, str]]]:
    """Return status, reason and the fields that a call was refused for."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status = rpc_status.from_call(caught.value)
    assert status is not None
    bad = error_details_pb2.BadRequest()
    fields = [(v.field, v.description) for d in status.details if d.Unpack(bad) for v in bad.field_violations]
    assert "S3CRET" not in str(caught.value.details()) + str(fields)
    return *failure_of(caught.value)[:2], fields
