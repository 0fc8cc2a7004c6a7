"""Answers AlertingService's calls, each part of them in its own file."""

from __future__ import annotations

from rapport.alerting.v1 import alerting_service_pb2_grpc

from services.alerting.servicer_alerts import AlertCalls


class AlertingServicer(AlertCalls, alerting_service_pb2_grpc.AlertingServiceServicer):
    """Lists, streams and acts on alerts, keeps rules and whom alerts are told to, and tells whether the services work."""
