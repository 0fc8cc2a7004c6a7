"""What was found reads with its unit, and never as if it were the threshold."""

from __future__ import annotations

import pytest
from rapport.alerting.v1.alert_pb2 import Alert

from services.cli.alert_values import found, quantity


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (55153.0, "milliseconds", "55.2 s"),
        (1000.0, "milliseconds", "1 s"),
        (999.4, "milliseconds", "999.4 ms"),
        (-2500.0, "milliseconds", "-2.5 s"),
        (3725.0, "seconds", "3,725 s"),
        (75.0, "minutes", "75 min"),
        (26.25, "hours", "26.2 h"),
        (-17.345, "percent", "-17.3 %"),
        (0.04125, "percent", "0.0413 %"),
        (0.0, "percent", "0 %"),
        (100.0, "percent", "100 %"),
        (1200.0, "count", "1,200"),
        (1.5, "rating from 1 to 5", "1.5"),
        (4.267, "rating from 1 to 5", "4.27"),
        (1.0, "grade from 1 to 7", "1"),
        (1234.5, "EUR", "1,234.50 EUR"),
        (1234.5, "reporting currency", "1,234.50 reporting currency"),
        (14.4, "times the allowed rate", "14.4 times the allowed rate"),
        (55153.0, "", "55,153.00"),
    ],
)
def test_a_value_is_told_with_its_unit(value: float, unit: str, text: str) -> None:
    assert quantity(value, unit) == text


@pytest.mark.parametrize(
    ("alert", "text"),
    [
        (Alert(value=55153, threshold=30000, unit="milliseconds"), "55.2 s, above 30 s"),
        (Alert(value=1.5, threshold=3, unit="rating from 1 to 5"), "1.5, below 3"),
        (Alert(value=30004, threshold=30000, unit="milliseconds"), "30.004 s, above 30 s"),
        (Alert(value=89.9999, threshold=90, unit="percent"), "89.9999 %, below 90 %"),
        (Alert(value=900, threshold=30000, unit="milliseconds"), "900 ms, below 30 s"),
        (Alert(value=100.001, threshold=100, unit="EUR"), "100.001 EUR, above 100.000 EUR"),
        (Alert(value=5, threshold=5, unit="count"), "5, at the threshold"),
        (Alert(threshold=5, unit="count"), ""),
        (Alert(value=1, threshold=0, unit="count", measure="watchdog"), ""),
        (Alert(value=55153, threshold=30000), "55,153.00 against 30,000.00"),
    ],
)
def test_a_finding_tells_on_which_side_of_the_threshold_it_is(alert: Alert, text: str) -> None:
    assert found(alert) == text
