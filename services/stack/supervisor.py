"""Starts processes in the order of what they wait for, keeps them running, and ends them.

They end in the reverse order, but for those that outlive what they waited for.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from signal import Signals

from services.stack.errors import StackError
from services.stack.home import PATIENCE_S, Home
from services.stack.progress import Progress

_READY_WITHIN_S = 60.0
_ASK_EVERY_S = 0.1
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the stack.

    `after` names those that must be ready before it starts, and that end after it; with `outlives` they end before it, since
    it passes on their last words. `environment` is added to ours; `is_ready` asks it, and `readiness` says in words what is
    waited for.
    """

    name: str
    command: Sequence[str]
    readiness: str
    is_ready: Callable[[], Awaitable[bool]]
    environment: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    outlives: bool = False


class Supervisor:
    """Owns processes. `ended` counts how often one ended unasked."""

    def __init__(self, home: Home, progress: Progress) -> None:
        self.ended = 0
        self._table: Sequence[Process] = ()
        self._home = home
        self._progress = progress
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._keepers: list[asyncio.Task[None]] = []

    async def start(self, table: Sequence[Process]) -> None:
        """Start all, each once what it waits for is ready. Raises StackError when one ends or does not get ready."""
        self._table = table
        ready = {process.name: asyncio.Event() for process in table}

        async def bring_up(process: Process) -> None:
            for other in process.after:
                await ready[other].wait()
            with self._progress.step(process.name, process.readiness):
                self._spawn(process)
                await self._until_ready(process)
            self._keepers.append(asyncio.create_task(self._keep(process)))
            ready[process.name].set()

        try:
            async with asyncio.TaskGroup() as group:
                for process in table:
                    self._home.log(process.name).unlink(missing_ok=True)
                    group.create_task(bring_up(process))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def stop(self) -> None:
        """End all, each once those that end before it have: SIGTERM, and SIGKILL where that is not heeded in time."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        ended = {process.name: asyncio.Event() for process in self._table}

        async def take_down(process: Process) -> None:
            for other in self._end_before(process):
                await ended[other].wait()
            if process.name in self._running:
                await _end(self._running[process.name])
            ended[process.name].set()

        await asyncio.gather(*(take_down(process) for process in self._table))
        self._home.note({})

    def _end_before(self, process: Process) -> list[str]:
        """Return the names of those that end before a process."""
        waited_for = list(process.after) if process.outlives else []
        return waited_for + [other.name for other in self._table if process.name in other.after and not other.outlives]

    def _spawn(self, process: Process) -> None:
        log = self._home.log(process.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            # A session of its own: Ctrl-C at the terminal is for us, who then end the others in order.
            self._running[process.name] = subprocess.Popen(  # noqa: S603 our own words
                process.command,
                env=os.environ | process.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._home.note({name: child.pid for name, child in self._running.items() if child.poll() is None})

    async def _until_ready(self, process: Process) -> None:
        child = self._running[process.name]
        give_up = time.monotonic() + _READY_WITHIN_S
        while not await process.is_ready():
            if (code := child.poll()) is not None:
                raise StackError(f"{process.name} {how_it_ended(code)} while starting; {self._ending(process)}")
            if time.monotonic() > give_up:
                raise StackError(f"{process.name} was not ready within {_READY_WITHIN_S:.0f} s; {self._ending(process)}")
            await asyncio.sleep(_ASK_EVERY_S)

    async def _keep(self, process: Process) -> None:
        """Start the process again whenever it ends, after a pause that grows while it ends soon."""
        pause = _FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            code = await _end_of(self._running[process.name])
            self.ended += 1
            if time.monotonic() - began > _READY_WITHIN_S:
                pause = _FIRST_PAUSE_S
            what = f"{process.name} {how_it_ended(code)}; it is started again in {pause:.0f} s; {self._ending(process)}"
            self._progress.say(what, style="red")
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)
            self._spawn(process)
            try:
                await self._until_ready(process)
            except StackError as error:
                self._progress.say(str(error), style="red")
            else:
                self._progress.say(f"{process.name} is back", style="green")

    def _ending(self, process: Process) -> str:
        return f"the end of {self._home.log(process.name)}:\n{self._home.last_lines(process.name)}"


def how_it_ended(code: int) -> str:
    """Return words for an exit code as subprocess gives it: negative for a signal."""
    return f"was ended by {Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


async def _end_of(child: subprocess.Popen[bytes]) -> int:
    while (code := child.poll()) is None:  # noqa: ASYNC110 a child's end is asked for
        await asyncio.sleep(_ASK_EVERY_S)
    return code


async def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    child.terminate()
    try:
        await asyncio.wait_for(_end_of(child), PATIENCE_S)
    except TimeoutError:
        child.kill()
        await _end_of(child)
