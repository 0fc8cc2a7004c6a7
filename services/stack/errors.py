"""What keeps the stack from running."""

from __future__ import annotations


class StackError(RuntimeError):
    """The stack cannot go on; the message is for the person at the terminal."""
