"""Settings of the scoring service."""

from __future__ import annotations

from pydantic import Field

from services.runtime.database import Limits
from services.runtime.settings import ServiceSettings


class ScoringSettings(ServiceSettings):
    """What the scoring service needs to know, from the environment (`RAPPORT_…`)."""

    port: int = 50052
    drain_batch: int = Field(20_000, ge=1, le=20_000, description="the most changes counted in one transaction")
    drain_slots: int = Field(3, ge=1, le=32, description="tenants that each process counts at once, a connection each")
    batch_seconds: float = Field(60, gt=0, le=3600, description="how long counting one batch may take before it is given up")

    @property
    def batch_limits(self) -> Limits:
        """How long counting one batch may take, each of its statements half of that, and each wait for a lock a sixth."""
        return Limits(self.batch_seconds, self.batch_seconds / 2, self.batch_seconds / 6)
