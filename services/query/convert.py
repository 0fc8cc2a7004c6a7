"""Numbers to contract messages: what every answer says of itself, figures by name, and alerts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money
from rapport.alerting.v1 import alert_pb2, alerting_service_pb2
from rapport.insight.v1 import vocabulary_pb2
from rapport.metrics.v1 import agent_pb2, common_pb2

from services.query.answers import Frame
from services.query.dimensions import Dimension, Filter
from services.query.performance import DayFigures, Figures, PlatformFigures
from services.runtime.windows import Window

#: Figures that are no plain numbers.
_INTERVALS = {"conversion_interval", "satisfaction_interval"}
#: Names of figures that a message has fields for, by the message and the kind of figures: they are asked for day by day.
_SHARED: dict[tuple[str, str], list[str]] = {}
#: The rule whose alert is always open, to show that alerts arrive.
WATCHDOG = "watchdog"


def given_moment(request: Any, field: str) -> datetime | None:
    """Return a request's optional moment."""
    return getattr(request, field).ToDatetime(UTC) if request.HasField(field) else None


def moment(at: datetime | None) -> Timestamp | None:
    """Return a moment as the contract has it."""
    if at is None:
        return None
    message = Timestamp()
    message.FromDatetime(at)
    return message


def narrowed(request: Any, agent_ids: Iterable[str] = ()) -> Filter:
    """Return which facts a request means: of these agents (none: of all), and of its platforms and industries."""
    asked = {
        Dimension.AGENT: tuple(agent_ids),
        Dimension.PLATFORM: tuple(request.platforms),
        Dimension.INDUSTRY: tuple(request.industries),
    }
    return Filter({dimension: values for dimension, values in asked.items() if values})


def quality(
    frame: Frame,
    n: int,
    *,
    window: Window | None = None,
    scored: common_pb2.Quality | None = None,
    coverage: float | None = None,
    unconverted: Iterable[tuple[str, Decimal]] = (),
    missing: Iterable[str] = (),
) -> common_pb2.Quality:
    """Return what an answer says of itself; `scored` is what scoring said of its part."""
    message = common_pb2.Quality(
        n=n,
        watermark=moment(frame.watermark),
        window=_window(window) if window else None,
        policy_version=scored.policy_version if scored else 0,
        coverage=coverage,
        unconverted=[money(currency, amount) for currency, amount in unconverted],
        missing=missing,
        currency=frame.currency,
    )
    # The whole answer is as old as its oldest part.
    if scored and scored.HasField("watermark") and scored.watermark.ToDatetime(UTC) < frame.watermark:
        message.watermark.CopyFrom(scored.watermark)
    return message


def alerts(answer: alerting_service_pb2.ListAlertsResponse | None) -> list[agent_pb2.AlertSummary]:
    """Return open alerts in short, without the watchdog; none when alerting did not answer."""
    return [_alert(each) for each in answer.alerts if each.rule_id != WATCHDOG] if answer else []


def missing(answer: alerting_service_pb2.ListAlertsResponse | None, *others: tuple[str, object | None]) -> list[str]:
    """Return what could not be had: of alerts, and of other parts each with its name (None: not had)."""
    part = ["alerts"] if answer is None else ["older_alerts"] if answer.next_page_token else []
    return part + [name for name, had in others if had is None]


def _alert(alert: alert_pb2.Alert) -> agent_pb2.AlertSummary:
    return agent_pb2.AlertSummary(
        alert_id=alert.alert_id,
        type=alert.type,
        severity=alert.severity,
        message=alert.message,
        agent_id=alert.agent_id if alert.HasField("agent_id") else None,
        customer_id=alert.customer_id if alert.HasField("customer_id") else None,
        value=alert.value if alert.HasField("value") else None,
        fired_at=alert.fired_at,
    )


def _window(window: Window) -> common_pb2.Window:
    return common_pb2.Window(start=moment(window.start), end=moment(window.end), time_zone=window.zone)


def money(currency: str, amount: Decimal) -> Money:
    """Return an amount as the contract has it; what is finer than a billionth is cut off."""
    units = int(amount)
    return Money(currency_code=currency, units=units, nanos=int((amount - units).scaleb(9)))


def plain(value: Any) -> Any:
    """Return a number as the contract has it, money as a double; None stays None."""
    return float(value) if isinstance(value, Decimal) else value


def platform_word(platform: int) -> str:
    """Return the word for a platform's number."""
    return vocabulary_pb2.Platform.Value.Name(platform)  # type: ignore[arg-type]  # numbers are stored plain


def named(message: type[Message], figures: Figures | DayFigures | PlatformFigures, **others: Any) -> dict[str, Any]:
    """Return those figures that the message has a field for, by name, and the other fields as given; None stays unset."""
    return {name: plain(getattr(figures, name)) for name in _shared(message.DESCRIPTOR, type(figures))} | others


def _shared(message: Any, figures: type[Figures | DayFigures | PlatformFigures]) -> list[str]:
    key = message.full_name, figures.__name__
    if key not in _SHARED:
        has = {field.name for field in fields(figures)} - _INTERVALS
        _SHARED[key] = [field.name for field in message.fields if field.name in has]
    return _SHARED[key]
