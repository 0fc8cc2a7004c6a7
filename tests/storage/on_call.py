"""Everything that people on call do: acts, silences, rules, targets, and whom alerts are told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type import money_pb2
from rapport.alerting.v1 import act_pb2, alert_pb2, notification_pb2, rule_pb2
from rapport.insight.v1 import vocabulary_pb2

from tests.storage.suite import Suite

_AGENT, _ABOVE = alert_pb2.SUBJECT_KIND_AGENT, rule_pb2.COMPARISON_ABOVE


async def set_up(suite: Suite) -> None:
    """Put a rule that every agent breaks, and tell somebody of it."""
    await suite.call("alerting.ListAlertMeasures")
    rule = rule_pb2.Rule(
        rule_id="busy",
        message="busy",
        type=vocabulary_pb2.AlertType.performance,
        severity=vocabulary_pb2.Severity.low,
        subject_kind=_AGENT,
        measure="totalConversations",
        comparison=_ABOVE,
        fire_at=0,
        window=Duration(seconds=30 * 86400),
        threshold=rule_pb2.Threshold(),
    )
    await suite.call("alerting.PutRule", rule=rule)
    await suite.call("alerting.BacktestRule", rule=rule, series_of="agent-0")
    target = rule_pb2.RevenueTarget(month="2026-11", amount=money_pb2.Money(currency_code="EUR", units=1000))
    await suite.call("alerting.PutTarget", target=target)
    await suite.call("alerting.ListTargets")
    mail = notification_pb2.EmailChannel(to=["on-call@example.com"])
    await suite.call("alerting.PutChannel", channel=notification_pb2.Channel(channel_id="mail", email=mail))
    route = notification_pb2.Route(route_id="all", channel_ids=["mail"], group_by=["rule_id"], group_wait=Duration())
    await suite.call("alerting.PutRoutes", routes=[route])
    await suite.call("alerting.ListChannels")
    await suite.call("alerting.ListRoutes")
    await suite.call("alerting.TestChannel", channel_id="mail")


async def act(suite: Suite) -> None:
    """Do something about an open alert, and hold others back."""
    only = alert_pb2.AlertFilter(
        states=[alert_pb2.ALERT_STATE_FIRING], matchers=[alert_pb2.Matcher(name="rule_id", values=["busy"])], suppressed=False
    )
    alert_id = (await suite.call("alerting.ListAlerts", filter=only)).alerts[0].alert_id
    said: dict[str, Any] = {"alert_id": alert_id, "author": "ann", "comment": "mine"}
    await suite.call("alerting.AcknowledgeAlert", **said, request_id="once")
    await suite.call("alerting.AcknowledgeAlert", **said, request_id="once")
    await suite.call("alerting.UnacknowledgeAlert", **said)
    await suite.call("alerting.AddAlertNote", **said)
    matcher, end = alert_pb2.Matcher(name="severity", values=["low"]), Timestamp()
    end.FromDatetime(datetime.now(UTC) + timedelta(days=1))
    put = await suite.call("alerting.PutSilence", silence=act_pb2.Silence(matchers=[matcher], end_time=end))
    await suite.call("alerting.ListSilences", with_ended=True)
    await suite.call("alerting.EndSilence", silence_id=put.silence.silence_id)
    await suite.call("alerting.ResolveAlert", **said)
    await suite.call("alerting.GetAlert", alert_id=alert_id)
    await suite.call("alerting.ListNotifications", alert_id=alert_id, page_size=1)


async def clear_up(suite: Suite) -> None:
    """Take everything back."""
    await suite.call("alerting.ListRules")
    await suite.call("alerting.DeleteRule", rule_id="busy")
    await suite.call("alerting.ListRuleVersions", rule_id="busy")
    await suite.call("alerting.DeleteTarget", month="2026-11")
    await suite.call("alerting.PutRoutes", clear=True)
    await suite.call("alerting.DeleteChannel", channel_id="mail")
