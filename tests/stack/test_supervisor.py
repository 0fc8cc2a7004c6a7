"""Processes: started in order, kept running, ended in reverse; all with real ones."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from rich.console import Console

from services.stack import supervisor as supervisor_module
from services.stack.errors import StackError
from services.stack.home import Home
from services.stack.progress import Progress
from services.stack.supervisor import Process, Supervisor
from tests.until import until

#: Notes its start, its readiness half a second later, and its end.
CHILD = """
import os, signal, sys, time
name, diary, stubborn = sys.argv[1], sys.argv[2], sys.argv[3] == "stubborn"
def note(what):
    with open(diary, "a") as out:
        out.write(f"{what} {name}\\n")
def end(*_):
    note("end")
    if not stubborn:
        sys.exit()
signal.signal(signal.SIGTERM, end)
note("start")
time.sleep(0.3)
note("ready")
open(f"{diary[:-5]}{name}.{os.getpid()}", "w").close()
while True:
    time.sleep(60)
"""


class Stage:
    """A supervisor, what it said, and the diary of its children."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.said = io.StringIO()
        self.supervisor = Supervisor(self.home, Progress(Console(file=self.said, width=200)))
        self._diary = folder / "diary"

    def lines(self) -> list[str]:
        return self._diary.read_text().splitlines() if self._diary.exists() else []

    def child(self, name: str, *after: str, manner: str = "obedient", outlives: bool = False) -> Process:
        async def is_ready() -> bool:
            return (self._diary.parent / f"{name}.{self.pid(name)}").exists()

        command = [sys.executable, "-c", CHILD, name, str(self._diary), manner]
        return Process(name, command, "is ready", is_ready, after=after, outlives=outlives)

    def pid(self, name: str) -> int:
        return self.supervisor._running[name].pid

    async def until_said(self, text: str) -> None:
        await until(lambda: text in self.said.getvalue())


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    await stage.supervisor.stop()


async def test_each_starts_after_what_it_waits_for_and_ends_before_it(stage: Stage) -> None:
    await stage.supervisor.start([stage.child("a"), stage.child("b", "a"), stage.child("c", "a", "b")])
    assert stage.lines() == ["start a", "ready a", "start b", "ready b", "start c", "ready c"]
    pids = [stage.pid(name) for name in "abc"]
    await stage.supervisor.stop()
    assert stage.lines()[-3:] == ["end c", "end b", "end a"]
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_one_that_outlives_what_it_waited_for_ends_last(stage: Stage) -> None:
    await stage.supervisor.start([stage.child("a"), stage.child("b", "a"), stage.child("c", "a", "b", outlives=True)])
    assert stage.lines()[-2:] == ["start c", "ready c"]
    await stage.supervisor.stop()
    assert stage.lines()[-3:] == ["end b", "end a", "end c"]


async def test_those_that_wait_for_nothing_start_together(stage: Stage) -> None:
    async def both_have_started() -> bool:
        return {"start a", "start b"} <= set(stage.lines())

    # One after the other, the first would never be ready.
    await stage.supervisor.start([replace(stage.child(name), is_ready=both_have_started) for name in "ab"])


async def test_one_that_ends_while_starting_is_told_with_its_last_words(stage: Stage) -> None:
    async def never() -> bool:
        return False

    broken = Process("broken", [sys.executable, "-c", "import sys; print('no such port'); sys.exit(2)"], "is ready", never)
    with pytest.raises(StackError, match=r"(?s)broken ended with exit code 2 while starting.*no such port"):
        await stage.supervisor.start([stage.child("a"), broken])


async def test_one_that_is_killed_is_started_again(stage: Stage) -> None:
    await stage.supervisor.start([stage.child("a")])
    killed = stage.pid("a")
    os.kill(killed, signal.SIGKILL)
    await stage.until_said("a was ended by SIGKILL")
    await stage.until_said("a is back")
    assert stage.pid("a") != killed
    assert stage.supervisor.ended == 1
    assert stage.lines().count("start a") == 2


async def test_one_that_does_not_heed_sigterm_is_killed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "PATIENCE_S", 3)
    await stage.supervisor.start([stage.child("a", manner="stubborn")])
    pid = stage.pid("a")
    await stage.supervisor.stop()
    assert stage.lines()[-1] == "end a"  # it was asked
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_what_runs_is_noted_for_the_one_who_comes_after_a_kill(stage: Stage) -> None:
    await stage.supervisor.start([stage.child("a"), stage.child("b")])
    assert sorted(Home(stage.home.folder).end_leftovers()) == ["a", "b"]
