"""Reports for a trade, and of what each source adds."""

from __future__ import annotations

from rapport.query.v1 import report_pb2

from services.query import convert_reports, loading_reports
from services.query.calls import Calls, Context
from services.query.costs import merged
from services.query.loading_kept import load_kept
from services.query.reports import industry_figures
from services.query.source_reports import SOURCES, source_figures


class ReportCalls(Calls):
    """Reports for a trade, and of what each source adds."""

    async def GetIndustryReport(
        self, request: report_pb2.GetIndustryReportRequest, context: Context
    ) -> report_pb2.GetIndustryReportResponse:
        """Return a trade's figures next to the period before."""
        await self._wait(request, context)
        trade, words = convert_reports.trade_of(request), convert_reports.words_of(request)
        async with self._snapshot() as (conn, frame):
            kept = await load_kept(conn, request, frame)
            now, before = await loading_reports.load_trade(conn, trade, words, kept, frame)
        n, left_out = now.sums.counts.get("conversations", 0), now.sums.left_out(frame.currency)
        about = convert_reports.report_quality(frame, kept.window, n, left_out, has_before=before is not None)
        figures = industry_figures(trade, now, before, frame.currency)
        return convert_reports.industry_report(request, figures, about)

    async def GetSourceReport(
        self, request: report_pb2.GetSourceReportRequest, context: Context
    ) -> report_pb2.GetSourceReportResponse:
        """Return what each of the seven sources adds."""
        await self._wait(request, context)
        async with self._snapshot() as (conn, frame):
            kept = await load_kept(conn, request, frame)
            found = await loading_reports.load_sources(conn, request.agent_ids, kept, frame)
        n, has_before = found.now.sums.counts.get("conversations", 0), found.before is not None
        left_out = merged(found.now.sums.left_out(frame.currency), found.now.sums.costs.unconverted)
        about = convert_reports.report_quality(frame, kept.window, n, left_out, has_before=has_before)
        events = {SOURCES[number - 1]: each for number, each in found.events.items()}
        return convert_reports.source_report(source_figures(found.now, found.before, frame.currency), events, about)
