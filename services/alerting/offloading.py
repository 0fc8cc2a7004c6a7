"""Work that takes long, beside the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[Callable[[], bool]], T]) -> T:
    """Return what work comes to, done in a thread; it is told by a function whether nobody waits for it any more.

    Ends only when the thread has ended, cancelled or not, so that whoever holds a turn holds it while there is work: work that
    is told to be given up has to end soon. What it comes to, or fails with, is nobody's then.
    """
    given_up = threading.Event()
    working = asyncio.ensure_future(asyncio.to_thread(work, given_up.is_set))
    try:
        return await asyncio.shield(working)
    finally:
        given_up.set()
        while not working.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([working])
        with suppress(asyncio.CancelledError):
            working.exception()
