"""How what a rule found reads: values with their units, and on which side of the threshold they are."""

from __future__ import annotations

import math

from rapport.alerting.v1.alert_pb2 import Alert

from services.cli.layout import number

_MS_PER_S = 1000
#: Units of the service as they stand behind a number. Of counts the number says all, and of points of a scale.
_SIGNS = {"milliseconds": "ms", "seconds": "s", "minutes": "min", "hours": "h", "percent": "%", "count": ""}
_SCALES = ("rating from", "grade from")
_REPORTING = "reporting currency"
#: Measures whose value says nothing but that their alert is there.
_PRESENCES = frozenset({"watchdog"})
#: Digits that are told of a value; the least and most decimals.
_DIGITS, _LEAST, _MOST = 3, 1, 9


def found(alert: Alert) -> str:
    """Return the value and how it stands to the threshold, such as "55.2 s, above 30 s"; "" unless that says something."""
    if not alert.HasField("value") or alert.measure in _PRESENCES:
        return ""
    if not alert.unit:
        return f"{number(alert.value, 2)} against {number(alert.threshold, 2)}"
    value, threshold = _told_apart(alert.value, alert.threshold, alert.unit)
    if alert.value == alert.threshold:
        return f"{value}, at the threshold"
    return f"{value}, {'above' if alert.value > alert.threshold else 'below'} {threshold}"


def quantity(value: float, unit: str, decimals: int = _LEAST) -> str:
    """Return a value with its unit, to three digits or so many decimals; to two decimals where no unit is known, or of money."""
    if not unit or unit == _REPORTING or _is_currency(unit):
        return number(value, max(decimals, 2), unit)
    if unit == "milliseconds" and abs(value) >= _MS_PER_S:
        value, unit = value / _MS_PER_S, "seconds"
    sign = "" if unit.startswith(_SCALES) else _SIGNS.get(unit, unit)
    digits = number(value, min(max(decimals, _DIGITS - _size(value)), _MOST))
    return f"{digits.rstrip('0').rstrip('.')} {sign}".rstrip()


def _told_apart(value: float, threshold: float, unit: str) -> tuple[str, str]:
    """Return both with as many decimals as it takes to see that they differ."""
    told = quantity(value, unit), quantity(threshold, unit)
    for decimals in range(_LEAST + 1, _MOST + 1):
        if told[0] != told[1]:
            break
        told = quantity(value, unit, decimals), quantity(threshold, unit, decimals)
    return told


def _is_currency(unit: str) -> bool:
    return len(unit) == len("EUR") and unit.isupper()


def _size(value: float) -> int:
    """Return how many digits stand before the point; of values below 0.1, less than none."""
    return math.floor(math.log10(abs(value))) + 1 if value else 0
