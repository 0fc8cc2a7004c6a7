"""`rapport privacy`: what is held about a customer, and that it be held no longer."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rapport.ingest.v1.ingest_service_pb2 import DeleteConversationRequest, EraseCustomerRequest, ExportCustomerRequest
from rapport.ingest.v1.ingest_service_pb2_grpc import IngestServiceStub

from services.cli.calling import DEADLINE_S, Address, Addresses, connected, run
from services.cli.layout import OUT, number

app = typer.Typer(help="Export and erase what is held about a customer; delete a conversation.", no_args_is_help=True)

CustomerId = Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's id.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")]

#: An export is read as it comes, however long that takes, but not for ever.
_EXPORT_S = 600.0


@app.command("export")
def export(
    context: typer.Context,
    customer_id: CustomerId,
    *,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write there instead of stdout.")] = None,
) -> None:
    """Write all that is held about a customer as one JSON document."""
    addresses: Addresses = context.obj
    run(_export(addresses.ingest, customer_id, output))


@app.command("erase")
def erase(context: typer.Context, customer_id: CustomerId, *, yes: Yes = False) -> None:
    """Erase a customer. The numbers stay; what names the customer later is refused. There is no way back."""
    addresses: Addresses = context.obj
    if not yes:
        typer.confirm(f"Erase everything about customer {customer_id}, for good?", abort=True)
    run(_erase(addresses.ingest, customer_id))


@app.command("delete-conversation")
def delete_conversation(
    context: typer.Context,
    conversation_id: Annotated[str, typer.Argument(metavar="CONVERSATION", help="The conversation's id.")],
    *,
    yes: Yes = False,
) -> None:
    """Delete a conversation: no number counts it any more, and later records of it are refused."""
    addresses: Addresses = context.obj
    if not yes:
        typer.confirm(f"Delete conversation {conversation_id}, for good?", abort=True)
    run(_delete(addresses.ingest, conversation_id))


async def _export(address: Address, customer_id: str, output: Path | None) -> int:
    async with connected(address) as channel:
        pieces = IngestServiceStub(channel).ExportCustomer(ExportCustomerRequest(customer_id=customer_id), timeout=_EXPORT_S)
        # The file is opened once there is something to write: a customer who is not known leaves the one before as it was.
        written = b"".join([piece.data async for piece in pieces])
    if output is None:
        sys.stdout.write(written.decode() + "\n")
    else:
        await asyncio.to_thread(output.write_bytes, written)
        OUT.print(f"{output}: {number(len(written))} bytes")
    return 0


async def _erase(address: Address, customer_id: str) -> int:
    async with connected(address) as channel:
        request = EraseCustomerRequest(customer_id=customer_id)
        erased = await IngestServiceStub(channel).EraseCustomer(request, timeout=DEADLINE_S)
    OUT.print(f"erased: {number(erased.conversations)} conversations, {number(erased.events)} events")
    return 0


async def _delete(address: Address, conversation_id: str) -> int:
    async with connected(address) as channel:
        request = DeleteConversationRequest(conversation_id=conversation_id)
        deleted = await IngestServiceStub(channel).DeleteConversation(request, timeout=DEADLINE_S)
    OUT.print("deleted" if deleted.consistency_token else "it was deleted before")
    return 0
