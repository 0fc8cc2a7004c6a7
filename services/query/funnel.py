"""How customers go from stage to stage: awareness, consideration, decision, retention, advocacy.

A customer has reached a stage with the first conversation of the window that tells it or a later one. So whoever reached a
stage has reached all before it, and each stage's customers are some of those of the stage before: the conversion is the share
of these, with Wilson's interval. The days from stage to stage are from the moment at which the stage before was reached until
this one was, the median over those customers who told both themselves; 0 for who told the later stage first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.query.uncertainty import wilson

#: The contract's numbers of the stages, in order.
STAGES = (1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Reached:
    """A stage as the facts tell it: customers who reached it, conversations that tell it, days from the stage before."""

    stage: int
    customers: int
    conversations: int
    median_days: float | None


@dataclass(frozen=True, slots=True)
class Step:
    """A stage next to the one before; the rate and the ends of its interval are percent. What is undefined is None."""

    stage: int
    customers: int
    conversations: int
    rate: float | None
    interval: tuple[float, float] | None
    median_days: float | None


def steps(stages: Sequence[Reached]) -> list[Step]:
    """Return the stages, each next to the one before it."""
    return [_step(stage, before) for stage, before in zip(stages, (None, *stages[:-1]), strict=True)]


def _step(this: Reached, before: Reached | None) -> Step:
    if before is None:
        return Step(this.stage, this.customers, this.conversations, None, None, None)
    if not before.customers:
        return Step(this.stage, this.customers, this.conversations, None, None, this.median_days)
    low, high = wilson(this.customers, before.customers)
    rate = 100 * this.customers / before.customers
    return Step(this.stage, this.customers, this.conversations, rate, (100 * low, 100 * high), this.median_days)
