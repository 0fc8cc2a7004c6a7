"""The folder in which a stack keeps its data, its logs and the note of what it has started."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # ships no types

from services.stack.errors import StackError

#: The project's root.
ROOT = Path(__file__).resolve().parents[2]
#: Seconds that a process gets to end by itself.
PATIENCE_S = 10


@dataclass(frozen=True, slots=True)
class Home:
    """Where things are. One stack at a time uses a folder."""

    folder: Path

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def envoy_configuration(self) -> Path:
        return self.folder / "envoy.yaml"

    def log(self, name: str) -> Path:
        """Return where the output of a process goes."""
        return self.folder / "logs" / f"{name}.log"

    def last_lines(self, name: str, count: int = 15) -> str:
        """Return the end of a process's output."""
        with suppress(FileNotFoundError):
            return "\n".join(self.log(name).read_text(errors="replace").splitlines()[-count:])
        return ""

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others from using the folder within the block. Raises StackError when somebody does already.

        The lock is the system's: it goes with its process, however that ends.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "stack.lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise StackError(
                    f"the stack is running already (process {lock.read() or 'unknown'}); end it there first"
                ) from None
            lock.truncate(0)
            lock.write(str(psutil.Process().pid))
            lock.flush()
            try:
                yield
            finally:
                lock.truncate(0)

    def note(self, running: Mapping[str, int]) -> None:
        """Write down which processes (name to id) run, for the one who comes after a kill."""
        noted = [{"name": n, "pid": pid, "created": _created(pid)} for n, pid in running.items()]
        self._note.write_text(json.dumps([entry for entry in noted if entry["created"]]))

    def end_leftovers(self) -> list[str]:
        """End the processes that a killed stack left behind and return their names."""
        try:
            noted = json.loads(self._note.read_text())
        except (FileNotFoundError, ValueError):
            return []
        left = {n["name"]: psutil.Process(n["pid"]) for n in noted if _created(n["pid"]) == n["created"]}
        for process in left.values():
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        _, stubborn = psutil.wait_procs(left.values(), timeout=PATIENCE_S)
        for process in stubborn:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.note({})
        return list(left)

    @property
    def _note(self) -> Path:
        return self.folder / "processes.json"


def _created(pid: int) -> float | None:
    """Return when a process began, which tells it from a later one with the same id; None when it has ended."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.NoSuchProcess:
        return None
