"""Sums to rates, means and percentiles."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from decimal import Decimal

import pytest

from services.query.histograms import GROWTH, Percentiles
from services.query.measures import MEASURES
from services.query.performance import (
    FIELDS,
    Figures,
    Place,
    Sums,
    Takings,
    Totals,
    add_up,
    day_figures,
    figures,
    gather,
    join,
    platform_figures,
    share,
)
from services.query.times import percentiles
from services.storage.schema import COUNTS, agent_day, counts_total_day

SUMS = Sums(
    conversations=8, ended=5, completed=4, escalated=1, conversions=2, duration_ms=90_000, csat_n=3, csat_x100=1300,
    csat_x100_sq=570_000, response_n=4, response_ms=10_000, positive=3, neutral=2, negative=1, booked=6, kept=3, no_show=1,
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
        average_order_value=25.025,
        appointments_booked=6,
        appointment_completion_rate=75.0,
        no_show_rate=25.0,
        orders=7,
        revenue_per_conversation=None,
        unconverted=(("USD", Decimal("9.99")),),
    )


def test_a_platforms_figures_and_how_sure_they_are() -> None:
    totals = Totals(SUMS, {"INR": Takings(4, Decimal("100.10"))})
    whole, found = figures(totals, "INR"), platform_figures(totals, "INR")
    assert (found.conversations, found.revenue, found.rated_conversations) == (8, Decimal("100.10"), 3)
    for name in ("conversion_rate", "escalation_rate", "conversation_completion_rate", "revenue_per_conversation"):
        assert getattr(found, name) == getattr(whole, name)
    # Wilson's of 2 of 8; and of ratings 4, 4 and 5: their mean, less 4.3027 standard errors of 1/3, and up to the scale's end.
    assert found.conversion_interval == (pytest.approx(7.1479, abs=1e-4), pytest.approx(59.0725, abs=1e-4))
    assert found.satisfaction_interval == (pytest.approx(13 / 3 - 1.43422, abs=1e-4), 5)
    nothing = platform_figures(Totals(Sums(csat_n=1, csat_x100=500, csat_x100_sq=250_000)), "INR")
    assert nothing.conversion_interval is nothing.satisfaction_interval is None


def test_revenue_per_conversation_is_of_all_the_money_or_absent() -> None:
    settled = {"INR": Takings(4, Decimal("100.10")), "EUR": Takings(2, Decimal(0))}
    assert figures(Totals(SUMS, settled), "INR").revenue_per_conversation == 12.5125
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
    assert {f.name for f in fields(Sums)} == set(COUNTS)
    assert set(COUNTS) <= set(agent_day.c.keys()) & set(counts_total_day.c.keys())


def test_percentiles_are_named_as_the_contracts_fields() -> None:
    buckets = {50: 10, 90: 20, 99: 30}
    found = percentiles({"response": Percentiles(100, buckets), "duration": Percentiles(7, buckets)})
    for percent, bucket in buckets.items():
        middle = 2 * GROWTH**bucket / (1 + GROWTH)
        assert found[f"response_time_p{percent}_ms"] == pytest.approx(middle)
        assert found[f"duration_p{percent}_s"] == pytest.approx(middle / 1000)


def test_nothing_measured_has_no_percentiles() -> None:
    assert percentiles({}) == percentiles({"response": Percentiles()}) == {}


def test_a_share_of_nothing_or_less_is_undefined() -> None:
    assert share(Decimal(1), Decimal(4)) == 25
    assert share(Decimal(-1), Decimal(4)) == -25
    assert share(Decimal(1), Decimal(0)) is share(Decimal(1), Decimal(-4)) is None


def test_every_figure_is_a_measure_and_its_measures_terms_are_sums() -> None:
    assert set(FIELDS.values()) | {"unconverted"} == {f.name for f in fields(Figures)}
    terms = {term for name in FIELDS for term in (*MEASURES[name].of, *MEASURES[name].per)}
    assert terms <= {f.name for f in fields(Sums)} | {"orders", "reported_orders", "revenue"}


def test_a_days_figures_are_those_of_the_same_totals() -> None:
    totals = Totals(SUMS, {"INR": Takings(4, Decimal("100.10"))})
    whole, day = figures(totals, "INR"), day_figures(totals, "INR")
    assert (day.conversations, day.revenue) == (whole.total_conversations, whole.total_revenue)
    for name in ("customer_satisfaction_avg", "average_response_time_ms", "conversion_rate"):
        assert getattr(day, name) == getattr(whole, name)


def test_what_is_taken_away_was_added() -> None:
    one = Totals(SUMS, {"INR": Takings(4, Decimal("0.1")), "USD": Takings(1, Decimal(5))})
    other = Totals(Sums(conversations=3, booked=2), {"USD": Takings(2, Decimal(7))})
    assert one + other - other == one
    assert (one - one).takings == {}
