"""Reads what reports need: a fixed number of statements, all of one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.query import store_reports, store_source_events, store_sources
from services.query.answers import Frame
from services.query.costs import Amounts, Costs, costs, merged
from services.query.loading import load_agents
from services.query.loading_kept import Kept
from services.query.metrics import Sums
from services.query.reports import Buyers, Period, Trade
from services.query.sourced import Leads, Payments, Sourced, Touches
from services.query.spans import BEFORE, NOW, Spans, spans_of
from services.query.store_reports import Words


async def load_trade(conn: AsyncConnection, trade: Trade, words: Words, kept: Kept, frame: Frame) -> tuple[Period, Period | None]:
    """Return a trade's window and the period before, None when that is not kept."""
    # Who came back in the period before was a customer in the one before that.
    longest = spans_of(kept.window, frame.now, kept.since, count=3)
    spans = Spans(longest.periods[:2])
    sums = await store_reports.sum_trade(conn, spans, words, frame.currency)
    named = await store_reports.count_named(conn, spans, words) if trade is not Trade.RETAIL else {}
    buyers = await _load_buyers(conn, longest, words) if trade is Trade.RETAIL else {}
    now, before = (Period(sums.get(place, Sums()), named.get(place, {}), buyers.get(place, Buyers())) for place in (NOW, BEFORE))
    return now, before if spans.has_before else None


async def _load_buyers(conn: AsyncConnection, spans: Spans, words: Words) -> dict[int, Buyers]:
    counts = await store_reports.count_buying(conn, Spans(spans.periods[:2]), words)
    returned = await store_reports.count_returned(conn, spans, words)
    buyers = dict(enumerate(returned))
    for place, (conversations, buying) in counts.items():
        buyers[place] = replace(buyers.get(place, Buyers()), conversations=conversations, buying=buying)
    return buyers


@dataclass(frozen=True, slots=True)
class Sources:
    """What is read for the report of the sources; events are by source, with the newest of the window."""

    now: Sourced
    before: Sourced | None
    events: Mapping[int, tuple[int, datetime]]


async def load_sources(conn: AsyncConnection, agents: Sequence[str], kept: Kept, frame: Frame) -> Sources:
    """Return what the sources add in the window and in the period before. Raises NotFound for agents that no fact names."""
    if agents:
        await load_agents(conn, agents, "agent_ids[{}]")
    spans = spans_of(kept.window, frame.now, kept.since)
    periods = await _load_sourced(conn, agents, spans, frame)
    events = await store_source_events.read_events(conn, spans, agents)
    return Sources(periods[NOW], periods[BEFORE] if spans.has_before else None, events)


async def _load_sourced(conn: AsyncConnection, agents: Sequence[str], spans: Spans, frame: Frame) -> list[Sourced]:
    only = store_sources.of_agents(agents)
    sums = await store_sources.sum_sources(conn, spans, only, frame.currency)
    leads = await store_sources.read_leads(conn, spans, only)
    touches = await store_sources.count_touches(conn, spans, only)
    told = await store_source_events.read_told(conn, spans, agents)
    created = await store_source_events.count_created(conn, spans, agents)
    costly = await store_sources.find_costly(conn, agents)
    states = await store_source_events.sum_states(conn, spans, agents, frame.now)
    spent = [await store_sources.sum_costs(conn, period, frame, agents) for period in spans.periods]
    nothing = (Sums(), Payments(), 0)
    return [
        Sourced(
            sums=replace(sums.get(place, nothing)[0], costs=_whole(spent[place], costly, frame.currency)),
            payments=sums.get(place, nothing)[1],
            web_conversations=sums.get(place, nothing)[2],
            leads=leads.get(place, Leads()),
            touches=touches.get(place, Touches()),
            costs={each: costs(spent[place].get(each, {}), frame.currency, are_known=True) for each in costly},
            reschedules=told.get(place, (0, {}))[0],
            units=told.get(place, (0, {}))[1],
            states=states.get(place, {}),
            agents_created=created.get(place, 0),
        )
        for place in range(len(spans.periods))
    ]


def _whole(spent: Mapping[int, Amounts], costly: Sequence[int], currency: str) -> Costs:
    """Return what all categories cost together; `costly` are those that are known."""
    together = dict(merged(*(amounts.items() for amounts in spent.values())))
    return costs(together, currency, are_known=bool(costly))
