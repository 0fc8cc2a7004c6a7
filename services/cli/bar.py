"""How far long work has come: a bar on stderr; where that is no terminal, whoever shows it prints lines now and then."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn

from services.cli.layout import ERR

#: Seconds between two lines that tell the same.
EVERY_S = 10.0


class Bar:
    """A bar while the block runs, with columns after it that are filled by `fields`. It is gone when the block ends."""

    def __init__(self, description: str, *columns: ProgressColumn, total: float | None, **fields: Any) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(), *columns, console=ERR, transient=True, disable=not ERR.is_terminal
        )
        self._task = self._progress.add_task(description, total=total, **fields)
        self._started = self._told = time.monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def update(self, **told: Any) -> None:
        """Show how far it is."""
        self._progress.update(self._task, **told)

    def is_line_due(self) -> bool:
        """Return whether a line is to be printed where there is no bar: every ten seconds."""
        if ERR.is_terminal or time.monotonic() - self._told < EVERY_S:
            return False
        self._told = time.monotonic()
        return True
