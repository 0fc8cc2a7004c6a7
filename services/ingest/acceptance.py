"""The contract's rules in CEL that facts meet, as plain functions, so that good facts need no engine to be recognised.

Each function is true only where its rule surely holds, and stands beside the rule's own text: one whose text changes in the
contract is not applied any more. Shapes and ranges of fields are read from the contract itself.
"""

from __future__ import annotations

from typing import Any


def _ends_after_start(m: Any) -> bool:
    return not m.HasField("end_time") or _order(m.start_time) <= _order(m.end_time)


def _duration_agrees(m: Any) -> bool:
    if not m.HasField("duration_seconds"):
        return True
    # A second's rounding either way is for the engine to judge.
    agrees: bool = m.HasField("end_time") and m.end_time.seconds - m.start_time.seconds == m.duration_seconds
    return agrees and _whole(m)


def _whole(m: Any) -> bool:
    return bool(m.start_time.nanos == 0 == m.end_time.nanos)


def _order(timestamp: Any) -> tuple[int, int]:
    return timestamp.seconds, timestamp.nanos


TWINS = {
    "!has(this.end_time) || !has(this.start_time) || this.end_time >= this.start_time": _ends_after_start,
    "!has(this.duration_seconds) || (has(this.end_time) && has(this.start_time) && "
    "(this.end_time - this.start_time).getSeconds() - int(this.duration_seconds) in [0, -1])": _duration_agrees,
    "this.message_count >= this.customer_messages + this.agent_responses": lambda m: (
        m.message_count >= m.customer_messages + m.agent_responses
    ),
    "!(this >= 1.0 && this <= 5.0) || double(int(this * 100.0 + 0.5)) / 100.0 == this": lambda rating: (
        1.0 <= rating <= 5.0 and int(rating * 100.0 + 0.5) / 100.0 == rating  # noqa: PLR2004  # the rule's numbers
    ),
    "this.value == 0.0 || this.currency != ''": lambda m: m.value == 0.0 or m.currency != "",
    "!(has(this.agent_configured) || has(this.agent_status)) || has(this.agent_id)": lambda m: m.HasField("agent_id"),
    "!has(this.customer_profile) || has(this.customer_id)": lambda m: (
        m.WhichOneof("body") != "customer_profile" or m.HasField("customer_id")
    ),
    "this.kind != 1 || !has(this.original_transaction_id)": lambda m: m.kind != 1 or not m.HasField("original_transaction_id"),
    "has(this.period_start) == has(this.period_end) && (!has(this.period_end) || this.period_end > this.period_start)": (
        lambda m: not m.HasField("period_start") and not m.HasField("period_end")
    ),
}
