"""Files and a mapping for the tests of `rapport import`."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

MAPPING = """
kind = "conversation"
[fields]
conversationId = { column = "id" }
revision = { column = "revision" }
agentId = { column = "agent" }
customerId = "c"
platform = "voice"
startTime = { column = "start" }
"""
START = "2025-07-30T09:00:00Z"


def write(path: Path, rows: list[tuple[object, ...]]) -> Path:
    """Write rows of id, revision, agent and start as compressed CSV."""
    text = io.StringIO()
    csv.writer(text).writerows([("id", "revision", "agent", "start"), *rows])
    path.write_bytes(gzip.compress(text.getvalue().encode()))
    return path
