"""A customer's quarters of the year, told by the real scoring service over the same database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from rapport.query.v1 import query_service_pb2
from rapport.scoring.v1 import scoring_service_pb2

from services.runtime.database import Database
from services.runtime.page_tokens import Signer
from services.runtime.tenancy import set_tenant
from services.scoring.servicer import ScoringServicer
from tests.query.conftest import KEYS, Service
from tests.query.rows import TODAY, Rows


@pytest.fixture
async def told(service: Service, rows: Rows, database_url: str) -> AsyncIterator[Service]:
    """The query service with scoring's own answers about seasons, and one customer: four days in two quarters, four orders."""
    rows.customer("c1", date(2026, 1, 12), TODAY, days=4, orders=4)
    for day in (date(2026, 1, 12), date(2026, 3, 20), date(2026, 5, 1), TODAY):
        rows.insert("scoring.customer_day", customer_id="c1", day=day, agent_id="1", platform=1, conversations=0, orders=1)
    # Today has two rows (two agents) and is one engagement day.
    rows.insert("scoring.customer_day", customer_id="c1", day=TODAY, agent_id="2", platform=1, conversations=1, orders=0)
    database = Database(database_url, "rapport_scoring")
    scoring = ScoringServicer(database, service.tokens, Signer("scoring_page", KEYS), service.clock)

    async def answer(request: Any, context: Any) -> scoring_service_pb2.GetSeasonalityResponse:
        set_tenant("default")
        return await scoring.GetSeasonality(request, context)

    service.scoring.real_seasonality = answer
    yield service
    await database.close()


async def test_the_four_quarters_in_json(told: Service) -> None:
    request = query_service_pb2.GetCustomerInsightRequest(customer_id="c1")
    got = MessageToDict(
        (await told.stub.GetCustomerInsight(request)).behavioral_insights, always_print_fields_with_no_presence=True
    )

    def quarter(number: int, events: int, days: int) -> dict[str, Any]:
        # 129 days from 12 January to 20 May: 79 in the first quarter, 50 in the second.
        share = days / 129
        index = (events + 8 * share) / (12 * share) if days else 1
        return {
            "quarter": number,
            "engagement": events,
            "purchases": events,
            "engagementIndex": index,
            "purchaseIndex": index,
            "significant": False,
            "exposureDays": days,
        }

    assert got["seasonalPatterns"] == [quarter(1, 2, 79), quarter(2, 2, 50), quarter(3, 0, 0), quarter(4, 0, 0)]
