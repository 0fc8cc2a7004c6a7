"""`run` and `demo` as people use them: whole, with everything real, on ports and a folder of their own."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from services.stack import postgres
from services.stack.home import ROOT, Home
from services.stack.settings import free_ports, require_free

pytestmark = pytest.mark.timeout(600)


class Stack:
    """Commands of the stack, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.ports = free_ports()
        self._environment = os.environ | {f"RAPPORT_{name.upper()}_PORT": str(port) for name, port in self.ports.items()}
        self._environment |= {"RAPPORT_HOME": str(folder), "PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}", "PYTHONUNBUFFERED": "1"}
        self._environment.pop("RAPPORT_DATABASE_URL", None)
        self._output = folder.parent / "output"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, word: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        arguments = [sys.executable, "-m", "services.stack", word]
        return subprocess.run(arguments, env=self._environment, capture_output=True, text=True, timeout=240, check=False)

    def start(self) -> str:
        """Start a run and return what it has said once it is up."""
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.stack", "run"], env=self._environment, stdout=output, stderr=output
            )
        return self.until_said("Ctrl-C ends everything")

    def until_said(self, text: str) -> str:
        assert self.process is not None
        give_up = time.monotonic() + 120
        while text not in (said := self._output.read_text()):
            assert self.process.poll() is None, said
            assert time.monotonic() < give_up, said
            time.sleep(0.1)
        return said

    def stop(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    @contextmanager
    def alert_stream(self) -> Iterator[http.client.HTTPResponse]:
        """Read the alerts as they come, over HTTP, from when alerting answers again."""
        self.until_answered("/healthz")
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["gateway"], timeout=60)
        connection.request("GET", "/api/analytics/alerts/stream")
        with closing(connection), connection.getresponse() as answer:
            assert answer.status == 200
            yield answer

    def until_answered(self, path: str) -> None:
        give_up = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.ports['gateway']}{path}", timeout=30).close()
            except urllib.error.HTTPError:
                assert time.monotonic() < give_up
                time.sleep(0.1)
            else:
                return

    def noted(self) -> dict[str, int]:
        """Return the processes that the run has noted, by name."""
        return {entry["name"]: entry["pid"] for entry in json.loads((self.home.folder / "processes.json").read_text())}

    def conversations(self) -> Any:
        url = f"http://127.0.0.1:{self.ports['gateway']}/api/analytics/system/performance"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)["overallMetrics"]["totalConversations"]


@pytest.fixture
def stack(open_folder: Path) -> Iterator[Stack]:
    stack = Stack(open_folder / "home")
    yield stack
    if stack.process is not None and stack.process.poll() is None:
        stack.stop(signal.SIGKILL)
    stack.home.end_leftovers()
    for folder in (stack.home.folder, stack.home.folder / "demo"):
        postgres.end(Home(folder).postgres)


def nothing_runs(stack: Stack, pids: dict[str, int]) -> bool:
    require_free(stack.ports)
    alive = [
        name for name, pid in pids.items() if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    ]
    return not alive and not postgres.is_running(stack.home.postgres)


def test_the_life_of_a_stack(stack: Stack) -> None:
    assert "is not running: start make run" in stack.command("url").stderr
    said = stack.start()
    assert "agent 1" in said
    assert "The sample's answers" in said
    assert stack.conversations() == 3
    second = stack.command("run")
    assert second.returncode == 1
    assert "running already" in second.stdout
    what_is_killed_comes_back(stack)
    pids = stack.noted()
    assert set(pids) == {"ingest", "scoring", "query", "alerting", "gateway"}
    with stack.alert_stream() as stream:
        began = time.monotonic()
        assert stack.stop(signal.SIGINT) == 0
        assert time.monotonic() - began < 40  # services within ten seconds, then the database
        assert b"event: before_close" in stream.read()
    assert nothing_runs(stack, pids)
    assert "What the facts stored before come to" in stack.start()
    the_database_is_told(stack)
    assert stack.conversations() == 3  # the data stayed, and nothing was loaded twice
    a_run_after_a_killed_one_takes_over(stack)


def what_is_killed_comes_back(stack: Stack) -> None:
    os.kill(stack.noted()["query"], signal.SIGKILL)
    assert "query was ended by SIGKILL" in stack.until_said("query is back")
    os.kill(int((stack.home.postgres / "postmaster.pid").read_text().split("\n")[0]), signal.SIGKILL)
    stack.until_said("postgres is back")


def the_database_is_told(stack: Stack) -> None:
    told = stack.command("url")
    assert (told.returncode, told.stderr) == (0, "")
    with psycopg.connect(told.stdout.strip()) as conn:
        assert conn.execute("SELECT count(*) FROM ingest.conversation").fetchone() == (3,)


def a_run_after_a_killed_one_takes_over(stack: Stack) -> None:
    left = stack.noted()
    stack.stop(signal.SIGKILL)
    assert postgres.is_running(stack.home.postgres)
    said = stack.start()
    assert "ended what a killed run had left running" in said
    assert "took over the PostgreSQL" in said
    assert stack.conversations() == 3
    assert not set(left.values()) & set(stack.noted().values())
    assert stack.stop(signal.SIGTERM) == 0
    assert nothing_runs(stack, left)


def test_the_demo_finds_every_figure_right_and_leaves_nothing(stack: Stack) -> None:
    done = stack.command("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "figures are as expected" in done.stdout
    assert "WRONG" not in done.stdout
    assert not (stack.home.folder / "demo").exists()
