"""Answers the calls about the scoring policy."""

from __future__ import annotations

from services.scoring.calls import Calls


class PolicyCalls(Calls):
    """Calls about the scoring policy."""
