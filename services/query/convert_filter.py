"""The contract's filter of facts, and its enumerations' words, to and from what the query service asks."""

from __future__ import annotations

from typing import Any

from rapport.insight.v1 import conversation_pb2, event_pb2, vocabulary_pb2
from rapport.query.v1 import filter_pb2

from services.query.dimensions import WORDS, Dimension, Filter

#: The fields of a FactFilter by dimension.
FIELDS = {
    Dimension.AGENT: "agent_ids",
    Dimension.PLATFORM: "platforms",
    Dimension.INDUSTRY: "industries",
    Dimension.INTENT: "intents",
    Dimension.TAG: "tags",
    Dimension.SENTIMENT: "sentiments",
    Dimension.EMOTION: "emotions",
    Dimension.STAGE: "stages",
    Dimension.SEGMENT: "segments",
    Dimension.SOURCE: "sources",
    Dimension.CONVERSION_TYPE: "conversion_types",
    Dimension.RESOLUTION: "resolutions",
    Dimension.ESCALATION_REASON: "escalation_reasons",
    Dimension.OUTCOME: "outcomes",
}
_ENUMS: dict[Dimension, Any] = {
    Dimension.PLATFORM: vocabulary_pb2.Platform.Value,
    Dimension.SENTIMENT: vocabulary_pb2.SentimentPolarity.Value,
    Dimension.STAGE: vocabulary_pb2.JourneyStage.Value,
    Dimension.SEGMENT: vocabulary_pb2.CustomerSegment.Value,
    Dimension.SOURCE: event_pb2.EventSource,
    Dimension.CONVERSION_TYPE: vocabulary_pb2.ConversionType.Value,
    Dimension.RESOLUTION: conversation_pb2.Resolution,
    Dimension.OUTCOME: filter_pb2.Outcome,
}


def filter_of(message: filter_pb2.FactFilter) -> Filter:
    """Return which facts a FactFilter means; empty fields mean all."""
    values = {dimension: tuple(getattr(message, field)) for dimension, field in FIELDS.items() if getattr(message, field)}
    return Filter(values, tuple(message.customer_ids) or None)


def word_of(dimension: Dimension, value: str | int) -> str:
    """Return a dimension's value in the contract's words, "" for what is not known; a number without a word prints as itself."""
    if dimension in WORDS or not value:
        return str(value or "")
    known = _ENUMS[dimension]
    return str(known.Name(value)) if value in known.values() else str(value)
