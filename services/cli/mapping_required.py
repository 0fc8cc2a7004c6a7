"""What a mapping must fill: the contract's required fields. Without one of them every row would be refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor
from rapport.insight.v1.conversation_pb2 import ConversationInsight
from rapport.insight.v1.event_pb2 import SyncEvent

from services.cli.mapping_sources import MappingError
from services.cli.values import MONEY, TIMESTAMP

# The contract requires these as conditions on the event, which its fields' annotations do not show.
_BY_KIND = {"agentConfigured": ("agentId",), "agentStatus": ("agentId",), "customerProfile": ("customerId",)}


def check_required(kind: str, fields: dict[str, Any], where: str = "fields") -> None:
    """Check the fields of a mapping that compiles: each message that they fill has what it requires. Raises MappingError."""
    if kind == "conversation":
        missing = list(_missing(ConversationInsight.DESCRIPTOR, fields, where))
    else:
        body = fields.get(kind, {})
        missing = list(_missing(SyncEvent.DESCRIPTOR, {**fields, kind: body}, where))
        missing += [f"{where}.{name}" for name in _BY_KIND.get(kind, ()) if name not in fields]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise MappingError(", ".join(missing), f"{verb} required: without it every row would be refused")


def _missing(descriptor: Descriptor, table: dict[str, Any], where: str) -> Iterator[str]:
    for field in descriptor.fields:
        if field.json_name not in table:
            if field.GetOptions().Extensions[validate_pb2.field].required:
                yield f"{where}.{field.json_name}"
            continue
        inner, spec, path = field.message_type, table[field.json_name], f"{where}.{field.json_name}"
        if inner is None or inner.full_name in (TIMESTAMP, MONEY):
            continue
        if not field.is_repeated:
            yield from _missing(inner, spec, path)
            continue
        for index, item in enumerate(spec):
            yield from _missing(inner, item, f"{path}[{index}]")
