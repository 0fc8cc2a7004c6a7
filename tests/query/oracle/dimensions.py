"""What facts are split and filtered by: the values that each has of every dimension."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from rapport.insight.v1 import conversation_pb2, event_pb2, vocabulary_pb2
from rapport.query.v1 import filter_pb2

from tests.query.oracle.facts import Fact

Value = str | int
AGENT, PLATFORM, SEGMENT = 1, 2, 9


def _told(name: str, unknown: Value) -> Callable[[Fact], list[Value]]:
    return lambda fact: [(fact.conversation or {}).get(name) or unknown]


def _several(name: str) -> Callable[[Fact], list[Value]]:
    return lambda fact: sorted(set((fact.conversation or {}).get(name) or [])) or [""]


def _intents(fact: Fact) -> list[Value]:
    return sorted({i["intent"] for i in (fact.conversation or {}).get("intents") or []}) or [""]


@dataclass(frozen=True, slots=True)
class Dimension:
    """A dimension of the contract: the field of a filter, the values of a fact, and the enumeration whose words they have."""

    field: str
    values: Callable[[Fact], list[Value]]
    words: Any = None

    def word(self, value: Value) -> str:
        return str(self.words.Name(value)) if self.words and value else str(value or "")


#: By the contract's number.
DIMENSIONS: Mapping[int, Dimension] = {
    AGENT: Dimension("agent_ids", lambda fact: [fact.counts.agent_id]),
    PLATFORM: Dimension("platforms", lambda fact: [fact.counts.platform], vocabulary_pb2.Platform.Value),
    3: Dimension("industries", lambda fact: [fact.industry]),
    4: Dimension("intents", _intents),
    5: Dimension("tags", _several("tags")),
    6: Dimension("sentiments", _told("sentiment", 0), vocabulary_pb2.SentimentPolarity.Value),
    7: Dimension("emotions", _several("emotions")),
    8: Dimension("stages", _told("stage", 0), vocabulary_pb2.JourneyStage.Value),
    SEGMENT: Dimension("segments", lambda fact: [fact.segment], vocabulary_pb2.CustomerSegment.Value),
    10: Dimension("sources", lambda fact: [fact.source], event_pb2.EventSource),
    11: Dimension("conversion_types", _told("conversion_type", 0), vocabulary_pb2.ConversionType.Value),
    12: Dimension("resolutions", _told("resolution", 0), conversation_pb2.Resolution),
    13: Dimension("escalation_reasons", _told("escalation_reason", "")),
    14: Dimension("outcomes", lambda fact: [fact.counts.outcome or 0], filter_pb2.Outcome),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which facts are meant, by the fields of a FactFilter."""

    fields: Mapping[str, Collection[Value]]

    def __contains__(self, fact: Fact) -> bool:
        if "customer_ids" in self.fields and fact.counts.customer_id not in self.fields["customer_ids"]:
            return False
        return all(set(d.values(fact)) & set(self.fields[d.field]) for d in DIMENSIONS.values() if d.field in self.fields)


EVERYTHING = Wanted({})


def groups_of(fact: Fact, split: Collection[int]) -> list[tuple[str, ...]]:
    """Return in which groups a fact counts: one for each combination of its values."""
    each = [[DIMENSIONS[d].word(value) for value in DIMENSIONS[d].values(fact)] for d in split]
    return list(product(*each))
