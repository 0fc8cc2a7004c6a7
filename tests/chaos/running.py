"""Runs rounds of chaos from the command line: `ROUNDS` (20) of them, by `SEED`, in a folder that is thrown away."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from services.stack import postgres

Say = Callable[[object], None]


def main(
    everything: Callable[[Path, int, int, Say], Awaitable[Mapping[str, Any]]], holds: Callable[[Mapping[str, Any]], bool]
) -> None:
    """Run, tell how far it is on stderr and the figures in a line of JSON at last; exit with 1 unless they are as promised."""
    rounds, seed = int(os.environ.get("ROUNDS") or 20), int(os.environ.get("SEED") or time.time_ns() % 1_000_000)
    folder = Path(tempfile.mkdtemp(prefix="rapport-chaos-"))
    folder.chmod(0o755)
    console = Console(stderr=True)
    try:
        figures = asyncio.run(everything(folder, rounds, seed, lambda told: console.print(told, highlight=False, soft_wrap=True)))
    finally:
        postgres.end(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(figures))  # noqa: T201  # the figures for machines
    if not holds(figures):
        sys.exit(1)
