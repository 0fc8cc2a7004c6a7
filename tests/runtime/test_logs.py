"""Log lines are JSON, know where they belong, and quote no rows."""

from __future__ import annotations

import json
import logging

import psycopg
import pytest
from sqlalchemy.exc import IntegrityError

from services.runtime.logs import JsonFormatter, describe
from services.runtime.tenancy import set_tenant
from tests.runtime.four_kinds import Watched


def line(message: str = "it happened", **more: object) -> dict:
    record = logging.LogRecord("services.x", logging.INFO, "x.py", 1, message, (), None)
    record.__dict__.update(more)
    return json.loads(JsonFormatter().format(record))


def test_a_line_says_when_what_and_who():
    found = line(fields={"method": "M", "n": 1})
    assert found["time"].endswith("+00:00")
    assert {k: found[k] for k in ("level", "logger", "message", "method", "n")} == {
        "level": "INFO",
        "logger": "services.x",
        "message": "it happened",
        "method": "M",
        "n": 1,
    }
    assert "trace_id" not in found


async def test_a_line_within_a_call_has_its_trace_and_tenant():
    set_tenant("acme")
    with Watched().telemetry.tracer.start_as_current_span("call") as span:
        found = line()
    assert int(found["trace_id"], 16) == span.get_span_context().trace_id
    assert int(found["span_id"], 16) == span.get_span_context().span_id
    assert found["tenant"] == "acme"


def test_a_defect_is_told_with_its_traceback():
    with pytest.raises(ValueError, match="odd") as caught:
        int("it is odd")
    exc = caught.value
    found = line(exc_info=(type(exc), exc, exc.__traceback__))
    assert "test_a_defect_is_told_with_its_traceback" in found["exception"]
    assert "ValueError: invalid literal" in found["exception"]


def save(row: str, error: type[Exception] | None) -> None:
    driver = psycopg.errors.UniqueViolation(f"duplicate key: DETAIL: Key (customer_id)=({row}) already exists.")
    failed = IntegrityError("INSERT INTO t VALUES (:x)", {"x": row}, driver)
    failed.__cause__ = driver
    if error is None:
        raise failed
    raise error("saving failed") from failed


@pytest.mark.parametrize("error", [None, RuntimeError])
def test_a_drivers_words_are_not_told(error):
    with pytest.raises(error or IntegrityError) as caught:
        save("Ada Lovelace".upper(), error)
    told = describe(caught.value)
    assert "LOVELACE" in str(caught.value.__cause__)
    assert "LOVELACE" not in told
    assert told.count("SQLSTATE 23505") == 2
    assert "UniqueViolation" in told
    assert ("saving failed" in told) is (error is not None)
