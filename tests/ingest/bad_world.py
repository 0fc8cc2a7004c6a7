"""Where bad input is sent: a served house behind a real gateway, every table of which can be compared."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import psycopg
from google.protobuf.json_format import ParseDict
from google.rpc import error_details_pb2, status_pb2
from psycopg.sql import SQL, Identifier, Literal
from rapport.ingest.v1 import ingest_service_pb2 as pb
from rapport.ingest.v1 import ingest_service_pb2_grpc

from services.stack import gateway
from tests.fix_services import Clock, open_house
from tests.gateway.harness import until_status
from tests.ingest import bad_inputs
from tests.ingest.conftest import serving
from tests.ports import free_port


@dataclass(frozen=True)
class World:
    """A served house behind a gateway; it holds what `bad_inputs` says is stored."""

    url: str
    channel: grpc.aio.Channel
    stub: Any
    http: httpx.AsyncClient


@asynccontextmanager
async def open_world(database_url: str, folder: Path) -> AsyncIterator[World]:
    """Store what is stored before any case, and serve it, for as long as the block runs."""
    async with (
        open_house(database_url, Clock()) as house,
        serving(house) as address,
        grpc.aio.insecure_channel(address) as channel,
        gateway_to(int(address.rpartition(":")[2]), folder) as http,
    ):
        stub = ingest_service_pb2_grpc.IngestServiceStub(channel)
        settings = {"settings": {"reportingCurrency": "EUR"}}
        await stub.UpdateTenantSettings(ParseDict(settings, pb.UpdateTenantSettingsRequest()))
        for stored in (bad_inputs.STORED, bad_inputs.ERASED, bad_inputs.DELETED):
            await stub.RecordConversation(ParseDict({"conversation": stored}, pb.RecordConversationRequest()))
        await stub.EraseCustomer(pb.EraseCustomerRequest(customer_id=bad_inputs.ERASED["customerId"]))
        await stub.DeleteConversation(pb.DeleteConversationRequest(conversation_id=bad_inputs.DELETED["conversationId"]))
        await stub.SyncEvents(ParseDict({"events": [bad_inputs.STORED_EVENT]}, pb.SyncEventsRequest()))
        await until_status(http, "/api/analytics/settings", 200)
        yield World(database_url, channel, stub, http)


@asynccontextmanager
async def gateway_to(port: int, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Run the gateway before an ingest service; the other services are not there."""
    own, nobody = free_port(), free_port()
    configuration = folder / "envoy.yaml"
    others = dict.fromkeys(("scoring", "query", "alerting"), nobody)
    configuration.write_text(gateway.render({"gateway": own, "ingest": port, **others}))
    with (folder / "envoy.log").open("w") as log:
        envoy = await asyncio.create_subprocess_exec(*gateway.command(configuration), stdout=log, stderr=log)
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{own}", timeout=30, trust_env=False) as http:
                yield http
        finally:
            envoy.terminate()
            await envoy.wait()


def everything(url: str) -> dict[str, list[str]]:
    """Return every row of every table of every schema."""
    with psycopg.connect(url) as conn:
        tables = conn.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' "
            "AND table_schema NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        rows = SQL(" UNION ALL ").join(
            SQL("SELECT {}, t::text FROM {} t").format(Literal(f"{schema}.{name}"), Identifier(schema, name))
            for schema, name in tables
        )
        found: dict[str, list[str]] = {f"{schema}.{name}": [] for schema, name in tables}
        for table, row in conn.execute(rows).fetchall():
            found[table].append(row)
    return {table: sorted(rows_of) for table, rows_of in found.items()}


def change(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the rows that are new, by table. Fails when any is gone but one whose counts went on."""
    gone = {table for table, rows in before.items() if set(rows) - set(after[table])}
    assert gone <= {"ingest.sync_quarter"}
    return {table: new for table, rows in after.items() if (new := sorted(set(rows) - set(before[table])))}


def told(status: status_pb2.Status | None) -> tuple[str, list[str]]:
    """Return the reason and the field paths of a status."""
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details if status else []:
        detail.Unpack(info)
        detail.Unpack(bad)
    return info.reason, [v.field for v in bad.field_violations]
