"""Reads what lies behind numbers, a fixed number of statements each."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from services.query import store_drill_down, store_talks
from services.query.answers import Frame
from services.query.conversations import Conversation
from services.query.dimensions import Filter
from services.query.drill_down import MOST_RELATED, Counted, countable
from services.query.loading import not_found
from services.query.loading_metrics import load_metrics
from services.query.measures import Measure
from services.query.metrics import value
from services.query.metrics_plan import Question
from services.runtime.errors import FieldViolation, InvalidArgument
from services.runtime.windows import Window


def measure_of(name: str) -> Measure:
    """Return the measure of this name. Raises InvalidArgument (UNKNOWN_MEASURE) for one that is none, or counts no facts."""
    measure = countable(name)
    if measure is None:
        sentence = "no measure of this name has rows: name one that counts facts, as ListMeasures tells"
        raise InvalidArgument("UNKNOWN_MEASURE", sentence, violations=[FieldViolation("measure", "unknown", sentence)])
    return measure


async def load_totals(
    conn: AsyncConnection, window: Window, only: Filter, measure: Measure, frame: Frame
) -> tuple[int, int, int]:
    """Return the number on the card, the part of it of facts that were erased, and how many conversations it is of.

    The number is the one that QueryMetrics answers: the rollups' where they are kept by what the filter asks for, agent and
    platform, or the outcome where outcomes are counted. So it holds days before the tenant's retention, too, whose facts are
    gone without a trace. By any other filter it is what stored and erased facts come to. Raises InvalidArgument for a window
    that only facts could answer and that is too long, or begins before the retention.
    """
    question = Question(measures=(measure,), only=only, window=window, order_by=measure)
    sums = (await load_metrics(conn, question, frame, lambda _: ())).total.sums
    total = int(value(measure, sums, frame.currency).value or 0)
    return total, await store_drill_down.sum_erased(conn, window, only, measure), sums.counts.get("conversations", 0)


async def load_conversation(conn: AsyncConnection, conversation_id: str) -> tuple[Conversation, Counted | None, list[Counted]]:
    """Return a conversation, what it counts for, and the facts that name it. Raises NotFound."""
    found = await store_talks.get_conversation(conn, conversation_id)
    if found is None:
        raise not_found("CONVERSATION_NOT_FOUND", "no conversation is stored under this identity", "conversation_id")
    return *found, await store_talks.read_related(conn, conversation_id, MOST_RELATED)
