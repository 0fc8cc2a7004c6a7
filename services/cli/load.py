"""`rapport load`: a small file of facts in the project's JSON format."""

from __future__ import annotations

import json as json_text
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, TypeAlias, TypeVar

import grpc
import typer
from google.protobuf.field_mask_pb2 import FieldMask
from rapport.ingest.v1.ingest_service_pb2 import (
    BatchRecordConversationsRequest,
    BatchRecordConversationsResponse,
    GetTenantSettingsRequest,
    SyncEventsRequest,
    SyncEventsResponse,
    TenantSettings,
    UpdateTenantSettingsRequest,
)
from rapport.ingest.v1.ingest_service_pb2_grpc import IngestServiceStub

from rapport_client import Failure, call, of_error, of_status
from services.cli.calling import DEADLINE_S, Address, Addresses, connected, reach, run
from services.cli.layout import OUT
from services.cli.outcomes import Tally, outcome_table
from services.cli.sample import BadSample, Sample, newest, only_fourth, read_sample, shift

#: How long ago the newest fact is made to be.
NEWEST_AGO = timedelta(minutes=5)

_BATCH = 1000
_DEFAULT_ATTRIBUTION_DAYS = 7

_Item = TypeVar("_Item")

Answer: TypeAlias = BatchRecordConversationsResponse | SyncEventsResponse


@dataclass(slots=True)
class Loaded:
    """What became of the facts. The token stands for every write: writes follow one another, so the last one's does."""

    conversations: Tally = field(default_factory=Tally)
    events: Tally = field(default_factory=Tally)
    refused: list[tuple[str, Failure]] = field(default_factory=list)
    token: str = ""

    def take(self, tally: Tally, answer: Answer) -> None:
        """Count an answer."""
        tally.take(answer.outcomes)
        self.token = answer.consistency_token or self.token
        for rejection in answer.rejections:
            failure = of_status(rejection.status).of_item()
            tally.refuse(failure.reason or failure.status, failure.fields)
            self.refused.append((rejection.id, failure))


def load(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, metavar="FILE", help="The file, such as samples/sample.json.")
    ],
    *,
    shift_to_now: Annotated[
        bool, typer.Option("--shift-to-now", help="Move all times so that the newest is five minutes ago.")
    ] = False,
    only_if_empty: Annotated[bool, typer.Option("--only-if-empty", help="Load only into a tenant that has no facts.")] = False,
    fourth: Annotated[bool, typer.Option("--fourth", help="Load the file's fourth conversation, and nothing else.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print outcomes and consistency token as JSON.")] = False,
) -> None:
    """Load a small file of facts. Exits with 1 when any of them is refused.

    FILE is a JSON object with any of these keys: tenantSettings, an object; conversations and events, lists;
    fourthConversation, an object that is loaded with --fourth only. They hold the contract's TenantSettings,
    ConversationInsight and SyncEvent as JSON. See docs/importing.md.
    """
    addresses: Addresses = context.obj
    try:
        sample = _read(file, shift_to_now, fourth)
    except (BadSample, OSError) as error:
        typer.echo(f"rapport: {file} cannot be loaded: {error}", err=True)
        raise typer.Exit(1) from None
    run(_load(addresses.ingest, sample, only_if_empty, json))


async def _load(address: Address, sample: Sample, only_if_empty: bool, json: bool) -> int:
    async with connected(address) as channel:
        await reach(channel, address)
        stub = IngestServiceStub(channel)
        if only_if_empty and not await _is_empty(stub):
            _print_skipped(json)
            return 0
        loaded = await _send_all(stub, sample)
    _print(loaded, json)
    return 1 if loaded.refused else 0


def _read(file: Path, shift_to_now: bool, fourth: bool) -> Sample:
    """Return what is to be sent. All facts of the file decide how far times move, whichever of them are sent."""
    sample = read_sample(file.read_bytes())
    if shift_to_now:
        shift(sample, datetime.now(UTC).replace(microsecond=0) - NEWEST_AGO - newest(sample))
    return only_fourth(sample) if fourth else sample


async def _is_empty(stub: IngestServiceStub) -> bool:
    """Tell whether the tenant has no facts, counted or not.

    Ingest alone knows, and says so: it refuses to change the attribution window of a tenant that has facts. So a change is
    asked for and, where it is granted, taken back at once.
    """
    settings = (await stub.GetTenantSettings(GetTenantSettingsRequest(), timeout=DEADLINE_S)).settings
    days = settings.attribution_window_days if settings.HasField("attribution_window_days") else _DEFAULT_ATTRIBUTION_DAYS
    try:
        await _update(stub, TenantSettings(attribution_window_days=days - 1 if days else 1))
    except grpc.aio.AioRpcError as refused:
        if of_error(refused).reason == "SETTING_SHAPES_NUMBERS":
            return False
        raise
    await _update(stub, TenantSettings(attribution_window_days=days))
    return True


async def _update(stub: IngestServiceStub, settings: TenantSettings) -> None:
    mask = FieldMask(paths=[descriptor.name for descriptor, _ in settings.ListFields()])
    await stub.UpdateTenantSettings(UpdateTenantSettingsRequest(settings=settings, update_mask=mask), timeout=DEADLINE_S)


async def _send_all(stub: IngestServiceStub, sample: Sample) -> Loaded:
    """Send settings, conversations and events. Settings go first: a time zone is fixed once facts exist."""
    loaded = Loaded()
    if sample.settings.ListFields():
        await _update(stub, sample.settings)
    for conversations in _parts(sample.conversations):
        batch = BatchRecordConversationsRequest(conversations=conversations)
        loaded.take(loaded.conversations, await call(stub.BatchRecordConversations, batch, deadline_s=DEADLINE_S))
    for events in _parts(sample.events):
        loaded.take(loaded.events, await call(stub.SyncEvents, SyncEventsRequest(events=events), deadline_s=DEADLINE_S))
    return loaded


def _parts(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    return (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))


def _print_skipped(json: bool) -> None:
    if json:
        typer.echo(json_text.dumps({"loaded": False}))
    else:
        OUT.print("The tenant has facts already; nothing was loaded.")


def _print(loaded: Loaded, json: bool) -> None:
    tallies = {"conversations": loaded.conversations, "events": loaded.events}
    if json:
        answer = {
            "loaded": True,
            "consistencyToken": loaded.token,
            **{name: tally.counts() for name, tally in tallies.items()},
            "rejections": [{"id": id_, "reason": failure.reason, "message": failure.message} for id_, failure in loaded.refused],
        }
        typer.echo(json_text.dumps(answer, indent=2, ensure_ascii=False))
        return
    OUT.print(outcome_table("Loaded", {name: tally for name, tally in tallies.items() if tally.total}))
    for id_, failure in loaded.refused:
        OUT.print(f"{id_}: {failure.sentence()}", style="red", soft_wrap=True)
