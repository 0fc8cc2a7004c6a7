"""What a tenant's grades and segments are made by. The default stands for every tenant that never chose anything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from enum import IntEnum
from typing import Any


class TargetSource(IntEnum):
    """Where the targets of conversion rate and revenue come from, by its number in the contract."""

    CONSTANT = 1
    PEER_P75 = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOffs:
    """Lowest score of each grade but D, 0 to 100."""

    a_plus: float = 95.0
    a: float = 90.0
    b_plus: float = 85.0
    b: float = 80.0
    c_plus: float = 75.0
    c: float = 70.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IndustryPolicy:
    """What differs for agents of one industry; None where the tenant's own holds."""

    industry: str
    conversion_rate_target: float | None = None
    revenue_target: float | None = None
    response_target_ms: float | None = None
    response_limit_ms: float | None = None
    escalation_limit: float | None = None
    quality_weight: float | None = None
    conversion_weight: float | None = None
    efficiency_weight: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentPolicy:
    """How customers are grouped. Days; probabilities 0 to 1; the amount in the reporting currency, None for none."""

    new_customer_days: int = 30
    at_risk_below: float = 0.5
    safe_from: float = 0.6
    high_value_orders: int = 2
    high_value_amount: float | None = None
    regular_repeat_days: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How grades are made. Rates are percent, times milliseconds, money in the reporting currency; shares add up to 1."""

    version: int = 1
    quality_weight: float = 0.40
    conversion_weight: float = 0.35
    efficiency_weight: float = 0.25
    satisfaction_share: float = 0.7
    conversion_rate_share: float = 0.5
    response_share: float = 0.5
    conversion_rate_target: float = 30.0
    revenue_target: float = 1500.0
    response_target_ms: float = 10_000.0
    response_limit_ms: float = 300_000.0
    escalation_limit: float = 25.0
    provisional_below: int = 30
    cut_offs: CutOffs = field(default_factory=CutOffs)
    target_source: TargetSource = TargetSource.CONSTANT
    strong_satisfaction: float = 4.5
    strong_response_ms: float = 60_000.0
    strong_escalation_rate: float = 5.0
    industries: tuple[IndustryPolicy, ...] = ()
    segments: SegmentPolicy = field(default_factory=SegmentPolicy)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersion:
    """A policy, when and by whom it was made and why, and the paths of what it changed. Version 1 is the published default."""

    policy: Policy = field(default_factory=Policy)
    created_at: datetime | None = None
    created_by: str = ""
    comment: str = ""
    changed_paths: tuple[str, ...] = ()


def same_industry(one: str, other: str) -> bool:
    """Return whether two names mean the same industry: letter case does not matter."""
    return one.casefold() == other.casefold()


def for_industry(policy: Policy, industry: str) -> tuple[Policy, str]:
    """Return the policy as it holds for agents of an industry, and the part's name: empty when it has none for theirs."""
    part = next((p for p in policy.industries if same_industry(p.industry, industry)), None)
    return (policy, "") if part is None else (with_part(policy, part), part.industry)


def with_part(policy: Policy, part: IndustryPolicy) -> Policy:
    """Return the policy with what differs for one industry."""
    told = {name: value for name, value in asdict(part).items() if name != "industry" and value is not None}
    return replace(policy, **told)


def changed_paths(before: Policy, after: Policy) -> tuple[str, ...]:
    """Return the paths of the fields in which two policies differ, versions aside; `industries` is one field."""
    old, new = _leaves(before), _leaves(after)
    return tuple(path for path in old if old[path] != new[path])


def to_body(policy: Policy) -> dict[str, Any]:
    """Return what is stored of a policy: its fields but the version, as JSON values."""
    body = asdict(policy)
    del body["version"]
    return body


def of_body(version: int, body: Mapping[str, Any]) -> Policy:
    """Return the policy that was stored. A field that it was stored without has its default; one not known is passed over."""
    told = _known(Policy, body) | {"version": version}
    told["cut_offs"] = CutOffs(**_known(CutOffs, body.get("cut_offs", {})))
    told["segments"] = SegmentPolicy(**_known(SegmentPolicy, body.get("segments", {})))
    told["industries"] = tuple(IndustryPolicy(**_known(IndustryPolicy, part)) for part in body.get("industries", ()))
    told["target_source"] = TargetSource(body.get("target_source", TargetSource.CONSTANT))
    return Policy(**told)


def _known(kind: type[Any], body: Mapping[str, Any]) -> dict[str, Any]:
    names = {f.name for f in fields(kind)}
    return {name: value for name, value in body.items() if name in names}


def _leaves(policy: Policy) -> dict[str, Any]:
    """Return the policy's values by path."""
    found: dict[str, Any] = {}
    for name, value in to_body(policy).items():
        found |= {f"{name}.{leaf}": v for leaf, v in value.items()} if isinstance(value, dict) else {name: value}
    return found
