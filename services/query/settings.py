"""Settings of the query service."""

from __future__ import annotations

from pydantic import Field

from services.query.exporting import MOST_EXPORTS
from services.runtime.settings import ServiceSettings


class QuerySettings(ServiceSettings):
    """What every service is told, where this one finds its siblings, and how much it exports at once."""

    port: int = Field(50053, ge=0, le=65535, description="the port to listen on; 0 takes a free one")
    scoring_address: str = Field("127.0.0.1:50052", description="where the scoring service listens, as host:port")
    alerting_address: str = Field("127.0.0.1:50054", description="where the alerting service listens, as host:port")
    max_exports: int = Field(
        MOST_EXPORTS, ge=1, description="exports served at once, half of them for any one tenant; each may hold up to 100 MB"
    )
