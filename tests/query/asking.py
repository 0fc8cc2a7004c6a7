"""What tests need to ask and to understand the answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status


def reason(error: grpc.aio.AioRpcError) -> str:
    """Return why a call failed, as its ErrorInfo says."""
    status = rpc_status.from_call(error)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return str(info.reason)


def named_fields(error: grpc.aio.AioRpcError) -> list[str]:
    """Return the fields that a failed call blames, as its BadRequest says."""
    status = rpc_status.from_call(error)
    assert status is not None
    bad = error_details_pb2.BadRequest()
    return [v.field for detail in status.details if detail.Unpack(bad) for v in bad.field_violations]


def stamp(moment: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def day_start(days_ago: int) -> datetime:
    """Return the beginning of a tenant day, counted back from today."""
    return datetime(2026, 5, 19, 18, 30, tzinfo=UTC) - timedelta(days=days_ago)
