"""Exchange rates of the contract to rates and back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from rapport.ingest.v1 import ingest_service_pb2 as pb

from services.ingest import rates
from services.ingest.convert import currency_violations
from services.ingest.rates import Rate, Wanted
from services.runtime.errors import FieldViolation, invalid_fields


def rates_of(request: pb.PutExchangeRatesRequest) -> list[Rate]:
    """Return the rates of a request that keeps its contract.

    Raises InvalidArgument for what the contract cannot say: currencies and days that do not exist, a rate of 0, and a rate
    that is told twice.
    """
    found = [violation for place, each in enumerate(request.rates) for violation in _violations(each, f"rates[{place}]")]
    found += _repetitions(request)
    if found:
        raise invalid_fields(found)
    return [Rate(r.from_currency, r.to_currency, date.fromisoformat(r.date), Decimal(r.rate)) for r in request.rates]


def wanted(request: pb.ListExchangeRatesRequest) -> Wanted:
    """Return which rates are asked for."""
    return Wanted(request.from_currency, request.to_currency)


def rates_to_proto(found: Iterable[Rate]) -> list[pb.ExchangeRate]:
    """Return rates as the contract has them."""
    return [
        pb.ExchangeRate(
            from_currency=each.from_currency,
            to_currency=each.to_currency,
            date=each.day.isoformat(),
            rate=rates.plain(each.rate),
        )
        for each in found
    ]


def _violations(rate: pb.ExchangeRate, path: str) -> list[FieldViolation]:
    found = currency_violations(rate.from_currency, f"{path}.from_currency")
    found += currency_violations(rate.to_currency, f"{path}.to_currency")
    if rates.read_day(rate.date) is None:
        found.append(FieldViolation(f"{path}.date", "date.unknown", "must be a day of the calendar"))
    if not Decimal(rate.rate):
        found.append(FieldViolation(f"{path}.rate", "rate.zero", "must be greater than 0"))
    return found


def _repetitions(request: pb.PutExchangeRatesRequest) -> list[FieldViolation]:
    twice = rates.repeated([(r.from_currency, r.to_currency, r.date) for r in request.rates])
    return [
        FieldViolation(f"rates[{place}]", "rates.repeated", f"has the currencies and the day of rates[{first}]")
        for place, first in twice.items()
    ]
