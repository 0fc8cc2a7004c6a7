"""Which policies make sense together: what no rule of a single field can say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import pairwise

from services.runtime.errors import Aborted, FieldViolation
from services.scoring.policy import IndustryPolicy, Policy, with_part

_WEIGHTS = ("quality_weight", "conversion_weight", "efficiency_weight")
#: How far weights may be from 1 in all: the rounding of a few decimal places, not a mistake.
_TOLERANCE = 1e-6


def check_version(newest: int, expected: int | None) -> None:
    """Raise Aborted when the caller read another version than the newest."""
    if expected is not None and expected != newest:
        raise Aborted("VERSION_CONFLICT", f"the scoring policy is at version {newest}, not {expected}")


def violations(policy: Policy, prefix: str = "policy.") -> list[FieldViolation]:
    """Return each rule that the policy's fields break together, with field paths that begin with `prefix`."""
    found = [*_weights(policy), *_cut_offs(policy), *_response(policy, ""), *_segments(policy), *_industries(policy)]
    return [replace(v, field=prefix + v.field) for v in found]


def _weights(policy: Policy) -> Iterator[FieldViolation]:
    values = [getattr(policy, name) for name in _WEIGHTS]
    if not _add_up(values):
        yield FieldViolation(_WEIGHTS[0], "policy.weights", f"{_listed(_WEIGHTS)} must add up to 1, not {_plain(sum(values))}")


def _cut_offs(policy: Policy) -> Iterator[FieldViolation]:
    for (better, high), (name, low) in pairwise(asdict(policy.cut_offs).items()):
        if low >= high:
            yield FieldViolation(f"cut_offs.{name}", "policy.cut_offs", f"must be below {better}, {_plain(high)}")


def _response(policy: Policy, prefix: str) -> Iterator[FieldViolation]:
    if policy.response_target_ms >= policy.response_limit_ms:
        sentence = f"must be below response_limit_ms, {_plain(policy.response_limit_ms)}"
        yield FieldViolation(f"{prefix}response_target_ms", "policy.response", sentence)


def _segments(policy: Policy) -> Iterator[FieldViolation]:
    below = policy.segments.at_risk_below
    if policy.segments.safe_from < below:
        yield FieldViolation("segments.safe_from", "policy.segments", f"must be at least at_risk_below, {_plain(below)}")


def _industries(policy: Policy) -> Iterator[FieldViolation]:
    seen: dict[str, int] = {}
    for i, part in enumerate(policy.industries):
        first = seen.setdefault(part.industry.casefold(), i)
        if first != i:
            yield FieldViolation(f"industries[{i}].industry", "policy.industries", f"is the same as industries[{first}].industry")
        yield from _part(policy, part, f"industries[{i}].")


def _part(policy: Policy, part: IndustryPolicy, prefix: str) -> Iterator[FieldViolation]:
    weights = [value for name in _WEIGHTS if (value := getattr(part, name)) is not None]
    if 0 < len(weights) < len(_WEIGHTS):
        missing = next(name for name in _WEIGHTS if getattr(part, name) is None)
        sentence = f"must be there: {_listed(_WEIGHTS)} are told together or not at all"
        yield FieldViolation(prefix + missing, "policy.weights", sentence)
    elif weights and not _add_up(weights):
        sentence = f"{_listed(_WEIGHTS)} must add up to 1, not {_plain(sum(weights))}"
        yield FieldViolation(prefix + _WEIGHTS[0], "policy.weights", sentence)
    # What the part does not say is the tenant's: that is told of there.
    if part.response_target_ms is not None or part.response_limit_ms is not None:
        yield from _response(with_part(policy, part), prefix)


def _add_up(weights: Sequence[float]) -> bool:
    return math.isclose(sum(weights), 1, abs_tol=_TOLERANCE)


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _plain(value: float) -> str:
    return f"{value:.10g}"
