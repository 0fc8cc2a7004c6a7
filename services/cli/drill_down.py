"""`rapport facts`, `conversations`, `conversation`, `timeline` and `funnel`: what lies behind numbers."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer
from rapport.query.v1.drill_down_pb2 import (
    GetConversationRequest,
    GetCustomerTimelineRequest,
    GetStageFunnelRequest,
    ListConversationsRequest,
    ListFactsRequest,
)

from services.cli.answering import After, Json, put
from services.cli.asking import Days, End, Start, period
from services.cli.filtering import Where, filter_of
from services.cli.show_drill_down import show_conversation, show_conversations, show_facts, show_funnel, show_timeline

Limit = Annotated[int, typer.Option(min=1, max=1000, metavar="COUNT", help="How many to show, the newest first.")]


def facts(
    context: typer.Context,
    measure: Annotated[str, typer.Argument(metavar="MEASURE", help="A measure that has rows, such as noShows.")],
    *,
    where: Where = None,
    days: Days = None,
    start: Start = None,
    end: End = None,
    limit: Limit = 50,
    after: After = "",
    json: Json = False,
) -> None:
    """The facts behind a number: what they count for adds up to it."""
    request = ListFactsRequest(measure=measure, filter=filter_of(where), page_size=limit, consistency_token=after)
    put(context, "ListFacts", request, partial(show_facts, request.measure), json=json, asked=period(days, start, end))


def conversations(
    context: typer.Context,
    *,
    where: Where = None,
    rated_at_most: Annotated[
        float | None, typer.Option(min=1, max=5, metavar="RATING", help="Only those rated so or worse.")
    ] = None,
    escalated: Annotated[bool | None, typer.Option(help="Only those that were escalated, or were not.")] = None,
    follow_up: Annotated[bool | None, typer.Option(help="Only those that require a follow-up, or do not.")] = None,
    days: Days = None,
    start: Start = None,
    end: End = None,
    limit: Limit = 50,
    after: After = "",
    json: Json = False,
) -> None:
    """Conversations, the newest first."""
    request = ListConversationsRequest(
        filter=filter_of(where),
        satisfaction_at_most=rated_at_most,
        escalated=escalated,
        follow_up_required=follow_up,
        page_size=limit,
        consistency_token=after,
    )
    put(context, "ListConversations", request, show_conversations, json=json, asked=period(days, start, end))


def conversation(
    context: typer.Context,
    conversation: Annotated[str, typer.Argument(metavar="CONVERSATION", help="The conversation's id.")],
    *,
    after: After = "",
    json: Json = False,
) -> None:
    """A conversation, what it counts for, and what names it."""
    request = GetConversationRequest(conversation_id=conversation, consistency_token=after)
    put(context, "GetConversation", request, show_conversation, json=json)


def timeline(
    context: typer.Context,
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's id.")],
    *,
    limit: Limit = 50,
    after: After = "",
    json: Json = False,
) -> None:
    """What happened with a customer, the newest first."""
    request = GetCustomerTimelineRequest(customer_id=customer, page_size=limit, consistency_token=after)
    put(context, "GetCustomerTimeline", request, partial(show_timeline, request.customer_id), json=json)


def funnel(
    context: typer.Context,
    *,
    where: Where = None,
    days: Days = None,
    start: Start = None,
    end: End = None,
    after: After = "",
    json: Json = False,
) -> None:
    """How customers go from stage to stage."""
    request = GetStageFunnelRequest(filter=filter_of(where), consistency_token=after)
    put(context, "GetStageFunnel", request, show_funnel, json=json, asked=period(days, start, end))
