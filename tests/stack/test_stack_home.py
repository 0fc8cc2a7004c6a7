"""The stack's folder: one user at a time, and what a killed one left is found and ended."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.stack.errors import StackError
from services.stack.home import Home

HOLD = """
import sys, time
from pathlib import Path
from services.stack.home import Home
with Home(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        yield child
        child.kill()


def test_a_second_stack_is_told_that_one_runs_and_a_killed_one_is_forgotten(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(StackError, match=rf"running already \(process {holder.pid}\)"), Home(tmp_path).locked():
            pass
        holder.kill()
        holder.wait()
        with Home(tmp_path).locked():
            assert (tmp_path / "stack.lock").read_text() != str(holder.pid)


def test_leftovers_are_ended(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    home = Home(tmp_path)
    home.note({"ingest": sleeper.pid})
    assert home.end_leftovers() == ["ingest"]
    sleeper.wait(30)
    assert home.end_leftovers() == []


def test_a_process_that_only_has_the_same_id_is_spared(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    home = Home(tmp_path)
    home.note({"ingest": sleeper.pid})
    note = tmp_path / "processes.json"
    (entry,) = json.loads(note.read_text())
    note.write_text(json.dumps([{**entry, "created": entry["created"] - 1}]))
    assert home.end_leftovers() == []
    assert sleeper.poll() is None
