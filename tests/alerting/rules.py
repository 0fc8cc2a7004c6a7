"""Rules as tests put them."""

from __future__ import annotations

from typing import Any

from google.protobuf.duration_pb2 import Duration
from rapport.alerting.v1 import alert_pb2, rule_pb2

DAY_S = 24 * 60 * 60


def rule(rule_id: str = "slow", **other: Any) -> rule_pb2.Rule:
    """Return a rule: agents whose mean response time is above 30 s, unless told otherwise. Durations may be seconds."""
    said: dict[str, Any] = {
        "rule_id": rule_id,
        "message": "Agents are slow",
        "type": 1,
        "severity": 2,
        "subject_kind": alert_pb2.SUBJECT_KIND_AGENT,
        "measure": "averageResponseTime",
        "comparison": rule_pb2.COMPARISON_ABOVE,
        "fire_at": 30_000,
    } | other
    for name in ("window", "for_duration", "keep_firing_for"):
        if isinstance(said.get(name), int):
            said[name] = Duration(seconds=said[name])
    return rule_pb2.Rule(**said)
