"""A house's scoring service behind a real server, and short ways to ask it for policies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry import metrics, trace
from rapport.auth.v1 import scope_pb2
from rapport.scoring.v1 import policy_pb2, scoring_service_pb2_grpc
from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.runtime.channels import client_channel
from services.runtime.server import Registration, start
from services.runtime.telemetry import Telemetry
from services.scoring.settings import ScoringSettings
from tests.fix_services import House

Stub = Any


@asynccontextmanager
async def serving(house: House) -> AsyncIterator[Stub]:
    """Serve the house's scoring service for as long as the block runs; yield a stub of it."""
    server = await start(
        ScoringSettings(database_url=house.url, port=0, drain_seconds=2),
        [
            Registration(
                "rapport.scoring.v1.ScoringService",
                scoring_service_pb2_grpc.add_ScoringServiceServicer_to_server,
                house.scoring,
            )
        ],
        scope_extension=scope_pb2.scope,
        telemetry=Telemetry(trace.get_tracer("tests"), metrics.get_meter("tests")),
        database=house.scoring_database,
    )
    try:
        async with client_channel(f"127.0.0.1:{server.port}") as channel:
            yield scoring_service_pb2_grpc.ScoringServiceStub(channel)
    finally:
        await server.stop()


async def newest(stub: Stub) -> policy_pb2.ScoringPolicy:
    return (await stub.GetScoringPolicy(pb.GetScoringPolicyRequest())).policy


async def changed(stub: Stub, told: Mapping[str, Any], *paths: str) -> policy_pb2.ScoringPolicy:
    """Return the newest policy with some fields as told, in the contract's JSON; those that `paths` names are cleared first."""
    policy = await newest(stub)
    for path in paths:
        part, _, field = path.rpartition(".")
        owner = getattr(policy, part) if part else policy
        if field in owner.DESCRIPTOR.fields_by_name:
            owner.ClearField(field)
    ParseDict(dict(told), policy)
    return policy


async def update(
    stub: Stub, told: Mapping[str, Any], *paths: str, expected_version: int | None = None, comment: str = ""
) -> policy_pb2.ScoringPolicy:
    """Change the fields that `paths` names, as somebody does who has read the whole policy before."""
    request = pb.UpdateScoringPolicyRequest(
        policy=await changed(stub, told, *paths), expected_version=expected_version, comment=comment
    )
    request.update_mask.paths.extend(paths)
    return (await stub.UpdateScoringPolicy(request)).policy


async def preview(stub: Stub, told: Mapping[str, Any], *paths: str, **more: Any) -> pb.PreviewScoringPolicyResponse:
    """Ask what a change of the fields that `paths` names would change."""
    request = pb.PreviewScoringPolicyRequest(policy=await changed(stub, told, *paths), **more)
    request.update_mask.paths.extend(paths)
    answer: pb.PreviewScoringPolicyResponse = await stub.PreviewScoringPolicy(request)
    return answer
