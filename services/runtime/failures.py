"""What drivers and sibling services report, in the service's own words."""

from __future__ import annotations

import grpc
import psycopg
from google.rpc import error_details_pb2, status_pb2
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from services.runtime.errors import Aborted, DeadlineExceeded, ServiceError, Unavailable

#: ErrorInfo.domain of every failure that these services report.
DOMAIN = "rapport"

#: Trailing metadata that carries a google.rpc.Status.
DETAILS_KEY = "grpc-status-details-bin"

_RETRY_S = 1.0

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_CONFLICTS = ("40001", "40P01", "55P03")  # serialization_failure, deadlock_detected, lock_not_available
_TOOK_TOO_LONG = ("57014", "25P03", "25P04")  # query_canceled by statement_timeout; idle or whole transaction timed out
_UNREACHABLE = ("08", "57P", "53", "58")  # connection exceptions, shutdown and start-up, no resources, no disk


def innermost(exc: BaseException) -> BaseException:
    """Return what went wrong first in a group of tasks, or `exc` itself."""
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return exc


def as_service_error(exc: BaseException) -> ServiceError | None:
    """Return the failure that `exc` stands for, or None when it is a defect of the service."""
    if isinstance(exc, ServiceError):
        return exc
    if isinstance(exc, PoolTimeoutError):
        return _database_unavailable()
    if isinstance(exc, DBAPIError):
        told = _of_driver(exc.orig)
        return told if told is not None or not exc.connection_invalidated else _database_unavailable()
    if isinstance(exc, grpc.aio.AioRpcError):
        return _of_sibling(exc.code())
    return _of_driver(exc)


def sibling_status(exc: BaseException) -> status_pb2.Status | None:
    """Return the status that a sibling service gave in full, or None when `exc` carries none of these services' own."""
    if not isinstance(exc, grpc.aio.AioRpcError):
        return None
    for key, value in exc.trailing_metadata() or ():
        if key == DETAILS_KEY:
            status = status_pb2.Status.FromString(value if isinstance(value, bytes) else value.encode())
            return status if _domain(status) == DOMAIN else None
    return None


def _of_driver(exc: BaseException | None) -> ServiceError | None:
    if not isinstance(exc, psycopg.Error):
        return None
    state = exc.sqlstate
    if state is None:
        # The server never answered: the connection could not be made, or was lost.
        return _database_unavailable() if isinstance(exc, psycopg.OperationalError) else None
    if state in _CONFLICTS:
        return Aborted("TRANSACTION_CONFLICT", "The transaction collided with another; try again.", retry_after_s=0.1)
    if state in _TOOK_TOO_LONG:
        return DeadlineExceeded("DEADLINE_EXCEEDED", "The work took too long and was stopped.")
    return _database_unavailable() if state.startswith(_UNREACHABLE) else None


def _of_sibling(code: grpc.StatusCode) -> ServiceError | None:
    if code is grpc.StatusCode.UNAVAILABLE:
        return Unavailable("SERVICE_UNAVAILABLE", "Another service cannot be reached now; try again.", retry_after_s=_RETRY_S)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded("DEADLINE_EXCEEDED", "Another service did not answer in time.")
    return None


def _database_unavailable() -> Unavailable:
    return Unavailable("DATABASE_UNAVAILABLE", "The database cannot be reached now; try again.", retry_after_s=_RETRY_S)


def _domain(status: status_pb2.Status) -> str:
    info = error_details_pb2.ErrorInfo()
    return next((info.domain for detail in status.details if detail.Unpack(info)), "")
