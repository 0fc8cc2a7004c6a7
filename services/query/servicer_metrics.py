"""Any measure by any dimension."""

from __future__ import annotations

from functools import partial

from rapport.query.v1 import metrics_pb2

from services.query import convert_metrics
from services.query.calls import Calls, Context
from services.query.loading_metrics import load_metrics


class MetricsCalls(Calls):
    """Any measure by any dimension."""

    async def QueryMetrics(self, request: metrics_pb2.QueryMetricsRequest, context: Context) -> metrics_pb2.QueryMetricsResponse:
        """Return measures of a window: all in all, by groups, and as a series."""
        await self._wait(request, context)
        async with self._snapshot() as (conn, frame):
            question = convert_metrics.question_of(request, frame)
            found = await load_metrics(conn, question, frame, partial(convert_metrics.words_of, question.by))
        return convert_metrics.response(found, frame, compares=request.compare_with_previous)

    async def ListMeasures(self, request: metrics_pb2.ListMeasuresRequest, context: Context) -> metrics_pb2.ListMeasuresResponse:
        """Return what can be asked for."""
        return convert_metrics.descriptions()
