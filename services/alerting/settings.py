"""Settings of the alerting service."""

from __future__ import annotations

from pydantic import Field

from services.runtime.settings import ServiceSettings


class AlertingSettings(ServiceSettings):
    """What the alerting service needs to know, from the environment (`RAPPORT_…`)."""

    port: int = 50054
    ingest_address: str = Field("127.0.0.1:50051", description="where the ingest service is asked whether it works")
    scoring_address: str = Field("127.0.0.1:50052", description="where the scoring service is asked whether it works")
    query_address: str = Field("127.0.0.1:50053", description="where the query service is asked whether it works")
    alerting_address: str = Field("127.0.0.1:50054", description="where this service is asked whether it works")

    def probed(self) -> dict[str, str]:
        """Return the services whose health is asked for, with their addresses."""
        return {
            "ingest": self.ingest_address,
            "scoring": self.scoring_address,
            "query": self.query_address,
            "alerting": self.alerting_address,
        }
