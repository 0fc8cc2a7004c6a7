"""Runs rounds of chaos from the command line: `ROUNDS` (20) of them, by `SEED`, in a folder that is thrown away."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from services.stack import postgres

Say = Callable[[object], None]


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for the block, which PostgreSQL's own user can read; what runs in it as PostgreSQL is ended after it."""
    made = Path(tempfile.mkdtemp(prefix="rapport-chaos-"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        postgres.end(made / "postgres")
        shutil.rmtree(made, ignore_errors=True)


def main(
    everything: Callable[[Path, int, int, Say], Awaitable[Mapping[str, Any]]], holds: Callable[[Mapping[str, Any]], bool]
) -> None:
    """Run, tell how far it is on stderr and the figures in a line of JSON at last; exit with 1 unless they are as promised."""
    rounds, seed = int(os.environ.get("ROUNDS") or 20), int(os.environ.get("SEED") or time.time_ns() % 1_000_000)
    console = Console(stderr=True)
    with folder() as made:
        figures = asyncio.run(everything(made, rounds, seed, lambda told: console.print(told, highlight=False, soft_wrap=True)))
    print(json.dumps(figures))  # noqa: T201  # the figures for machines
    if not holds(figures):
        sys.exit(1)
