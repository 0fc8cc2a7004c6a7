"""Money is read exactly, and never finer than its currency."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.ingest import money


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
