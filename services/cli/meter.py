"""Shows how far an import has come: share of the file, rows, rows a second, rejected rows."""

from __future__ import annotations

import time

from rich.progress import TaskProgressColumn, TextColumn, TimeRemainingColumn

from rapport_client import Failure
from services.cli.bar import EVERY_S, Bar
from services.cli.layout import ERR

# Rows between two looks at the clock, so that looking costs nothing.
_EVERY_ROWS = 200


class Meter(Bar):
    """A progress bar on stderr; on anything but a terminal, a line every ten seconds."""

    def __init__(self, size: int) -> None:
        super().__init__(
            "importing",
            TaskProgressColumn(),
            TextColumn("{task.fields[rows]:,} rows"),
            TextColumn("{task.fields[rate]:,.0f} rows/s"),
            TextColumn("{task.fields[rejected]:,} rejected"),
            TimeRemainingColumn(),
            total=max(size, 1),
            rows=0,
            rate=0.0,
            rejected=0,
        )
        self._size = max(size, 1)
        self._complaint, self._complained = "", time.monotonic()

    def show(self, rows: int, position: int, rejected: int) -> None:
        """Show where the import stands: rows read, bytes of the file behind them, rows rejected."""
        if rows % _EVERY_ROWS:
            return
        rate = rows / max(self.seconds, 1e-9)
        self.update(completed=position, rows=rows, rate=rate, rejected=rejected)
        if self.is_line_due():
            share = min(position / self._size, 1)
            ERR.print(f"importing: {share:.0%}, {rows:,} rows, {rate:,.0f} rows/s, {rejected:,} rejected")

    def waiting(self, failure: Failure, delay_s: float) -> None:
        """Tell that a batch is to be sent again, and why; the same reason again only after a while."""
        sentence, now = failure.sentence(), time.monotonic()
        if sentence == self._complaint and now - self._complained < EVERY_S:
            return
        self._complaint, self._complained = sentence, now
        ERR.print(f"trying again in {delay_s:.1f} s: {sentence}", style="yellow", soft_wrap=True)
