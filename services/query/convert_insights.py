"""Insights as the contract has them."""

from __future__ import annotations

from collections.abc import Mapping

from rapport.metrics.v1 import common_pb2
from rapport.query.v1 import insight_pb2

from services.query.convert_filter import word_of
from services.query.convert_metrics import measures_of
from services.query.convert_reports import measure_value
from services.query.decomposition import Contribution, Explanation, Value
from services.query.dimensions import Dimension
from services.query.insights import Insight, Insights, Material
from services.query.measures import Measure
from services.query.movements import default_measures

_DEFAULT_LIMIT = 10


def measures_asked(request: insight_pb2.ListInsightsRequest) -> list[Measure]:
    """Return the measures to look at. Raises InvalidArgument (UNKNOWN_MEASURE)."""
    return list(measures_of(request.measures)) or default_measures()


def limit_of(request: insight_pb2.ListInsightsRequest) -> int:
    """Return how many movements to answer."""
    return request.limit or _DEFAULT_LIMIT


def words_of(material: Material) -> Mapping[Dimension, Mapping[Value, str]]:
    """Return the contract's words for the groups that changes are explained by."""
    return {dimension: {value: word_of(dimension, value) for value in split} for dimension, split in material.groups.items()}


def insights_response(found: Insights, about: common_pb2.Quality) -> insight_pb2.ListInsightsResponse:
    """Return what changed."""
    return insight_pb2.ListInsightsResponse(
        insights=[_insight(each) for each in found.told], looked_at=found.looked_at, caveats=found.caveats, quality=about
    )


def _insight(told: Insight) -> insight_pb2.Insight:
    movement = told.movement
    return insight_pb2.Insight(
        measure=movement.measure.name,
        sentence=told.sentence,
        recommendation=told.recommendation,
        movement=measure_value(movement.measure, movement.now, movement.before.value),
        p_value=movement.p,
        strength=abs(movement.z),
        explanations=[_explanation(dimension, each) for dimension, each in told.explanations.items()],
    )


def _explanation(dimension: Dimension, explanation: Explanation) -> insight_pb2.Explanation:
    return insight_pb2.Explanation(
        dimension=int(dimension),  # type: ignore[arg-type]  # the contract's number
        contributions=[_contribution(dimension, each) for each in explanation.contributions],
        rest=explanation.rest,
    )


def _contribution(dimension: Dimension, each: Contribution) -> insight_pb2.Contribution:
    return insight_pb2.Contribution(
        value=word_of(dimension, each.value),
        contribution=each.contribution,
        rate_effect=each.rate_effect,
        mix_effect=each.mix_effect,
        current=each.current,
        previous=each.previous,
        n=each.n,
    )
