"""How a process runs: its loop, its signals, and work that must not stop silently."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import uvloop

from services.runtime.errors import StartError

Background = Callable[[asyncio.Event], Awaitable[None]]

_log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0

_SHORTEST_LOOK_S, _LONGEST_LOOK_S = 0.005, 0.1


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run `main` to its end; where it must not start, say why in one sentence and exit with 2."""
    # What is loaded by now stays: the collector need not look at it again and again. Calls make many objects that die at
    # once, and few in cycles; at Python's own pace a good part of a batch's time went into looking for cycles.
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    try:
        uvloop.run(main)
    except StartError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None


def stop_on_signal(*, with_parent: bool = False) -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set and, `with_parent`, the end of standard input: the parent's own end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if with_parent:

        def read() -> None:
            if not os.read(sys.stdin.fileno(), 1):
                loop.remove_reader(sys.stdin.fileno())
                stop.set()

        loop.add_reader(sys.stdin.fileno(), read)
    return stop


async def keep_running(work: Background, stop: asyncio.Event) -> None:
    """Run `work(stop)` until `stop` is set; whenever it ends before, log it and begin again after a growing pause.

    The pause begins at half a second, and anew there once the work has lasted longer than the longest pause, 30 seconds.
    """
    clock = asyncio.get_running_loop().time
    pause = 0.0
    while not stop.is_set():
        began = clock()
        try:
            await work(stop)
        except Exception:  # noqa: BLE001 whatever it was, the work has to go on
            _log.exception("background work failed", extra={"fields": {"work": _name(work)}})
        else:
            if not stop.is_set():
                _log.error("background work ended early", extra={"fields": {"work": _name(work)}})
        is_anew = not pause or clock() - began > _LONGEST_PAUSE_S
        pause = _FIRST_PAUSE_S if is_anew else min(pause * 2, _LONGEST_PAUSE_S)
        await wait(stop, pause)


async def repeat(work: Callable[[], Awaitable[object]], stop: asyncio.Event, pause_s: Callable[[], float]) -> None:
    """Run `work()` now, and again `pause_s()` seconds after each time that it ended, until `stop` is set.

    What the work raises ends it: `keep_running` begins again.
    """
    while not stop.is_set():
        await work()
        await wait(stop, pause_s())


async def wait(event: asyncio.Event, longest_s: float) -> None:
    """Return when the event is set, or after `longest_s` seconds."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), longest_s)


class Pace:
    """How often to look for work: 5 ms after there was some, half as often each time that there was none, to 100 ms."""

    def __init__(self) -> None:
        self._pause_s = _SHORTEST_LOOK_S

    def after(self, *, worked: bool) -> float:
        """Return how many seconds to pause, now that there was work or none."""
        self._pause_s = _SHORTEST_LOOK_S if worked else min(2 * self._pause_s, _LONGEST_LOOK_S)
        return self._pause_s


def _name(work: Background) -> str:
    return getattr(work, "__qualname__", type(work).__name__)
