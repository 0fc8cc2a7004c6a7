"""Every failure has a status, every reason is in the contract, and no driver's word gets out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import grpc
import psycopg
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from rapport.errors.v1.error_reason_pb2 import ErrorReason
from sqlalchemy import exc as sqlalchemy_exc
from sqlalchemy import text

from services.runtime import errors
from services.runtime.database import Database
from services.runtime.interceptors import STATUS_OF, status_of
from tests.runtime.four_kinds import detail, reason

SERVICES = Path(__file__).parents[2] / "services"
PREFIX = "ERROR_REASON_"
REASONS = {value.name.removeprefix(PREFIX) for value in ErrorReason.DESCRIPTOR.values} - {"UNSPECIFIED"}


def subclasses(cls: type) -> Iterator[type]:
    for sub in cls.__subclasses__():
        yield sub
        yield from subclasses(sub)


def from_driver(sqlstate: str, wrapper: type = sqlalchemy_exc.DBAPIError) -> sqlalchemy_exc.DBAPIError:
    return wrapper("SELECT secret", {}, psycopg.errors.lookup(sqlstate)("secret"))


def code_and_reason(exc: BaseException) -> tuple[grpc.StatusCode, str]:
    status = status_of(exc)
    assert "secret" not in str(status)
    return rpc_status.to_status(status).code, reason(status)


def reasons_in(source: str) -> Iterator[str]:
    """Yield each literal reason that a failure is made with, conditional ones included."""
    classes = {cls.__name__ for cls in subclasses(errors.ServiceError)} | {"ServiceError"}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and node.args:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in classes:
                yield from (n.value for n in ast.walk(node.args[0]) if isinstance(n, ast.Constant) and isinstance(n.value, str))


def test_every_failure_has_a_status():
    assert set(subclasses(errors.ServiceError)) == set(STATUS_OF)


def test_a_failure_without_a_status_would_be_noticed():
    class Forgotten(errors.ServiceError):
        pass

    assert set(subclasses(errors.ServiceError)) != set(STATUS_OF)
    assert code_and_reason(Forgotten("NOT_THOUGHT_OF", "No.")) == (grpc.StatusCode.INTERNAL, "NOT_THOUGHT_OF")
    del Forgotten
    import gc  # noqa: PLC0415

    gc.collect()  # or the walk above would find it


def test_every_reason_is_in_the_contract():
    found = {(path.name, r) for path in SERVICES.rglob("*.py") for r in reasons_in(path.read_text())}
    assert {r for _, r in found} >= {"INVALID_FIELDS", "OVERLOADED", "DATABASE_UNAVAILABLE", "INTERNAL"}
    assert [(where, r) for where, r in found if r not in REASONS] == []


def test_a_reason_that_is_not_in_the_contract_would_be_noticed():
    assert list(reasons_in('raise errors.NotFound("NO_SUCH" if x else "NONE", "words")')) == ["NO_SUCH", "NONE"]


@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [
        ("40001", (grpc.StatusCode.ABORTED, "TRANSACTION_CONFLICT")),
        ("40P01", (grpc.StatusCode.ABORTED, "TRANSACTION_CONFLICT")),
        ("55P03", (grpc.StatusCode.ABORTED, "TRANSACTION_CONFLICT")),
        ("57014", (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")),
        ("08006", (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")),
        ("53300", (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")),
        ("57P01", (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")),
        ("57P03", (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")),
        ("23505", (grpc.StatusCode.INTERNAL, "INTERNAL")),
        ("42P01", (grpc.StatusCode.INTERNAL, "INTERNAL")),
    ],
)
def test_what_the_driver_reports(sqlstate, expected):
    assert code_and_reason(from_driver(sqlstate)) == expected
    assert code_and_reason(psycopg.errors.lookup(sqlstate)("secret")) == expected
    assert code_and_reason(ExceptionGroup("tasks", [from_driver(sqlstate)])) == expected


def test_what_needs_the_database_says_when_to_try_again():
    for exc in (from_driver("57P01"), sqlalchemy_exc.TimeoutError("secret"), psycopg.OperationalError("secret")):
        assert code_and_reason(exc) == (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
        assert detail(status_of(exc), error_details_pb2.RetryInfo).retry_delay.ToMilliseconds() > 0


async def test_a_refused_connection_is_unavailable():
    database = Database("postgresql://nobody@127.0.0.1:1/none", "nobody")
    with pytest.raises(sqlalchemy_exc.DBAPIError) as caught:
        await database.ping()
    await database.close()
    assert code_and_reason(caught.value) == (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT pg_terminate_backend(pg_backend_pid())", (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")),
        ("SELECT set_config('statement_timeout', '10', true), pg_sleep(0)", None),
        ("SELECT 1/0", (grpc.StatusCode.INTERNAL, "INTERNAL")),
    ],
)
async def test_what_a_real_server_reports(empty_database_url, statement, expected):
    database = Database(empty_database_url, "postgres")
    try:
        with pytest.raises(sqlalchemy_exc.DBAPIError) as caught:  # noqa: PT012 which of the two fails is the server's choice
            async with database.probe() as conn:
                await conn.execute(text(statement))
                await conn.execute(text("SELECT pg_sleep(5)"))
    finally:
        await database.close()
    assert code_and_reason(caught.value) == (expected or (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"))


def sibling(code: grpc.StatusCode, status: object = None) -> grpc.aio.AioRpcError:
    trailing = rpc_status.to_status(status).trailing_metadata if status else ()
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), "secret")


def test_a_siblings_own_status_passes_unchanged():
    told = status_of(errors.NotFound("AGENT_NOT_FOUND", "No fact names this agent.", metadata={"a": "b"}))
    assert status_of(sibling(grpc.StatusCode.NOT_FOUND, told)) == told


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (grpc.StatusCode.UNAVAILABLE, (grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")),
        (grpc.StatusCode.DEADLINE_EXCEEDED, (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")),
        (grpc.StatusCode.UNKNOWN, (grpc.StatusCode.INTERNAL, "INTERNAL")),
        (grpc.StatusCode.UNIMPLEMENTED, (grpc.StatusCode.INTERNAL, "INTERNAL")),
    ],
)
def test_a_sibling_that_says_no_more_than_a_code(code, expected):
    assert code_and_reason(sibling(code)) == expected


def test_a_status_of_somebody_elses_is_not_passed_on():
    foreign = status_of(errors.NotFound("AGENT_NOT_FOUND", "secret"))
    foreign.details[0].Pack(error_details_pb2.ErrorInfo(domain="elsewhere", reason="X"))
    assert code_and_reason(sibling(grpc.StatusCode.NOT_FOUND, foreign)) == (grpc.StatusCode.INTERNAL, "INTERNAL")


def test_a_defect_outside_a_call_has_no_trace_to_name():
    assert dict(detail(status_of(ValueError()), error_details_pb2.ErrorInfo).metadata) == {}
