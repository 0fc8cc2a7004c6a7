"""What a tenant's grades and segments are made by. The default stands for every tenant that never chose anything else."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum


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
