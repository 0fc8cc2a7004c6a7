"""Waiting for what is to come about."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from time import monotonic


async def until(holds: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until something holds, whose answer may have to be awaited. Raises AssertionError when it never held in `seconds`."""
    give_up = monotonic() + seconds
    while True:
        is_last = monotonic() >= give_up
        answer = holds()
        if await answer if inspect.isawaitable(answer) else answer:
            return
        assert not is_last, f"{getattr(holds, '__qualname__', holds)} did not hold within {seconds:g} s"
        await asyncio.sleep(0.01)
