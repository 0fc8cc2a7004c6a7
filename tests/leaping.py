"""A loop whose clock leaps: what is due in minutes rings at once, and a machine that stalls for seconds makes nothing due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest


def leaping(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return what lets the running loop's clock leap by so many seconds; timers that are due by then ring."""
    loop, ahead_s = asyncio.get_running_loop(), 0.0
    time = loop.time

    def leap(seconds: float) -> None:
        nonlocal ahead_s
        ahead_s += seconds

    monkeypatch.setattr(loop, "time", lambda: time() + ahead_s)
    return leap


async def turns() -> None:
    """Let the loop go round, so that whatever is due by now is done."""
    for _ in range(20):
        await asyncio.sleep(0)
