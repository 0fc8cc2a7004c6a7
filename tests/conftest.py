"""Fixtures of every test, by topic."""

from __future__ import annotations

pytest_plugins = ["tests.fix_database", "tests.fix_services"]
