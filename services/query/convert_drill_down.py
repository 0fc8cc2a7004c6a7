"""Facts, conversations, timelines and the funnel as the contract has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from google.type.money_pb2 import Money
from rapport.insight.v1 import profile_pb2
from rapport.metrics.v1 import common_pb2
from rapport.query.v1 import drill_down_pb2

from services.query import timeline
from services.query.answers import Frame
from services.query.conversations import Conversation, Listed, Wanted
from services.query.convert import moment, money, quality
from services.query.convert_conversation import conversation_insight
from services.query.customers import Profile
from services.query.drill_down import Counted
from services.query.funnel import Step
from services.query.timeline import Happening
from services.query.uncertainty import LEVEL
from services.runtime.windows import Window


def wanted_of(request: drill_down_pb2.ListConversationsRequest) -> Wanted:
    """Return which conversations a request asks for, besides its filter; ratings are hundredths, what is finer is cut off."""
    has = request.HasField
    at_most = int(Decimal(repr(request.satisfaction_at_most)) * 100) if has("satisfaction_at_most") else None
    return Wanted(
        csat_at_most=at_most,
        escalated=request.escalated if has("escalated") else None,
        follow_up_required=request.follow_up_required if has("follow_up_required") else None,
    )


def facts(
    frame: Frame, window: Window, shown: Iterable[Counted], totals: Sequence[int], next_page_token: str
) -> drill_down_pb2.ListFactsResponse:
    """Return a page of facts; `totals` are what all come to, the part of the erased ones, and the conversations."""
    total, erased, conversations = totals
    return drill_down_pb2.ListFactsResponse(
        facts=map(counted_fact, shown),
        next_page_token=next_page_token,
        total=total,
        erased=erased,
        quality=quality(frame, conversations, window=window),
    )


def conversations(
    frame: Frame, window: Window, shown: Iterable[Listed], total: int, next_page_token: str
) -> drill_down_pb2.ListConversationsResponse:
    """Return a page of conversations."""
    return drill_down_pb2.ListConversationsResponse(
        conversations=[conversation_insight(each.talk) for each in shown],
        next_page_token=next_page_token,
        total=total,
        quality=quality(frame, total, window=window),
    )


def conversation(
    talk: Conversation, counted: Counted | None, related: Iterable[Counted]
) -> drill_down_pb2.GetConversationResponse:
    """Return a conversation, what it counts for (nothing while it is not counted), and what names it."""
    return drill_down_pb2.GetConversationResponse(
        conversation=conversation_insight(talk),
        counted=counted_fact(counted) if counted else None,
        related=map(counted_fact, related),
        recorded_at=moment(talk.recorded_at),
    )


def counted_fact(fact: Counted) -> drill_down_pb2.CountedFact:
    """Return a fact as the contract has it."""
    return drill_down_pb2.CountedFact(
        kind=fact.kind,  # type: ignore[arg-type]  # numbers are stored plain
        fact_id=fact.fact_id,
        at=moment(fact.at),
        agent_id=fact.agent_id or None,
        customer_id=fact.customer_id or None,
        platform=fact.platform or None,  # type: ignore[arg-type]  # numbers are stored plain
        outcome=fact.outcome or None,  # type: ignore[arg-type]  # numbers are stored plain
        quantity=fact.quantity,
        amount=_money(fact.amount, fact.currency),
    )


def customer_timeline(
    profile: Profile | None, shown: Iterable[Happening], next_page_token: str
) -> drill_down_pb2.GetCustomerTimelineResponse:
    """Return a page of what happened with a customer, and who it is as far as it was told."""
    return drill_down_pb2.GetCustomerTimelineResponse(
        entries=map(_entry, shown), next_page_token=next_page_token, profile=_profile(profile or Profile())
    )


def stage_funnel(frame: Frame, window: Window, steps: Sequence[Step]) -> drill_down_pb2.GetStageFunnelResponse:
    """Return the stages; n is the conversations that tell one."""
    return drill_down_pb2.GetStageFunnelResponse(
        stages=map(_stage, steps), quality=quality(frame, sum(step.conversations for step in steps), window=window)
    )


def _entry(happening: Happening) -> drill_down_pb2.TimelineEntry:
    return drill_down_pb2.TimelineEntry(
        at=moment(happening.at),
        title=timeline.title(happening),
        agent_id=happening.agent_id or None,
        platform=happening.platform or None,  # type: ignore[arg-type]  # numbers are stored plain
        kind=happening.kind or None,  # type: ignore[arg-type]  # numbers are stored plain
        fact_id=happening.fact_id,
        outcome=happening.outcome or None,  # type: ignore[arg-type]  # numbers are stored plain
        amount=_money(happening.amount, happening.currency),
        segment=happening.segment,  # type: ignore[arg-type]  # numbers are stored plain
    )


def _profile(told: Profile) -> profile_pb2.CustomerProfile:
    return profile_pb2.CustomerProfile(
        name=told.name or "",
        phone=told.phone or "",
        email=told.email or "",
        preferred_platform=told.preferred_platform,  # type: ignore[arg-type]  # numbers are stored plain
        timezone=told.time_zone or "",
    )


def _stage(step: Step) -> drill_down_pb2.FunnelStage:
    message = drill_down_pb2.FunnelStage(
        stage=step.stage,  # type: ignore[arg-type]  # numbers are stored plain
        customers=step.customers,
        conversion_rate=step.rate,
        median_days=step.median_days,
        conversations=step.conversations,
    )
    if step.interval:
        low, high = step.interval
        message.interval.CopyFrom(common_pb2.Interval(low=low, high=high, level=LEVEL))
    return message


def _money(amount: Decimal | None, currency: str | None) -> Money | None:
    return money(currency, amount) if amount is not None and currency else None
