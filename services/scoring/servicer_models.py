"""Answers the calls about the customer models."""

from __future__ import annotations

from services.scoring.calls import Calls


class ModelCalls(Calls):
    """Calls about the customer models."""
