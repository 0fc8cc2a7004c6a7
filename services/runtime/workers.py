"""Several processes of one service on one port: the kernel spreads connections over them, and each has a processor to itself.

A connection stays with its process, so it takes several connections to keep several processes busy.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Iterator
from contextlib import contextmanager

from services.runtime import logs, process
from services.runtime.errors import StartError
from services.runtime.settings import PREFIX, ServiceSettings

_log = logging.getLogger(__name__)

#: A process ends by itself within ten seconds of being told to.
_LONGEST_END_S = 11.0
#: Exit status of a process that must not start as it is set up.
_REFUSED = 2


async def supervise(settings: ServiceSettings) -> None:
    """Run `settings.workers` processes like this one until SIGTERM or SIGINT; one that ends before is started again.

    Raises StartError when the port is taken or unsettled, and when a worker finds that it must not start.
    """
    logs.configure(settings.log_level)
    stop = process.stop_on_signal()
    with _reserved(settings):
        workers = [_Worker(settings, index, stop) for index in range(settings.workers)]
        await asyncio.gather(*(process.keep_running(worker.run, stop) for worker in workers))
    if any(worker.is_refused for worker in workers):
        raise StartError("a worker process could not start; its own words are above")


class _Worker:
    """One of the processes."""

    def __init__(self, settings: ServiceSettings, index: int, stop: asyncio.Event) -> None:
        self.is_refused = False
        self._stop = stop
        self._environment = os.environ | {f"{PREFIX}WORKERS": "1", f"{PREFIX}PORT_IS_SHARED": "true"}
        if settings.metrics_port:
            self._environment[f"{PREFIX}METRICS_PORT"] = str(settings.metrics_port + index)

    async def run(self, stop: asyncio.Event) -> None:
        """Start the process and wait until it ends, or end it when `stop` is set."""
        # A worker stops when its standard input ends, so it does not outlive this process, however this one ends.
        worker = await asyncio.create_subprocess_exec(
            sys.executable, *sys.orig_argv[1:], env=self._environment, stdin=asyncio.subprocess.PIPE
        )
        ended, asked = asyncio.create_task(worker.wait()), asyncio.create_task(stop.wait())
        await asyncio.wait([ended, asked], return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if not ended.done():
            await _end(worker, ended)
        elif worker.returncode == _REFUSED:
            self.is_refused = True
            self._stop.set()
        else:
            _log.error("a worker process ended", extra={"fields": {"status": worker.returncode}})


async def _end(worker: Process, ended: asyncio.Task[int]) -> None:
    with contextlib.suppress(ProcessLookupError):
        worker.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(asyncio.shield(ended), _LONGEST_END_S)
    except TimeoutError:
        worker.kill()
        await ended


@contextmanager
def _reserved(settings: ServiceSettings) -> Iterator[None]:
    """Hold the port for the workers, so that no other program takes it while one of them starts again."""
    if settings.port == 0:
        raise StartError(f"{PREFIX}PORT must be set when {PREFIX}WORKERS is more than 1: all of them listen there")
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    address = (settings.host, settings.port)
    try:
        # Whether anybody listens can only be told by a socket that shares with nobody.
        with socket.socket(family) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(address)
        held = socket.socket(family)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(address)
    except OSError:
        raise StartError(f"{settings.address} cannot be listened on; another process may be using it") from None
    with held:
        yield
