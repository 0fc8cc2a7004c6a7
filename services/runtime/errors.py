"""What can go wrong, in the service's own words.

A class says what kind of failure it is; `interceptors.STATUS_OF` alone turns it into a gRPC status. `reason` is a value of
rapport.errors.v1.ErrorReason without its prefix. Messages are for the caller: they hold no personal data and no words of a
driver or of the interpreter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

#: How many violations a message names; all of them go along as violations.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field that breaks a rule: its path in the request (proto names), the rule's id and a sentence."""

    field: str
    rule: str
    description: str


class StartError(RuntimeError):
    """The process must not start as it is set up; its text is one sentence for the operator."""


class ServiceError(Exception):
    """A failure that the caller is told of."""

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        violations: Iterable[FieldViolation] = (),
        metadata: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.violations = tuple(violations)
        self.metadata = dict(metadata or {})
        self.retry_after_s = retry_after_s


class InvalidArgument(ServiceError):
    """The request can never succeed as it is."""


class NotFound(ServiceError):
    """What the request names is not there."""


class AlreadyExists(ServiceError):
    """What the request would make is there, and is different."""


class FailedPrecondition(ServiceError):
    """The request cannot succeed in this state."""


class Aborted(ServiceError):
    """Another request got in between."""


class OutOfRange(ServiceError):
    """The request reads past what is kept."""


class ResourceExhausted(ServiceError):
    """There is too much to do at once."""


class Unavailable(ServiceError):
    """Something that is needed cannot be reached now."""


class DeadlineExceeded(ServiceError):
    """Time ran out."""


def invalid_field(field: str, rule: str, description: str) -> InvalidArgument:
    """Return the error for one field that breaks a rule that the contract cannot express."""
    return invalid_fields([FieldViolation(field, rule, description)])


def invalid_fields(violations: Iterable[FieldViolation]) -> InvalidArgument:
    """Return the error for fields that break their rules; its message names the first three and counts the others."""
    found = tuple(violations)
    shown = "; ".join(f"{v.field}: {v.description}" if v.field else v.description for v in found[:_NAMED])
    if len(found) > _NAMED:
        shown += f"; and {len(found) - _NAMED} more"
    return InvalidArgument("INVALID_FIELDS", shown, violations=found)
