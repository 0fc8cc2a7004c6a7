"""Alerts as they are stored in the log and in notifications."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from services.alerting.alerts import Alert
from services.alerting.details import Details

_NAMES = tuple(field.name for field in fields(Alert))
_TIMES = ("fired_at", "resolved_at", "active_since", "recovering_since", "acknowledged_at")
_READ: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(_TIMES, datetime.fromisoformat),
    **dict.fromkeys(("alert_id", "inhibited_by"), UUID),
    "silence_ids": tuple,
    "details": lambda stored: Details(**stored),
}


def to_json(state: Alert) -> dict[str, Any]:
    """Return an alert as the log stores it."""
    return {name: _plain(value) for name, value in values_of(state).items()}


def values_of(state: Alert) -> dict[str, Any]:
    """Return an alert's values by name, not copied: that took as long as all else of an append. Its details are as stored."""
    return {**{name: getattr(state, name) for name in _NAMES}, "details": state.details.to_json()}


def from_json(stored: Mapping[str, Any]) -> Alert:
    """Return the alert that the log stores; what older versions did not know is as it is by default."""
    read = {name: _READ[name](value) for name, value in stored.items() if name in _READ and value is not None}
    return Alert(**{**stored, **read})


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
