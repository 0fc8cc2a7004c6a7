"""Log lines: one JSON object each, on stderr, with the ids of trace and tenant."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import psycopg
from opentelemetry import trace
from sqlalchemy.exc import DBAPIError

from services.runtime.tenancy import current_tenant


class JsonFormatter(logging.Formatter):
    """Writes time, level, logger, message, trace_id, span_id, tenant, `extra={"fields": {…}}` and the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_whereabouts(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1]:
            line["exception"] = describe(record.exc_info[1])
        return json.dumps(line, default=str, ensure_ascii=False)


def configure(level: str) -> None:
    """Send every log line of the process to stderr as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # The driver warns of errors that are raised as well, in words that name the server.
    logging.getLogger("psycopg").setLevel(logging.ERROR)


def describe(exc: BaseException) -> str:
    """Return the traceback of `exc` and of its causes. A driver's text quotes rows, so its SQLSTATE stands for it."""
    told = traceback.TracebackException.from_exception(exc)
    _redact(told, exc)
    return "".join(told.format())


def _redact(told: traceback.TracebackException, exc: BaseException) -> None:
    driver = exc.orig if isinstance(exc, DBAPIError) else exc
    if isinstance(driver, psycopg.Error):
        told._str = f"SQLSTATE {driver.sqlstate}, constraint {driver.diag.constraint_name}"  # type: ignore[attr-defined]  # noqa: SLF001
    for inner, cause in ((told.__cause__, exc.__cause__), (told.__context__, exc.__context__)):
        if inner is not None and cause is not None:
            _redact(inner, cause)


def _whereabouts() -> dict[str, str]:
    found = {}
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        found = {"trace_id": trace.format_trace_id(span.trace_id), "span_id": trace.format_span_id(span.span_id)}
    with suppress(LookupError):
        found["tenant"] = current_tenant()
    return found
