"""Sums to rates, means and percentiles."""

from __future__ import annotations

import math
from dataclasses import fields
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.query.performance import (
    GROWTH,
    Figures,
    Place,
    Sums,
    Takings,
    Totals,
    add_up,
    figures,
    gather,
    join,
    percentiles,
)
from services.storage.schema import COUNTS, agent_day

SUMS = Sums(
    conversations=8, ended=5, completed=4, escalated=1, conversions=2, duration_ms=90_000, csat_n=3, csat_x100=1300,
    response_n=4, response_ms=10_000, positive=3, neutral=2, negative=1, booked=6, kept=3, no_show=1,
)  # fmt: skip


def test_each_figure() -> None:
    takings = {"INR": Takings(4, Decimal("100.10")), "USD": Takings(1, Decimal("9.99")), "EUR": Takings(2, Decimal(0))}

    found = figures(Totals(SUMS, takings), "INR")

    assert found == Figures(
        total_conversations=8,
        average_conversation_duration_s=18.0,
        average_response_time_ms=2500.0,
        conversation_completion_rate=80.0,
        customer_satisfaction_avg=pytest.approx(13 / 3),
        escalation_rate=12.5,
        rated_conversations=3,
        total_revenue=Decimal("100.10"),
        conversions_generated=2,
        conversion_rate=25.0,
        average_order_value=Decimal("25.025"),
        appointments_booked=6,
        appointment_completion_rate=75.0,
        no_show_rate=25.0,
        orders=7,
        revenue_per_conversation=None,
        unconverted=(("USD", Decimal("9.99")),),
    )


def test_revenue_per_conversation_is_of_all_the_money_or_absent() -> None:
    settled = {"INR": Takings(4, Decimal("100.10")), "EUR": Takings(2, Decimal(0))}
    assert figures(Totals(SUMS, settled), "INR").revenue_per_conversation == Decimal("12.5125")
    assert figures(Totals(SUMS, settled | {"USD": Takings(1, Decimal("0.01"))}), "INR").revenue_per_conversation is None


def test_a_conversation_that_still_goes_on_does_not_lower_completion() -> None:
    assert figures(Totals(Sums(conversations=3, ended=1, completed=1)), "INR").conversation_completion_rate == 100
    assert figures(Totals(Sums(conversations=3)), "INR").conversation_completion_rate is None


def test_what_is_undefined_is_none() -> None:
    found = figures(Totals(), "INR")
    undefined = {f.name for f in fields(Figures) if getattr(found, f.name) is None}
    assert undefined == {
        "average_conversation_duration_s", "average_response_time_ms", "conversation_completion_rate",
        "customer_satisfaction_avg", "escalation_rate", "conversion_rate", "average_order_value", "appointment_completion_rate",
        "no_show_rate",
        "revenue_per_conversation",
    }  # fmt: skip


def test_a_defined_zero_is_zero() -> None:
    found = figures(Totals(Sums(conversations=2, ended=2, kept=1)), "INR")
    assert (found.conversion_rate, found.escalation_rate, found.conversation_completion_rate, found.no_show_rate) == (0, 0, 0, 0)


def test_refunds_beyond_revenue_are_negative() -> None:
    found = figures(Totals(Sums(conversations=1), {"INR": Takings(0, Decimal(-5))}), "INR")
    assert (found.total_revenue, found.average_order_value, found.revenue_per_conversation) == (Decimal(-5), None, Decimal(-5))


def test_money_is_added_by_currency() -> None:
    total = add_up(
        [Totals(SUMS, {"INR": Takings(1, Decimal("0.1"))}), Totals(SUMS, {"INR": Takings(2, Decimal("0.2")), "USD": Takings(1)})]
    )
    assert total.sums.conversations == 16
    assert total.takings == {"INR": Takings(3, Decimal("0.3")), "USD": Takings(1)}


def test_places_are_joined_and_gathered() -> None:
    web, sms, day = 4, 5, date(2026, 1, 1)
    counts = {Place("a", web, day): Sums(conversations=1), Place("b", web): Sums(conversations=2)}
    takings = {Place("a", web, day): {"INR": Takings(1)}, Place("a", sms): {"INR": Takings(5)}}

    totals = join(counts, takings)

    assert gather(totals, lambda place: place.agent_id) == {
        "a": Totals(Sums(conversations=1), {"INR": Takings(6)}),
        "b": Totals(Sums(conversations=2)),
    }
    assert {key: each.sums.conversations for key, each in gather(totals, lambda place: place.platform).items()} == {
        web: 3,
        sms: 0,
    }


def test_sums_are_named_as_the_columns() -> None:
    assert {f.name for f in fields(Sums)} <= set(COUNTS) <= set(agent_day.c.keys())


def test_nothing_measured_has_no_percentiles() -> None:
    assert percentiles({}) is None


def test_percentiles_by_nearest_rank() -> None:
    found = percentiles({10: 50, 20: 40, 30: 9, 40: 1})
    assert found is not None
    assert (found.p50, found.p90, found.p99) == tuple(pytest.approx(2 * GROWTH**b / (1 + GROWTH)) for b in (10, 20, 30))


@given(st.lists(st.integers(min_value=1, max_value=86_400_000), min_size=1, max_size=60))
def test_percentiles_are_within_two_percent(times: list[int]) -> None:
    histogram: dict[int, int] = {}
    for time in times:
        bucket = math.ceil(math.log(time) / math.log(1.04))
        histogram[bucket] = histogram.get(bucket, 0) + 1

    found = percentiles(histogram)

    assert found is not None
    for percent, got in ((50, found.p50), (90, found.p90), (99, found.p99)):
        exact = sorted(times)[math.ceil(percent * len(times) / 100) - 1]
        assert got == pytest.approx(exact, rel=0.02)
