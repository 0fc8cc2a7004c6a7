"""Settings of the scoring service."""

from __future__ import annotations

from pydantic import Field

from services.runtime.settings import ServiceSettings


class ScoringSettings(ServiceSettings):
    """What the scoring service needs to know, from the environment (`RAPPORT_…`)."""

    port: int = 50052
    drain_batch: int = Field(2000, ge=1, le=20_000, description="changes counted in one transaction")
