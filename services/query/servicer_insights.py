"""What changed, and what explains it."""

from __future__ import annotations

from rapport.query.v1 import insight_pb2

from services.query import convert_insights, loading_insights
from services.query.calls import Calls, Context
from services.query.convert_filter import filter_of
from services.query.convert_reports import report_quality
from services.query.insights import insights
from services.query.loading_kept import load_kept


class InsightCalls(Calls):
    """What changed, and what explains it."""

    async def ListInsights(self, request: insight_pb2.ListInsightsRequest, context: Context) -> insight_pb2.ListInsightsResponse:
        """Return what changed against the period before beyond chance, and what explains it."""
        measures = convert_insights.measures_asked(request)
        await self._wait(request, context)
        async with self._snapshot() as (conn, frame):
            window = (await load_kept(conn, request, frame)).window
            material = await loading_insights.load_changes(conn, measures, filter_of(request.filter), window, frame)
        found = insights(measures, material, convert_insights.limit_of(request), convert_insights.words_of(material))
        sums = material.now.sums
        n, left_out = sums.counts.get("conversations", 0), sums.left_out(frame.currency)
        about = report_quality(frame, window, n, left_out, has_before=material.before is not None)
        return convert_insights.insights_response(found, about)
