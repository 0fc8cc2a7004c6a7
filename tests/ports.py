"""Ports for what a test starts."""

from __future__ import annotations

from services.stack.settings import free_ports


def free_port() -> int:
    """Return a port that nobody listens on now, and that the system gives to nobody by chance until it is used."""
    return next(iter(free_ports().values()))
