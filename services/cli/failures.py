"""Why a call or an item was refused, read from what the services send with it."""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2

_DETAILS_KEY = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One field that breaks a rule: its path (proto names) and a sentence."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something was refused. `reason` is empty when no service of the house said it, as when none was reached."""

    status: str
    reason: str
    message: str
    fields: tuple[FieldProblem, ...] = ()
    retry_after_s: float | None = None

    def sentence(self) -> str:
        """Return one line: status, reason, field paths, message."""
        reason = f" ({self.reason})" if self.reason else ""
        paths = ", ".join(dict.fromkeys(problem.field for problem in self.fields if problem.field))
        message = " ".join(self.message.split())
        return f"{self.status}{reason}{f' on {paths}' if paths else ''}: {message or 'no message was given'}"


def of_error(error: grpc.aio.AioRpcError) -> Failure:
    """Return why a call failed."""
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            return of_status(status_pb2.Status.FromString(value))
    return Failure(error.code().name, "", error.details() or "")


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
    return Failure(_name(status.code), info.reason, status.message, tuple(fields), retry_after_s)


def _name(code: int) -> str:
    known = code_pb2.Code.DESCRIPTOR.values_by_number.get(code)
    return known.name if known else f"CODE_{code}"
