"""Segments at their borders, by the tenant's policy, and the sentences that say why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.policy import SegmentPolicy
from services.scoring.segments import Rule, Segment, Standings, Thresholds, decide, reason, segment_of, segments_of

BASE: dict[str, Any] = {
    "age_days": 200, "repeat_days": 3, "orders": 2, "p_alive": 0.9, "predicted_value": 100.0, "advocate": False,
    "was_at_risk": False,
}  # fmt: skip
FEW, ENOUGH = 29, 30


def standings(*changes: dict[str, Any]) -> Standings:
    rows = [BASE | change for change in changes]
    return Standings(**{n: np.array([row[n] for row in rows], dtype=type(v) if v is False else float) for n, v in BASE.items()})


def put(change: dict[str, Any], limits: Thresholds, policy: SegmentPolicy) -> tuple[Segment | None, str]:
    one = standings(change)
    (rule,) = decide(one, limits, policy).tolist()
    return segment_of(rule), reason(rule, one, 0, limits, policy)


@pytest.mark.parametrize(
    ("change", "limits", "policy", "expected"),
    [
        ({"age_days": 29, "repeat_days": 1}, {}, {}, Segment.NEW_CUSTOMER),
        ({"age_days": 29, "repeat_days": 2}, {}, {}, Segment.REGULAR),
        ({"age_days": 30, "repeat_days": 1}, {}, {}, Segment.OCCASIONAL),
        ({"age_days": 9, "repeat_days": 1}, {}, {"new_customer_days": 9}, Segment.OCCASIONAL),
        ({"p_alive": 0.49}, {}, {}, Segment.AT_RISK),
        ({"p_alive": 0.5}, {}, {}, Segment.REGULAR),
        ({"p_alive": 0.5}, {}, {"at_risk_below": 0.51}, Segment.AT_RISK),
        ({"p_alive": 0.55, "was_at_risk": True}, {}, {}, Segment.AT_RISK),
        ({"p_alive": 0.6, "was_at_risk": True}, {}, {}, Segment.REGULAR),
        ({"p_alive": 0.55, "was_at_risk": True}, {}, {"safe_from": 0.55}, Segment.REGULAR),
        ({"p_alive": 0.1, "repeat_days": 0}, {}, {}, Segment.OCCASIONAL),
        ({}, {"clv_p90": 100.0}, {}, Segment.HIGH_VALUE),
        ({}, {"clv_p90": 100.01}, {}, Segment.REGULAR),
        ({"orders": 1}, {"clv_p90": 100.0}, {}, Segment.REGULAR),
        ({"orders": 1}, {"clv_p90": 100.0}, {"high_value_orders": 1}, Segment.HIGH_VALUE),
        ({}, {"returning_customers": FEW}, {}, Segment.REGULAR),
        ({}, {"returning_customers": FEW}, {"high_value_amount": 100.0}, Segment.HIGH_VALUE),
        ({}, {"returning_customers": FEW}, {"high_value_amount": 100.01}, Segment.REGULAR),
        ({"orders": 1}, {"returning_customers": FEW}, {"high_value_amount": 100.0}, Segment.REGULAR),
        ({}, {"returning_customers": ENOUGH, "clv_p90": 900.0}, {"high_value_amount": 100.0}, Segment.REGULAR),
        ({}, {"returning_customers": ENOUGH}, {"high_value_amount": 100.0}, Segment.REGULAR),
        ({"advocate": True}, {"clv_p90": 900.0, "clv_median": 100.0}, {}, Segment.HIGH_VALUE),
        ({"advocate": True}, {"clv_p90": 900.0, "clv_median": 100.01}, {}, Segment.REGULAR),
        ({"advocate": True, "predicted_value": np.nan}, {"clv_p90": 900.0, "clv_median": 100.0}, {}, Segment.REGULAR),
        ({"predicted_value": np.nan}, {"clv_p90": 100.0}, {}, Segment.REGULAR),
        ({"repeat_days": 2}, {}, {"regular_repeat_days": 3}, Segment.OCCASIONAL),
        ({"age_days": np.nan, "p_alive": np.nan, "repeat_days": 0}, {}, {}, None),
    ],
)
def test_the_first_segment_that_matches_wins(
    change: dict[str, Any], limits: dict[str, Any], policy: dict[str, Any], expected: Segment | None
) -> None:
    found, why = put(change, Thresholds(**limits), SegmentPolicy(**policy))
    assert found is expected
    assert bool(why) == (expected is not None)


@pytest.mark.parametrize(
    ("change", "limits", "sentence"),
    [
        ({"age_days": 1, "repeat_days": 0}, Thresholds(), "first engaged 1 day ago, fewer than 30, and came back on 0 days"),
        ({"p_alive": 0.4321}, Thresholds(), "came back on 3 days, but has not left with a probability of only 0.432, below 0.5"),
        (
            {"p_alive": 0.55, "was_at_risk": True},
            Thresholds(),
            "came back on 3 days, but has not left with a probability of only 0.550; who was at risk before is so below 0.6",
        ),
        (
            {"p_alive": 0.4, "was_at_risk": True},
            Thresholds(),
            "came back on 3 days, but has not left with a probability of only 0.400, below 0.5",
        ),
        (
            {"predicted_value": 1234.5},
            Thresholds(clv_p90=1000.0),
            "2 orders and a predicted value of 1,234.50, in the highest tenth from 1,000.00",
        ),
        ({}, Thresholds(returning_customers=3), "2 orders and a predicted value of 100.00, at least 90.00"),
        (
            {"advocate": True, "orders": 1},
            Thresholds(clv_median=80.0),
            "an advocate with 1 order and a predicted value of 100.00, at least the median of 80.00",
        ),
        ({"orders": 0}, Thresholds(), "came back on 3 days, at least 2"),
        ({"repeat_days": 1, "orders": 0}, Thresholds(), "came back on 1 day, fewer than 2"),
    ],
)
def test_reasons_have_the_numbers_that_decided(change: dict[str, Any], limits: Thresholds, sentence: str) -> None:
    assert put(change, limits, SegmentPolicy(high_value_amount=90.0))[1] == sentence


def test_hysteresis_keeps_customers_from_going_to_and_fro() -> None:
    """The control: without a gap between the two probabilities the same customer moves every day."""

    def moves(policy: SegmentPolicy) -> int:
        segment, moved = Segment.AT_RISK, 0
        for p_alive in (0.49, 0.52, 0.48, 0.53, 0.49, 0.55, 0.47):
            found, _ = put({"p_alive": p_alive, "was_at_risk": segment is Segment.AT_RISK}, Thresholds(), policy)
            assert found is not None
            moved, segment = moved + (found is not segment), found
        return moved

    assert moves(SegmentPolicy()) == 0
    assert moves(SegmentPolicy(safe_from=0.5)) == 6


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "age_days": st.sampled_from([np.nan, 0, 29, 30, 400]),
                "repeat_days": st.sampled_from([0, 1, 2, 9]),
                "orders": st.sampled_from([0, 1, 2, 9]),
                "p_alive": st.floats(0, 1),
                "predicted_value": st.sampled_from([np.nan, 0, 50, 100, 900]),
                "advocate": st.booleans(),
                "was_at_risk": st.booleans(),
            }
        ),
        min_size=1,
    ),
    st.builds(Thresholds, st.sampled_from([None, 100.0]), st.sampled_from([None, 50.0]), st.sampled_from([0, FEW, ENOUGH])),
    st.builds(SegmentPolicy, high_value_amount=st.sampled_from([None, 50.0])),
)
def test_everybody_who_engaged_has_one_segment_and_a_reason(
    changes: list[dict[str, Any]], limits: Thresholds, policy: SegmentPolicy
) -> None:
    many = standings(*changes)
    rules = decide(many, limits, policy)
    for i, (rule, segment) in enumerate(zip(rules.tolist(), segments_of(rules).tolist(), strict=True)):
        engaged = not np.isnan(many.age_days[i])
        assert (rule != Rule.NONE) == engaged == (segment != 0)
        assert segment_of(rule) == (Segment(segment) if segment else None)
        assert bool(reason(rule, many, i, limits, policy)) == engaged
