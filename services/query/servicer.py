"""Answers QueryService's calls, each part of them in its own file."""

from __future__ import annotations

from rapport.query.v1 import query_service_pb2_grpc

from services.query.servicer_drill_down import DrillDownCalls
from services.query.servicer_export import ExportCalls
from services.query.servicer_insights import InsightCalls
from services.query.servicer_metrics import MetricsCalls
from services.query.servicer_reports import ReportCalls
from services.query.servicer_watch import WatchCalls


class QueryServicer(
    WatchCalls,
    MetricsCalls,
    DrillDownCalls,
    ReportCalls,
    InsightCalls,
    ExportCalls,
    query_service_pb2_grpc.QueryServiceServicer,
):
    """Answers from the numbers as they are at one moment, and from the facts behind them."""
