"""Shows how far an import has come: share of the file, rows, rows a second, rejected rows."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from rapport_client import Failure
from services.cli.layout import ERR

# Rows between two looks at the clock, so that looking costs nothing.
_EVERY_ROWS = 200
# Seconds between two lines that tell the same.
_EVERY_S = 10.0


class Meter:
    """A progress bar on stderr; on anything but a terminal, a line every ten seconds."""

    def __init__(self, size: int) -> None:
        self._progress = Progress(
            TextColumn("importing"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rows]:,} rows"),
            TextColumn("{task.fields[rate]:,.0f} rows/s"),
            TextColumn("{task.fields[rejected]:,} rejected"),
            TimeRemainingColumn(),
            console=ERR,
            transient=True,
            disable=not ERR.is_terminal,
        )
        self._size = max(size, 1)
        self._bar = self._progress.add_task("importing", total=self._size, rows=0, rate=0.0, rejected=0)
        self._started = self._told = self._complained = time.monotonic()
        self._complaint = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def show(self, rows: int, position: int, rejected: int) -> None:
        """Show where the import stands: rows read, bytes of the file behind them, rows rejected."""
        if rows % _EVERY_ROWS:
            return
        rate = rows / max(self.seconds, 1e-9)
        self._progress.update(self._bar, completed=position, rows=rows, rate=rate, rejected=rejected)
        if not ERR.is_terminal and time.monotonic() - self._told >= _EVERY_S:
            self._told = time.monotonic()
            share = min(position / self._size, 1)
            ERR.print(f"importing: {share:.0%}, {rows:,} rows, {rate:,.0f} rows/s, {rejected:,} rejected")

    def waiting(self, failure: Failure, delay_s: float) -> None:
        """Tell that a batch is to be sent again, and why; the same reason again only after a while."""
        sentence, now = failure.sentence(), time.monotonic()
        if sentence == self._complaint and now - self._complained < _EVERY_S:
            return
        self._complaint, self._complained = sentence, now
        ERR.print(f"trying again in {delay_s:.1f} s: {sentence}", style="yellow", soft_wrap=True)
