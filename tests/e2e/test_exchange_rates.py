"""Money in another currency over HTTP: apart without a rate, in the figures with one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.timeout(300)


async def test_money_in_another_currency_over_http(http: httpx.AsyncClient) -> None:
    now = datetime.now(UTC)

    async def call(method: str, path: str, **body: Any) -> Any:
        answer = await http.request(method, f"/api/analytics/{path}", **body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    currency = (await call("GET", "settings"))["settings"]["reportingCurrency"]
    conversation = {
        "conversationId": "fx-1", "agentId": "fx", "customerId": "fx", "platform": "web",
        "startTime": (now - timedelta(minutes=30)).isoformat(),
        "conversionEvent": {"type": "purchase", "value": 12.5, "currency": "CHF"},
    }  # fmt: skip
    token = (await call("POST", "conversation", json=conversation))["consistencyToken"]
    before = await call("GET", "agent/fx/performance", params={"consistency_token": token})
    assert before["businessMetrics"]["totalRevenue"] == 0
    assert before["quality"]["unconverted"] == [{"currencyCode": "CHF", "units": "12", "nanos": 500_000_000}]

    yesterday = (now - timedelta(days=1)).date().isoformat()
    rate = {"fromCurrency": "CHF", "toCurrency": currency, "date": yesterday, "rate": "100.2"}
    assert (await call("PUT", "exchange-rates", json={"rates": [rate]}))["changed"] == 1
    assert (await call("GET", "exchange-rates", params={"from_currency": "CHF"}))["rates"] == [rate]
    refused = await http.put("/api/analytics/exchange-rates", json={"rates": [rate | {"date": "2026-02-30"}]})
    assert (refused.status_code, "rates[0].date" in refused.text) == (400, True)

    after = await call("GET", "agent/fx/performance")
    assert after["businessMetrics"]["totalRevenue"] == pytest.approx(1252.5)
    assert not after["quality"]["unconverted"]
