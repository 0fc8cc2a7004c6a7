"""Fixtures of every test, by topic."""

from __future__ import annotations

from hypothesis import settings

pytest_plugins = ["tests.fix_database", "tests.fix_services"]

# How long an example takes says how busy the machine is.
settings.register_profile("rapport", deadline=None)
settings.load_profile("rapport")
