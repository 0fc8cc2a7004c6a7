"""Answers the calls about freshness and quarantine."""

from __future__ import annotations

from services.scoring.calls import Calls


class QueueCalls(Calls):
    """Calls about freshness and quarantine."""
