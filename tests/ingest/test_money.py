"""Money is read exactly, and payments are never finer than their currency."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from rapport.insight.v1.event_pb2 import SyncEvent

from services.ingest import convert, money


@pytest.mark.parametrize(
    ("amount", "currency", "finer"),
    [
        ("1.1", "EUR", False),
        ("1.101", "EUR", True),
        ("1", "JPY", False),
        ("1.5", "JPY", True),
        ("1.234", "KWD", False),
        ("100.00", "JPY", False),
    ],
)
def test_minor_units(amount: str, currency: str, finer: bool) -> None:
    assert money.is_finer_than_minor_unit(Decimal(amount), currency) is finer


def test_a_json_number_is_its_shortest_decimal() -> None:
    assert money.from_shortest_decimal(0.1) == Decimal("0.1")
    assert money.from_shortest_decimal(1e22) == Decimal(10) ** 22


def test_units_and_nanos_are_exact() -> None:
    assert money.from_units_and_nanos(19, 990_000_000) == Decimal("19.99")


def test_there_are_the_active_currencies_and_no_others() -> None:
    assert all(money.is_currency(code) for code in ("EUR", "INR", "JPY", "KWD", "ZWG"))
    assert not any(money.is_currency(code) for code in ("DEM", "XXX", "eur", ""))


SMALL = {"currencyCode": "USD", "nanos": 800}
CHARGE = {"transactionId": "t", "kind": "TRANSACTION_KIND_CHARGE", "status": "TRANSACTION_STATUS_SETTLED", "amount": SMALL}


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        ({"cost": {"category": "COST_CATEGORY_OTHER", "amount": SMALL}}, []),
        ({"cost": {"category": "COST_CATEGORY_OTHER", "amount": SMALL | {"currencyCode": ""}}}, ["currency.unknown"]),
        ({"transaction": CHARGE}, ["value.finer_than_minor_unit"]),
    ],
    ids=["a cost", "a cost without a currency", "a payment"],
)
def test_only_costs_may_be_finer_than_the_minor_unit(body: dict[str, Any], codes: list[str]) -> None:
    """What a thousand requests cost may be less than a cent; nobody pays less than one."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    event = ParseDict({"eventId": "e", "occurredAt": "2026-01-01T00:00:00Z"} | body, SyncEvent())
    assert [violation.rule for violation in convert.event_violations(event, "", now)] == codes
