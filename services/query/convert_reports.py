"""Reports, and figures of any kind, as the contract has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from rapport.metrics.v1 import common_pb2
from rapport.query.v1 import metrics_pb2, report_pb2, vocabulary_pb2

from services.query.answers import Frame
from services.query.convert import moment, quality
from services.query.measures import Measure
from services.query.metrics import Value, change
from services.query.report_figures import Figure
from services.query.reports import Trade
from services.query.uncertainty import LEVEL
from services.runtime.windows import Window

_TRADES = {
    vocabulary_pb2.Trade.healthcare: Trade.HEALTHCARE,
    vocabulary_pb2.Trade.retail: Trade.RETAIL,
    vocabulary_pb2.Trade.finance: Trade.FINANCE,
}


def trade_of(request: report_pb2.GetIndustryReportRequest) -> Trade:
    """Return the trade that is asked for."""
    return _TRADES[request.industry]


def words_of(request: report_pb2.GetIndustryReportRequest) -> list[str] | None:
    """Return the words that name the trade, None for facts of every trade."""
    return None if request.all_industries else list(request.industry_words) or [trade_of(request).value]


def industry_report(
    request: report_pb2.GetIndustryReportRequest, figures: Iterable[Figure], about: common_pb2.Quality
) -> report_pb2.GetIndustryReportResponse:
    """Return a trade's report."""
    shown = [report_figure(figure) for figure in figures]
    return report_pb2.GetIndustryReportResponse(industry=request.industry, figures=shown, quality=about)


def source_report(
    reports: Sequence[tuple[str, Sequence[Figure]]],
    events: Mapping[str, tuple[int, datetime]],
    about: common_pb2.Quality,
) -> report_pb2.GetSourceReportResponse:
    """Return what each source adds, in their order; `events` are their number and the newest, of those that have any."""
    nothing = (0, None)
    sources = [
        report_pb2.SourceReport(
            source=source,
            figures=[report_figure(figure) for figure in figures],
            events=events.get(source, nothing)[0],
            last_event=moment(events.get(source, nothing)[1]),
        )
        for source, figures in reports
    ]
    return report_pb2.GetSourceReportResponse(sources=sources, quality=about)


def report_quality(
    frame: Frame, window: Window, n: int, left_out: Iterable[tuple[str, Decimal]], *, has_before: bool
) -> common_pb2.Quality:
    """Return what a report says of itself."""
    missing = [] if has_before else ["previous"]
    return quality(frame, n, window=window, unconverted=left_out, missing=missing)


def report_figure(figure: Figure) -> report_pb2.ReportFigure:
    """Return a figure of a report."""
    return report_pb2.ReportFigure(
        name=figure.measure.name,
        title=figure.measure.description,
        unit=figure.measure.unit,  # type: ignore[arg-type]  # units are the contract's numbers
        value=measure_value(figure.measure, figure.now, figure.previous),
        parts=[report_pb2.ReportPart(name=p.name, count=p.count, previous=p.previous) for p in figure.parts],
    )


def measure_value(measure: Measure, now: Value, previous: float | None) -> metrics_pb2.MeasureValue:
    """Return a measure's value next to that of the period before; what is undefined stays unset."""
    changed, span = change(measure, now.value, previous), now.interval
    return metrics_pb2.MeasureValue(
        measure=measure.name,
        value=now.value,
        n=now.n,
        interval=common_pb2.Interval(low=span[0], high=span[1], level=LEVEL) if span else None,
        previous=changed.previous,
        difference=changed.difference,
        relative=changed.relative,
        better=changed.better,
    )
