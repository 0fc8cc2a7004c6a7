"""Folders for servers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A fresh folder that other users can be let into: every pytest that starts closes `tmp_path` to them again."""
    folder = Path(tempfile.mkdtemp(prefix="rapport-stack-"))
    yield folder
    shutil.rmtree(folder)
