"""Mappings that choose: which of several rules, which rows, and how many facts of a row."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf import json_format

from services.cli.mapping import RowMapping, compile_mapping
from services.cli.mapping_sources import MappingError
from services.cli.rules import RowRejected

PAYMENT = """
kind = "transaction"
[fields]
eventId = { column = "id" }
source = "EVENT_SOURCE_PAYMENTS"
"""
TWO = """
[[facts]]
kind = "appointment"
fields.eventId = { template = "{id}-booked" }
[[facts]]
kind = "appointment"
when = { column = "ended", in = ["yes"] }
fields.eventId = { template = "{id}-ended" }
fields.occurredAt = { column = "at" }
"""


def compiled(text: str) -> RowMapping:
    return compile_mapping(tomllib.loads(text))


def payment(rule: str, **row: str) -> dict[str, Any]:
    (fact,) = compiled(f"{PAYMENT}transaction.{rule}").facts({"id": "t", **row})
    body: dict[str, Any] = json_format.MessageToDict(fact)["transaction"]
    return body


@pytest.mark.parametrize(("total", "kind"), [("-0.01", "REFUND"), ("0", None), ("12", "CHARGE")])
def test_of_alternatives_the_first_that_has_a_value_counts(total: str, kind: str | None) -> None:
    rule = """kind = [
        { constant = "TRANSACTION_KIND_REFUND", when = { column = "total", below = 0 } },
        { constant = "TRANSACTION_KIND_CHARGE", when = { column = "total", above = 0 } },
    ]"""

    assert payment(rule, total=total).get("kind") == (kind and f"TRANSACTION_KIND_{kind}")


def test_an_amount_loses_its_sign_where_the_mapping_says_so() -> None:
    told = payment('amount = { column = "total", currency = "GBP", absolute = true }', total="-12.34")

    assert told["amount"] == {"currencyCode": "GBP", "units": "12", "nanos": 340000000}


def test_an_amount_in_minor_units_is_scaled() -> None:
    told = payment('amount = { column = "cents", currency = "EUR", scale = 0.01 }', cents="1999")

    assert told["amount"] == {"currencyCode": "EUR", "units": "19", "nanos": 990000000}


def test_rounding_is_told_exactly() -> None:
    mapping = compiled(f'{PAYMENT}transaction.amount = {{ column = "a", currency = {{ column = "c" }}, round = 2 }}')
    for amount, currency in [("0.125", "USD"), ("0.135", "USD"), ("1.50", "USD"), ("-0.001", "EUR")]:
        mapping.facts({"id": "t", "a": amount, "c": currency})

    (rounding,) = mapping.roundings
    assert rounding.amounts == 3
    assert rounding.added == {"USD": Decimal("-0.005") + Decimal("0.005"), "EUR": Decimal("0.001")}


def test_without_rounding_what_money_cannot_hold_is_refused() -> None:
    with pytest.raises(RowRejected, match=r"0\.0000000001 has more than nine decimals"):
        payment('amount = { column = "a", currency = "USD" }', a="0.0000000001")


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("equals = 0", {"0": True, "0.00": True, "-0": True, "1": False, "": False}),
        ("above = 0", {"0": False, "1": True}),
        ("below = 0", {"0": False, "-1": True}),
        ("above = 1, below = 3", {"1": False, "2": True, "3": False}),
        ('below = 0, decimal = ","', {"-1.000,5": True, "1.000,5": False}),
        ('in = ["0"]', {"0": True, "0.00": False}),
    ],
)
def test_rows_are_skipped_for_the_first_reason_that_holds(condition: str, holds: dict[str, bool]) -> None:
    mapping = compiled(f'skip = [{{ reason = "why", when = {{ column = "n", {condition} }} }}]\n{PAYMENT}')

    assert {text: bool(mapping.skipped({"id": "t", "n": text})) for text in holds} == holds
    assert mapping.columns == {"id", "n"}


def test_the_first_reason_that_holds_is_told() -> None:
    mapping = compiled(
        'skip = [{ reason = "both", when = [{ column = "a", in = ["x"] }, { column = "b", in = ["x"] }] },'
        f' {{ reason = "a", when = {{ column = "a", in = ["x"] }} }}]\n{PAYMENT}'
    )

    assert [mapping.skipped({"id": "t", "a": a, "b": b}) for a, b in ["xx", "x-", "-x"]] == ["both", "a", ""]


def test_a_condition_that_cannot_be_read_rejects_the_row() -> None:
    mapping = compiled(f'skip = [{{ reason = "why", when = {{ column = "n", above = 0 }} }}]\n{PAYMENT}')

    with pytest.raises(RowRejected, match="'x' is not a number"):
        mapping.skipped({"id": "t", "n": "x"})


def test_a_row_may_become_several_facts() -> None:
    mapping = compiled(TWO)
    ended, open_ = (mapping.facts({"id": "7", "ended": e, "at": "2026-01-01T00:00:00Z"}) for e in ("yes", "no"))

    assert [json_format.MessageToDict(fact)["eventId"] for fact in ended] == ["7-booked", "7-ended"]
    assert [json_format.MessageToDict(fact)["eventId"] for fact in open_] == ["7-booked"]


def test_a_row_with_a_fact_that_cannot_be_read_has_none() -> None:
    with pytest.raises(RowRejected) as rejected:
        compiled(TWO).facts({"id": "7", "ended": "yes", "at": "?"})
    assert rejected.value.field == "occurred_at"


def test_a_row_without_any_fact_is_skipped_and_told() -> None:
    mapping = compiled(
        TWO.replace('kind = "appointment"\nfields', 'kind = "appointment"\nwhen = { column = "b", in = ["x"] }\nfields', 1)
    )

    assert mapping.skipped({"id": "7", "b": "", "ended": "no"}) == "no fact of the mapping applies"


FACT = '[[facts]]\nkind = "cost"\nfields.eventId = "e"\n'


@pytest.mark.parametrize(
    ("mapping", "complaint"),
    [
        (f'kind = "cost"\n{FACT}', "kind belongs into the entries of facts"),
        (f'fields.eventId = "e"\n{FACT}', "fields belongs into the entries of facts"),
        ("facts = []", "facts must be a list of tables"),
        ('facts = ["cost"]', "facts must be a list of tables"),
        ("[facts]\nkind = 'cost'", "facts must be a list of tables"),
        (f'{FACT}[[facts]]\nkind = "chat"', "facts[1].kind must be conversation or one of agentConfigured"),
        (f'{FACT}[[facts]]\nkind = "cost"', "facts[1].fields must say what goes into which field"),
        (f'{FACT}[[facts]]\nkind = "cost"\nskip = []', "facts[1].skip is not understood here"),
        (f'{FACT}when = {{ column = "a" }}', "facts[0].when must name a column and either"),
        (f'{FACT}fields.cost.amonut = "e"', "facts[0].fields.cost.amonut is not a field of Cost; did you mean amount?"),
        (f"skip = true\n{PAYMENT}", "skip must be a list of tables"),
        (f"skip = [true]\n{PAYMENT}", "skip[0] must have a reason and when"),
        (f'skip = [{{ reason = "x" }}]\n{PAYMENT}', "skip[0] must have a reason and when"),
        (f'skip = [{{ reason = " ", when = {{ column = "a", in = ["x"] }} }}]\n{PAYMENT}', "skip[0].reason must be a text"),
        (f'skip = [{{ reason = "x", when = {{ column = "a", is = 1 }} }}]\n{PAYMENT}', "skip[0].when must name a column and"),
        (
            f'skip = [{{ reason = "x", when = {{ column = "a", below = "0" }} }}]\n{PAYMENT}',
            "skip[0].when.below must be a number",
        ),
        (
            f'skip = [{{ reason = "x", when = {{ column = "a", in = "x" }} }}]\n{PAYMENT}',
            "skip[0].when.in must be a list of texts",
        ),
        (
            f'skip = [{{ reason = "x", when = {{ column = "a", in = ["x"], below = 0 }} }}]\n{PAYMENT}',
            "skip[0].when must name a column and either",
        ),
        (f"{PAYMENT}transaction.kind = []", "fields.transaction.kind must have a rule"),
        (
            f'{PAYMENT}transaction.kind = ["TRANSACTION_KIND_CHARGE", {{ column = "k" }}]',
            "fields.transaction.kind[0] always has a value",
        ),
        (f'{PAYMENT}transaction.kind = [{{ column = "k" }}, "FREE"]', "fields.transaction.kind[1] cannot be: 'FREE' is none of"),
        (
            f'{PAYMENT}transaction.amount = {{ column = "a", currency = "EUR", round = 10 }}',
            "fields.transaction.amount.round must be a number of decimals",
        ),
        (
            f'{PAYMENT}transaction.amount = {{ column = "a", currency = "EUR", absolute = "yes" }}',
            "fields.transaction.amount.absolute must be true or false",
        ),
        (
            f'{PAYMENT}transaction.amount = {{ column = "a", currency = "EUR", scale = 0 }}',
            "fields.transaction.amount.scale must be a number above 0",
        ),
        (f'{PAYMENT}agentId = {{ column = "a", absolute = true }}', "fields.agentId.absolute is not understood here"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused_with_its_place(mapping: str, complaint: str) -> None:
    with pytest.raises(MappingError) as refused:
        compiled(mapping)
    assert str(refused.value).startswith(complaint)
