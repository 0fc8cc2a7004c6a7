"""QueryMetrics and ListMeasures: from the contract's question to ours, and from sums to the contract's answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from zoneinfo import available_timezones

from rapport.metrics.v1 import common_pb2
from rapport.query.v1 import metrics_pb2

from services.query import convert, metrics_limits, metrics_plan
from services.query.answers import Frame
from services.query.convert_filter import FIELDS, filter_of, word_of
from services.query.costs import merged
from services.query.dimensions import Dimension, Filter
from services.query.loading_metrics import Metrics
from services.query.measure_words import absent_when, dimensions_of, formula
from services.query.measures import MEASURES, Measure, Shape
from services.query.metrics import Group, Sums, Value, Values, change, value
from services.query.metrics_parts import Granularity
from services.query.metrics_plan import Question
from services.query.uncertainty import LEVEL
from services.runtime import windows
from services.runtime.errors import FieldViolation, InvalidArgument, invalid_field, invalid_fields

_ZONES = available_timezones()
#: Terms whose sums leave out money without a rate; orders are counted all the same.
_TOLD_IN_MONEY = frozenset({"revenue", "reported_orders"})


def question_of(request: metrics_pb2.QueryMetricsRequest, frame: Frame) -> Question:
    """Return what a request asks for. Raises InvalidArgument for what cannot be asked, or is too much."""
    measures = measures_of(request.measures)
    order_by = request.order_by or request.measures[0]
    if order_by not in request.measures:
        raise invalid_field("order_by", "order_by.asked", "groups are ordered by one of the measures asked for")
    zone = request.time_zone or frame.time_zone
    if zone not in _ZONES:
        raise invalid_field("time_zone", "time_zone.known", "is not the name of an IANA time zone, such as Europe/Berlin")
    start, end = convert.given_moment(request, "start_time"), convert.given_moment(request, "end_time")
    window = windows.resolve(start, end, zone, frame.now)
    compares = request.compare_with_previous
    question = Question(
        measures=measures,
        by=tuple(map(Dimension, request.dimensions)),
        only=filter_of(request.filter),
        window=window,
        before=metrics_plan.period_compared(window, frame.time_zone, frame.now) if compares else None,
        granularity=Granularity(request.granularity) if request.granularity else None,
        order_by=MEASURES[order_by],
        limit=request.limit or metrics_plan.DEFAULT_GROUPS,
    )
    _check_costs(question)
    metrics_limits.check_recent(question, frame.time_zone, frame.now)
    return question


def measures_of(names: Sequence[str]) -> tuple[Measure, ...]:
    """Return the measures of these names. Raises InvalidArgument (UNKNOWN_MEASURE) that names each that is none."""
    sentence = "no measure has this name; ListMeasures has all"
    unknown = [f"measures[{n}]" for n, name in enumerate(names) if name not in MEASURES]
    if unknown:
        violations = [FieldViolation(field, "measure.known", sentence) for field in unknown]
        raise InvalidArgument("UNKNOWN_MEASURE", f"{', '.join(unknown)}: {sentence}", violations=violations)
    return tuple(MEASURES[name] for name in names)


def words_of(by: Sequence[Dimension], values: Values) -> tuple[str, ...]:
    """Return a group's values in the contract's words."""
    return tuple(word_of(dimension, each) for dimension, each in zip(by, values, strict=True))


def response(found: Metrics, frame: Frame, *, compares: bool) -> metrics_pb2.QueryMetricsResponse:
    """Return the answer; `compares` is whether a comparison was asked for."""
    question, total = found.question, found.total
    return metrics_pb2.QueryMetricsResponse(
        total=_group(found, total, frame.currency),
        groups=[_group(found, group, frame.currency, words_of(question.by, group.values)) for group in found.groups],
        groups_omitted=found.omitted,
        quality=convert.quality(
            frame,
            total.sums.counts.get("conversations", 0),
            window=question.window,
            unconverted=_left_out(question, total.sums, frame.currency),
            missing=["previous"] if compares and question.before is None else [],
        ),
    )


def descriptions() -> metrics_pb2.ListMeasuresResponse:
    """Return every measure, by name."""
    return metrics_pb2.ListMeasuresResponse(measures=[_description(MEASURES[name]) for name in sorted(MEASURES)])


def _check_costs(question: Question) -> None:
    """Raise InvalidArgument when costs are asked for by what they do not name."""
    at = next((n for n, each in enumerate(question.measures) if each.shape is Shape.COST), None)
    others = [f"dimensions[{n}]" for n, each in enumerate(question.by) if each is not Dimension.AGENT]
    others += [f"filter.{field}" for field in _filtered(question.only) if field != FIELDS[Dimension.AGENT]]
    if at is not None and others:
        sentence = "costs are known all in all and by agent only"
        raise invalid_fields(FieldViolation(field, "measure.dimensions", sentence) for field in (f"measures[{at}]", *others))


def _filtered(only: Filter) -> Iterator[str]:
    yield from (FIELDS[dimension] for dimension in only.values)
    if only.customers is not None:
        yield "customer_ids"


def _left_out(question: Question, sums: Sums, currency: str) -> tuple[tuple[str, Decimal], ...]:
    taken = sums.left_out(currency) if question.terms & _TOLD_IN_MONEY else ()
    return merged(taken, sums.costs.unconverted)


def _group(found: Metrics, group: Group, currency: str, words: tuple[str, ...] = ()) -> metrics_pb2.MetricsGroup:
    question = found.question
    ends = [convert.moment(at) for at in (*found.starts, question.window.end)] if group.series else []
    return metrics_pb2.MetricsGroup(
        values=words,
        measures=[_compared(each, group, currency) for each in question.measures],
        series=[
            metrics_pb2.MetricsPart(
                start=start, end=end, measures=[_told(each, value(each, sums, currency)) for each in question.measures]
            )
            for (start, end), sums in zip(pairwise(ends), group.series, strict=True)
        ],
    )


def _compared(measure: Measure, group: Group, currency: str) -> metrics_pb2.MeasureValue:
    current = value(measure, group.sums, currency)
    message = _told(measure, current)
    if group.before is not None:
        since = change(measure, current.value, value(measure, group.before, currency).value)
        for field in ("previous", "difference", "relative", "better"):
            if (told := getattr(since, field)) is not None:
                setattr(message, field, told)
    return message


def _told(measure: Measure, found: Value) -> metrics_pb2.MeasureValue:
    interval = common_pb2.Interval(low=found.interval[0], high=found.interval[1], level=LEVEL) if found.interval else None
    return metrics_pb2.MeasureValue(measure=measure.name, value=found.value, n=found.n, interval=interval)


def _description(measure: Measure) -> metrics_pb2.MeasureDescription:
    return metrics_pb2.MeasureDescription(
        name=measure.name,
        description=f"{measure.description}.",
        unit=int(measure.unit),  # type: ignore[arg-type]  # the contract's number
        formula=formula(measure),
        direction=measure.direction % 3,  # type: ignore[arg-type]  # 1 is up and 2 is down
        absent_when=absent_when(measure),
        dimensions=[int(each) for each in dimensions_of(measure)],  # type: ignore[misc]  # the contract's numbers
        has_rows=measure.has_rows,
    )
