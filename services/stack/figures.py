"""Expected figures of an answer: where in its JSON each stands, and whether what stands there will do."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: A name, and after it in brackets the fields by which an element of a list is chosen: `alerts[type=revenue,agentId=1]`.
_SEGMENT = re.compile(r"(?P<name>[^.\[\]]+)(?:\[(?P<fields>[^\]]*)\])?(?:\.|$)")
_ABSENT = object()
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Check:
    """One figure: where it stands, what was expected and found, in words, and whether that is well."""

    at: str
    expected: str
    found: str
    is_ok: bool


def check(document: Any, figures: Mapping[str, Any]) -> list[Check]:
    """Compare a decoded JSON answer with figures, by path.

    A figure is a value, {"near", "within"}, {"from", "to"} (a range, ends included) or {"absent": true}.
    """
    return [_check(document, at, expected) for at, expected in figures.items()]


def look_up(document: Any, path: str) -> Any:
    """Return what stands at a path such as `comparisons[agentId=1].performanceGrade`, or None when nothing does."""
    found = _find(document, path)
    return None if found is _ABSENT else found


def _check(document: Any, at: str, expected: Any) -> Check:
    found = _find(document, at)
    return Check(at, _words(expected), _words({"absent": True} if found is _ABSENT else found), _is_as(expected, found))


def _find(document: Any, path: str) -> Any:
    here = document
    for segment in _SEGMENT.finditer(path):
        here = here.get(segment["name"], _ABSENT) if isinstance(here, dict) else _ABSENT
        if segment["fields"] is not None:
            here = _choose(here, dict(part.split("=", 1) for part in segment["fields"].split(",")))
    return here


def _choose(elements: Any, fields: Mapping[str, str]) -> Any:
    """Return the first element that has the fields, compared as text."""
    if not isinstance(elements, list):
        return _ABSENT
    return next((e for e in elements if all(str(e.get(name)) == value for name, value in fields.items())), _ABSENT)


def _is_as(expected: Any, found: Any) -> bool:
    match expected:
        case {"near": near, "within": within}:
            return _is_number(found) and abs(found - near) <= within
        case {"from": low, "to": high}:
            return _is_number(found) and low <= found <= high
        case {"absent": True}:
            return found is _ABSENT
        case int() | float() if _is_number(expected):
            return _is_number(found) and abs(found - expected) <= _ROUNDING * max(1, abs(expected))
        case _:
            return type(found) is type(expected) and bool(found == expected)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _words(figure: Any) -> str:
    match figure:
        case {"near": near, "within": within}:
            return f"{near} ± {within}"
        case {"from": low, "to": high}:
            return f"{low} to {high}"
        case {"absent": True}:
            return "absent"
        case _:
            return figure if isinstance(figure, str) else json.dumps(figure, ensure_ascii=False)
