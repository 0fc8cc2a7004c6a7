"""The mappings of invoices, bookings and cloud bills, over rows made up in the same columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import protovalidate
from google.protobuf import json_format

from services.cli.mapping import RowMapping, load_mapping

SAMPLES = Path(__file__).parents[2] / "samples" / "mappings"

INVOICE = {"invoice_no": "900001", "invoice_at": "2024-07-01 09:30:00", "customer_id": "77", "total_value_gbp": "12.50"}
BOOKING = {
    "row": "5", "hotel": "Seaside", "booked_on": "2024-10-26", "arrival_date": "2024-10-28", "travel_agent_id": "12",
    "status": "completed", "status_date": "2024-10-29",
}  # fmt: skip
CHARGE = {
    "Id": "31", "BilledCost": "0.00000123456", "BillingCurrency": "USD", "ChargeCategory": "Usage",
    "ChargePeriodStart": "2024-02-28 23:00:00", "ChargePeriodEnd": "2024-02-29 00:00:00", "ConsumedQuantity": "2.50",
    "ConsumedUnit": "Hours", "ServiceCategory": "Compute", "SubAccountName": "Shop",
}  # fmt: skip


def facts(mapping: RowMapping, row: dict[str, str]) -> list[dict[str, Any]]:
    made = mapping.facts(row)
    for fact in made:
        protovalidate.validate(fact)
    return [json_format.MessageToDict(fact) for fact in made]


def test_an_invoice_is_a_payment_in_local_time() -> None:
    mapping = load_mapping(SAMPLES / "invoices.toml")

    assert facts(mapping, INVOICE) == [
        {
            "eventId": "invoice-900001",
            "source": "EVENT_SOURCE_PAYMENTS",
            "occurredAt": "2024-07-01T08:30:00Z",
            "customerId": "customer-77",
            "transaction": {
                "transactionId": "invoice-900001",
                "kind": "TRANSACTION_KIND_CHARGE",
                "status": "TRANSACTION_STATUS_SETTLED",
                "amount": {"currencyCode": "GBP", "units": "12", "nanos": 500000000},
            },
        }
    ]


def test_a_negative_invoice_is_a_refund_of_a_customer_or_of_nobody() -> None:
    (told,) = facts(load_mapping(SAMPLES / "invoices.toml"), INVOICE | {"total_value_gbp": "-12.50", "customer_id": ""})

    assert "customerId" not in told
    assert told["transaction"]["kind"] == "TRANSACTION_KIND_REFUND"
    assert told["transaction"]["amount"] == {"currencyCode": "GBP", "units": "12", "nanos": 500000000}


def test_an_invoice_over_nothing_is_left_out_with_its_reason() -> None:
    mapping = load_mapping(SAMPLES / "invoices.toml")

    assert mapping.skipped(INVOICE | {"total_value_gbp": "0.00"}).startswith("an invoice over 0")
    assert mapping.skipped(INVOICE) == ""


def test_a_booking_is_made_and_comes_out() -> None:
    booked, ended = facts(load_mapping(SAMPLES / "bookings.toml"), BOOKING)

    assert (booked["eventId"], booked["occurredAt"]) == ("booking-5-1-booked", "2024-10-25T23:00:00Z")
    assert booked["appointment"] == {
        "appointmentId": "booking-5",
        "status": "APPOINTMENT_STATUS_BOOKED",
        "scheduledFor": "2024-10-28T00:00:00Z",
        "service": "Seaside",
    }
    assert (ended["eventId"], ended["occurredAt"]) == ("booking-5-2-completed", "2024-10-29T00:00:00Z")
    assert ended["appointment"] == {"appointmentId": "booking-5", "status": "APPOINTMENT_STATUS_COMPLETED"}
    assert booked["agentId"] == ended["agentId"] == "travel-agent-12"


def test_a_booking_cancelled_on_its_day_is_booked_before_it_is_cancelled() -> None:
    """States at the same moment are ordered by the events' ids."""
    row = BOOKING | {"status": "cancelled", "status_date": BOOKING["booked_on"], "travel_agent_id": ""}
    booked, ended = facts(load_mapping(SAMPLES / "bookings.toml"), row)

    assert booked["occurredAt"] == ended["occurredAt"]
    assert booked["eventId"] < ended["eventId"]
    assert "agentId" not in booked


def test_a_charge_is_a_cost_of_its_period_rounded_to_what_money_can_hold() -> None:
    mapping = load_mapping(SAMPLES / "cloud_costs.toml")
    (told,) = facts(mapping, CHARGE)

    assert told["cost"] == {
        "category": "COST_CATEGORY_OTHER",
        "amount": {"currencyCode": "USD", "nanos": 1235},
        "periodStart": "2024-02-28T23:00:00Z",
        "periodEnd": "2024-02-29T00:00:00Z",
        "units": 2.5,
        "unit": "Hours",
    }
    assert (told["occurredAt"], told["agentId"]) == ("2024-02-28T23:00:00Z", "account-Shop")
    assert [(r.amounts, f"{r.added['USD']:f}") for r in mapping.roundings] == [(1, "0.00000000044")]


def test_machine_learning_is_model_usage() -> None:
    (told,) = facts(load_mapping(SAMPLES / "cloud_costs.toml"), CHARGE | {"ServiceCategory": "AI and Machine Learning"})

    assert told["cost"]["category"] == "COST_CATEGORY_MODEL_USAGE"


def test_what_lowers_a_bill_is_left_out_with_its_reason() -> None:
    mapping = load_mapping(SAMPLES / "cloud_costs.toml")
    lowered = CHARGE | {"BilledCost": "-2.00"}

    assert mapping.skipped(lowered | {"ChargeCategory": "Credit"}).startswith("a credit")
    assert mapping.skipped(lowered).startswith("a correction")
    assert mapping.skipped(CHARGE | {"BilledCost": "0.00"}) == ""
