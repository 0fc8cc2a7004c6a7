"""Where chaos happens in tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos import running


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for a PostgreSQL, which is ended, and thrown away, after the test."""
    with running.folder() as made:
        yield made
