"""The same small world: what scoring keeps that no recomputation of facts tells, such as policies and what was foretold."""

from __future__ import annotations

import json
from typing import Any

from tests.storage.scenario_facts import Row

_AT = "2040-05-02T00:05Z"
_POLICY: Row = {
    "version": 2,
    "body": json.dumps({"conversionRateTarget": 20}),
    "changed_paths": ["conversion_rate_target"],
    "comment": "as agreed",
    "created_by": "somebody",
    "created_at": _AT,
}


def grade(agent_id: str, day: str, **graded: Any) -> Row:
    return {"agent_id": agent_id, "window_days": 30, "day": day, "provisional": True, "policy_version": 2, **graded}


def foretold(customer_id: str, **scores: float) -> Row:
    return {"customer_id": customer_id, "scored_on": "2040-05-02", "model_version": 1, "policy_version": 2, **scores}


NORTH: dict[str, list[Row]] = {
    "scoring.policy": [_POLICY],
    "scoring.grade_day": [
        grade("a1", "2040-05-01", grade="B", score=81.5, adjusted_score=80, adjusted_low=71, adjusted_high=89, rank=1, n=3,
              coverage=0.75),
        grade("a9", "2040-05-01", n=0),
    ],
    "scoring.model": [{"version": 1, "fitted_on": "2040-05-02", "fitted_at": _AT, "body": json.dumps({"r": 0.525})}],
    "scoring.customer_score": [
        foretold("ben", churn_risk=0.25, p_alive=0.9, upsell_potential=0.5, predicted_value=120.5),
        foretold("eve"),
    ],
}  # fmt: skip

SOUTH: dict[str, list[Row]] = {
    "scoring.policy": [_POLICY],
    "scoring.grade_day": [grade("a1", "2040-05-01", grade="D", score=12, rank=1, n=1)],
    "scoring.customer_score": [foretold("anna", churn_risk=0.5)],
}
