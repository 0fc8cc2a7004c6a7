"""Settings of the ingest service."""

from __future__ import annotations

from services.runtime.settings import ServiceSettings


class IngestSettings(ServiceSettings):
    """What the ingest service needs to know, from the environment (`RAPPORT_…`)."""

    port: int = 50051
