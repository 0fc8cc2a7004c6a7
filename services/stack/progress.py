"""What the person at the terminal sees while things start: what each waits for, and for how long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import Progress as Bars
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

_NAME_WIDTH = 11


class Progress:
    """Steps, each a line when it is done; on a terminal the unfinished ones turn below with their seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._bars = Bars(*columns, console=console, transient=True, disable=not console.is_terminal)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show unfinished steps within the block."""
        with self._bars:
            yield

    @contextmanager
    def step(self, name: str, waits_for: str) -> Iterator[None]:
        """Show a step until the block ends; say that it is done, or that it failed when the block raises an error."""
        began = time.monotonic()
        label = f"{name:<{_NAME_WIDTH}} {waits_for}"
        if not self._console.is_terminal:
            self.say(f"… {label}")
        task = self._bars.add_task(label, total=None)
        try:
            yield
        except Exception:
            self.say(f"✗ {label}  after {time.monotonic() - began:.1f} s", style="red")
            raise
        else:
            self.say(f"✓ {label}  {time.monotonic() - began:.1f} s", style="green")
        finally:
            self._bars.remove_task(task)

    def say(self, text: str, *, style: str | None = None) -> None:
        """Print a line."""
        self._console.print(Text(text, style or ""), soft_wrap=True)  # a style of print's own would colour the steps too

    def show(self, what: RenderableType) -> None:
        """Print a table."""
        self._console.print(what)
