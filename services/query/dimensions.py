"""What numbers can be split and filtered by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class Dimension(IntEnum):
    """A dimension, by the contract's number."""

    AGENT = 1
    PLATFORM = 2
    INDUSTRY = 3
    INTENT = 4
    TAG = 5
    SENTIMENT = 6
    EMOTION = 7
    STAGE = 8
    SEGMENT = 9
    SOURCE = 10
    CONVERSION_TYPE = 11
    RESOLUTION = 12
    ESCALATION_REASON = 13
    OUTCOME = 14


#: Dimensions that the rollups are kept by.
KEPT = frozenset({Dimension.AGENT, Dimension.PLATFORM})
#: Dimensions whose values are words; those of the others are numbers of the contract's enumerations.
WORDS = frozenset(
    {
        Dimension.AGENT,
        Dimension.INDUSTRY,
        Dimension.INTENT,
        Dimension.TAG,
        Dimension.EMOTION,
        Dimension.ESCALATION_REASON,
    }
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which facts are meant: those that have one of the values of every dimension in it; "" and 0 are what is not known.

    `customers` are ids; None means every customer, and facts of none.
    """

    values: Mapping[Dimension, tuple[str | int, ...]] = field(default_factory=dict)
    customers: tuple[str, ...] | None = None

    @property
    def is_kept(self) -> bool:
        """Whether rollups by agent and platform can answer it."""
        return self.customers is None and self.values.keys() <= KEPT

    def of(self, dimension: Dimension) -> tuple[str | int, ...] | None:
        """Return the dimension's values, None for all."""
        return self.values.get(dimension)


EVERYTHING = Filter()
