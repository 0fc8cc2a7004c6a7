"""Whose work a customer's value is, and what it is next to what the customer cost."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from rapport.insight.v1 import vocabulary_pb2
from rapport.metrics.v1 import customer_pb2
from rapport.query.v1 import query_service_pb2

from tests.query.conftest import Service
from tests.query.rows import INSTAGRAM, TODAY, WHATSAPP, Rows, ago

ACQUISITION, TRANSACTION = 4, 2


async def worth(service: Service) -> customer_pb2.CustomerBusinessMetrics:
    request = query_service_pb2.GetCustomerInsightRequest(customer_id="c1")
    return (await service.stub.GetCustomerInsight(request)).business_metrics


@pytest.fixture
def buyer(rows: Rows) -> Rows:
    """Bought of agent 1 on two platforms, of nobody, and got something back; three orders, 170 in all."""
    rows.customer("c1", date(2026, 5, 4), TODAY)
    rows.contribution("v1", ago(days=2), amount="100", currency="INR", orders=1)
    rows.contribution(
        "t1", ago(days=1), kind=TRANSACTION, conversations=0, platform=INSTAGRAM, amount="50", currency="INR", orders=1
    )
    rows.contribution("t2", ago(days=1), kind=TRANSACTION, conversations=0, platform=INSTAGRAM, amount="-10", currency="INR")
    rows.contribution(
        "t3", ago(days=1), kind=TRANSACTION, agent_id="", platform=0, conversations=0, amount="30", currency="INR", orders=1
    )
    rows.contribution("theirs", ago(days=1), customer_id="c2", amount="9", currency="INR", orders=1)
    rows.paid("c1", ago(days=2).date(), "100")
    rows.paid("c1", ago(days=1).date(), "70", orders=2)
    return rows


def told(business: customer_pb2.CustomerBusinessMetrics) -> list[tuple[str, int, float, int]]:
    return [(s.agent_id, s.platform if s.HasField("platform") else 0, s.revenue, s.orders) for s in business.revenue_by_agent]


async def test_the_largest_part_is_first_and_parts_add_up(service: Service, buyer: Rows) -> None:
    found = await worth(service)
    assert told(found) == [("1", WHATSAPP, 100, 1), ("1", INSTAGRAM, 40, 1), ("", 0, 30, 1)]
    assert vocabulary_pb2.Platform.Value.Name(found.revenue_by_agent[1].platform) == "instagram"
    assert sum(s.revenue for s in found.revenue_by_agent) == found.lifetime_value == 170
    assert sum(s.orders for s in found.revenue_by_agent) == found.total_purchases == 3


async def test_what_retention_has_deleted_is_nobodys_so_that_parts_still_add_up(service: Service, buyer: Rows) -> None:
    buyer.conn.execute("DELETE FROM scoring.contribution WHERE fact_id = 'v1'")
    found = await worth(service)
    assert told(found) == [("", 0, 130, 2), ("1", INSTAGRAM, 40, 1)]
    assert found.lifetime_value == 170


async def test_parts_are_converted_day_by_day(service: Service, buyer: Rows) -> None:
    buyer.contribution("t4", ago(days=3), kind=TRANSACTION, conversations=0, amount="2", currency="USD", orders=1)
    buyer.paid("c1", ago(days=3).date(), "2", "USD")
    assert told(await worth(service))[0] == ("1", WHATSAPP, 100, 2)
    buyer.rate("USD", ago(days=4).date(), "80")
    assert told(await worth(service))[0] == ("1", WHATSAPP, 260, 2)


async def test_value_per_cost(service: Service, buyer: Rows) -> None:
    assert not (await worth(service)).HasField("lifetime_value_to_acquisition_cost")
    buyer.cost("85", TODAY, TODAY + timedelta(days=1), category=ACQUISITION, customer_id="c1")
    assert (await worth(service)).lifetime_value_to_acquisition_cost == 2
    buyer.paid("c1", TODAY, "1", "USD")
    assert not (await worth(service)).HasField("lifetime_value_to_acquisition_cost")


async def test_value_per_nothing_is_undefined(service: Service, buyer: Rows) -> None:
    buyer.cost("0", TODAY, TODAY + timedelta(days=1), category=ACQUISITION, customer_id="c1")
    found = await worth(service)
    assert (found.HasField("customer_acquisition_cost"), found.HasField("lifetime_value_to_acquisition_cost")) == (True, False)


async def test_a_customer_without_orders_has_no_sources(service: Service, rows: Rows) -> None:
    rows.customer("c1", TODAY, TODAY)
    rows.contribution("v1", ago(days=2))
    assert told(await worth(service)) == []


async def test_the_number_of_statements_is_fixed(service: Service, buyer: Rows) -> None:
    for more in (0, 30):
        for n in range(more):
            buyer.contribution(f"more {n}", ago(days=n), agent_id=str(n), amount="1", currency="USD", orders=1)
        with service.statements() as sent:
            await worth(service)
        assert len(sent) == 7
