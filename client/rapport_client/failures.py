"""Why a call or an item was refused, read from what the services send with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import grpc
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2

_DETAILS_KEY = "grpc-status-details-bin"

# Where an item stands in its batch, which says nothing to whoever did not make the batch.
_PLACE = re.compile(r"\b(?:conversations|events)\[\d+\](?:\.|(?=:)|$)")

# What is said where no service of the house did: the words of the transport are not for people.
_UNANSWERED = {"UNAVAILABLE": "the service cannot be reached", "DEADLINE_EXCEEDED": "no answer came in time"}


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One field that breaks a rule: its path (proto names) and a sentence."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something was refused. `reason` is empty when no service of the house said it, as when none was reached.

    `status` is the gRPC status by name, `metadata` what ErrorInfo adds to the reason.
    """

    status: str
    reason: str
    message: str
    fields: tuple[FieldProblem, ...] = ()
    retry_after_s: float | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def sentence(self) -> str:
        """Return one line: status, reason, the field paths that the message does not tell itself, message."""
        reason = f" ({self.reason})" if self.reason else ""
        message = " ".join(self.message.split())
        paths = ", ".join(
            dict.fromkeys(problem.field for problem in self.fields if problem.field and f"{problem.field}:" not in message)
        )
        return f"{self.status}{reason}{f' on {paths}' if paths else ''}: {message or 'no message was given'}"

    def of_item(self) -> Failure:
        """Return the same for one item of a batch: its field paths, and those in its message, begin at the item."""
        fields = tuple(FieldProblem(_PLACE.sub("", p.field), _PLACE.sub("", p.description)) for p in self.fields)
        return replace(self, message=_PLACE.sub("", self.message), fields=fields)


def of_error(error: grpc.aio.AioRpcError) -> Failure:
    """Return why a call failed."""
    return of_call(error.code(), error.details(), error.trailing_metadata())


def of_call(code: grpc.StatusCode, details: str | None, metadata: Iterable[tuple[str, str | bytes]] | None) -> Failure:
    """Return why a call failed that ended with this code, these details and this trailing metadata."""
    for key, value in metadata or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                return of_status(status_pb2.Status.FromString(value))
            except DecodeError:
                break  # not ours, and the status itself says enough
    return Failure(code.name, "", _UNANSWERED.get(code.name) or details or "")


def of_status(status: status_pb2.Status) -> Failure:
    """Return what a status and its details say."""
    info, request, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    fields: list[FieldProblem] = []
    retry_after_s = None
    for detail in status.details:
        if detail.Unpack(request):
            fields += [FieldProblem(violation.field, violation.description) for violation in request.field_violations]
        elif detail.Unpack(retry):
            retry_after_s = retry.retry_delay.ToTimedelta().total_seconds()
        else:
            detail.Unpack(info)
    return Failure(_name(status.code), info.reason, status.message, tuple(fields), retry_after_s, dict(info.metadata))


def _name(code: int) -> str:
    known = code_pb2.Code.DESCRIPTOR.values_by_number.get(code)
    return known.name if known else f"CODE_{code}"
