"""Answers the calls about rebuilding the rollups."""

from __future__ import annotations

from services.scoring.calls import Calls


class RebuildCalls(Calls):
    """Calls about rebuilding the rollups."""
