"""Fixtures of every test, by topic."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.fix_database", "tests.fix_services"]

# How long an example takes says how busy the machine is. The same examples each time, as with all that is made by chance here.
settings.register_profile("rapport", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True, database=None)
settings.load_profile("rapport")
