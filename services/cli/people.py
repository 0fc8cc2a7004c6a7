"""`rapport customers`, `agents` and `follow-ups`: who there is, and what is to be done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer
from google.protobuf.descriptor import EnumDescriptor
from rapport.insight.v1.event_pb2 import AgentState
from rapport.insight.v1.vocabulary_pb2 import CustomerSegment
from rapport.query.v1.drill_down_pb2 import (
    CustomerOrder,
    FollowUpState,
    ListAgentsRequest,
    ListCustomersRequest,
    ListFollowUpsRequest,
)

from services.cli.answering import After, Json, put
from services.cli.filtering import number_of, words
from services.cli.show_people import show_agents, show_customers, show_follow_ups

_SEGMENT = CustomerSegment.DESCRIPTOR.enum_types[0]
Limit = Annotated[int, typer.Option(min=1, max=1000, metavar="COUNT", help="How many to show.")]
Of = Annotated[list[str] | None, typer.Option("--agent", metavar="AGENT", help="Only of this agent; may be repeated.")]


def _choice(enum: EnumDescriptor) -> str:
    return "|".join(words(enum))


def customers(
    context: typer.Context,
    *,
    segment: Annotated[
        list[str] | None, typer.Option(metavar=_choice(_SEGMENT), help="Only of this segment; may be repeated. Empty: of none.")
    ] = None,
    risk: Annotated[
        float | None, typer.Option(min=0, max=1, metavar="SHARE", help="Only with at least this churn risk, 0 to 1.")
    ] = None,
    value: Annotated[
        float | None, typer.Option(min=0, metavar="AMOUNT", help="Only with at least this value expected of the next 52 weeks.")
    ] = None,
    agent: Of = None,
    order: Annotated[
        str, typer.Option(metavar=_choice(CustomerOrder.DESCRIPTOR), help="Order, the greatest first. Default: by id.")
    ] = "",
    limit: Limit = 50,
    after: After = "",
    json: Json = False,
) -> None:
    """Customers, and what is expected of them."""
    request = ListCustomersRequest(
        segments=_numbers(_SEGMENT, segment, "--segment"),
        churn_risk_at_least=risk,
        predicted_value_at_least=value,
        agent_ids=agent or (),
        order=number_of(CustomerOrder.DESCRIPTOR, order, "--order"),  # type: ignore[arg-type]  # its number
        page_size=limit,
        consistency_token=after,
    )
    put(context, "ListCustomers", request, show_customers, json=json)


def agents(
    context: typer.Context,
    *,
    state: Annotated[
        list[str] | None,
        typer.Option(metavar=_choice(AgentState.DESCRIPTOR), help="Only of this state; may be repeated. Empty: never reported."),
    ] = None,
    industry: Annotated[
        list[str] | None, typer.Option(metavar="INDUSTRY", help="Only of this industry; may be repeated. Empty: of none.")
    ] = None,
    limit: Limit = 100,
    after: After = "",
    json: Json = False,
) -> None:
    """Every agent that a fact names."""
    request = ListAgentsRequest(
        states=_numbers(AgentState.DESCRIPTOR, state, "--state"),
        industries=industry or (),
        page_size=limit,
        consistency_token=after,
    )
    put(context, "ListAgents", request, show_agents, json=json)


def follow_ups(
    context: typer.Context,
    *,
    state: Annotated[
        list[str] | None,
        typer.Option(
            metavar=_choice(FollowUpState.DESCRIPTOR), help="Only in this state; may be repeated. Default: open, overdue."
        ),
    ] = None,
    agent: Of = None,
    assignee: Annotated[str, typer.Option(metavar="NAME", help="Only those that this one is to do.")] = "",
    limit: Limit = 50,
    after: After = "",
    json: Json = False,
) -> None:
    """What is to be done, or was: those due first first."""
    request = ListFollowUpsRequest(
        states=_numbers(FollowUpState.DESCRIPTOR, state, "--state"),
        agent_ids=agent or (),
        assignee=assignee,
        page_size=limit,
        consistency_token=after,
    )
    put(context, "ListFollowUps", request, show_follow_ups, json=json)


def _numbers(enum: EnumDescriptor, told: Iterable[str] | None, option: str) -> list[Any]:
    """Return the numbers of words, as the stubs of whichever enumeration take them."""
    return [number_of(enum, word, option) for word in dict.fromkeys(told or ())]
