"""Any process may be killed at any moment: what was acknowledged is there, and every number is right."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from services.stack.home import ROOT
from tests.e2e.conftest import RunningStack

pytestmark = pytest.mark.timeout(400)

CASES, REVISIONS = 8000, 5
COLUMNS = [
    "incident_id", "state", "reassignment_count", "sys_mod_count", "caller_id", "opened_at", "sys_updated_at", "contact_type",
    "category", "subcategory", "priority", "assigned_to", "resolved_by", "resolved_at", "closed_at",
]  # fmt: skip


def write_cases(path: Path) -> None:
    """Write a service desk's log: every case's revisions in order, the cases among each other."""
    order = random.Random(1)
    rows = sorted((order.random() + revision * 0.3, case, revision) for case in range(CASES) for revision in range(REVISIONS))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        latest = [-1] * CASES
        for _, case, _ in rows:
            latest[case] += 1
            revision = latest[case]
            opened = f"2026-{1 + case % 9:02d}-{1 + case % 28:02d}T08:00:00"
            closed = f"2026-{1 + case % 9:02d}-{1 + case % 28:02d}T1{revision}:00:00"
            values = (
                case,
                "Closed" if revision == REVISIONS - 1 else "Active",
                case % 3,
                revision,
                case % 97,
                opened,
                closed,
                "Phone",
            )
            writer.writerow(
                dict(zip(COLUMNS, (*values, case % 7, case % 11, case % 4, case % 13, case % 5, closed, closed), strict=True))
            )


def import_cases(stack: RunningStack, path: Path) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "services.cli",
        "import",
        str(path),
        "--mapping",
        str(ROOT / "samples/mappings/incidents.toml"),
        "--batch",
        "100",
    ]
    environment = os.environ | {"RAPPORT_INGEST_ADDRESS": stack.address("ingest"), "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}"}
    with (stack.home.folder / "import").open("wb") as output:
        return subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=stack.home.folder)


def verify(stack: RunningStack) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.storage.verify", "--url", stack.database_url, "--wait", "60"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_killing_any_process_under_import_loses_and_doubles_nothing(own_stack: RunningStack, tmp_path: Path) -> None:
    write_cases(tmp_path / "cases.csv")
    importing = import_cases(own_stack, tmp_path / "cases.csv")
    for name in ("scoring", "ingest", "alerting", "query", "gateway", "postgres", "scoring"):
        if importing.poll() == 0:  # all of it again, which changes nothing
            importing = import_cases(own_stack, tmp_path / "cases.csv")
        time.sleep(0.4)
        os.kill(own_stack.pid(name), signal.SIGKILL)
        back = f"{name} is back"
        own_stack.until_said(back, times=own_stack.said().count(back) + 1)
        assert importing.poll() in {None, 0}, (own_stack.home.folder / "import").read_text()
    assert importing.wait(200) == 0, (own_stack.home.folder / "import").read_text()
    done = verify(own_stack)
    assert done.returncode == 0, done.stdout + done.stderr
    with psycopg.connect(own_stack.database_url) as conn:
        revisions = "SELECT count(*), min(revision), max(revision) FROM ingest.conversation WHERE conversation_id LIKE 'inc-%'"
        assert conn.execute(revisions).fetchone() == (CASES, REVISIONS - 1, REVISIONS - 1)
        assert conn.execute("SELECT count(*) FROM scoring.quarantine").fetchone() == (0,)
        # What was counted as received and created is what is stored, though its transactions were killed.
        created = "SELECT sum(created) = (SELECT count(*) FROM ingest.conversation) FROM ingest.sync_quarter WHERE source = 0"
        assert conn.execute(created).fetchone() == (True,)
