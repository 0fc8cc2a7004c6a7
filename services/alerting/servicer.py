"""Answers AlertingService's calls, each part of them in its own file."""

from __future__ import annotations

from rapport.alerting.v1 import alerting_service_pb2_grpc

from services.alerting.servicer_acts import ActCalls
from services.alerting.servicer_alerts import AlertCalls
from services.alerting.servicer_backtests import BacktestCalls
from services.alerting.servicer_channels import ChannelCalls
from services.alerting.servicer_rules import RuleCalls
from services.alerting.servicer_silences import SilenceCalls
from services.alerting.servicer_targets import TargetCalls


class AlertingServicer(
    AlertCalls,
    ActCalls,
    SilenceCalls,
    RuleCalls,
    TargetCalls,
    BacktestCalls,
    ChannelCalls,
    alerting_service_pb2_grpc.AlertingServiceServicer,
):
    """Lists, streams and acts on alerts, keeps rules and whom alerts are told to, and tells whether the services work."""
