"""How lists of customers, agents and follow-ups read on a terminal."""

from __future__ import annotations

from rapport.insight.v1.event_pb2 import AgentState
from rapport.insight.v1.vocabulary_pb2 import CustomerSegment, Platform
from rapport.query.v1.drill_down_pb2 import (
    FOLLOW_UP_STATE_OVERDUE,
    FollowUpState,
    ListAgentsResponse,
    ListCustomersResponse,
    ListFollowUpsResponse,
)

from services.cli.filtering import word_of
from services.cli.layout import NOTHING, OUT, moment, number, optional, print_quality, table

_SEGMENT, _PLATFORM = CustomerSegment.DESCRIPTOR.enum_types[0], Platform.DESCRIPTOR.enum_types[0]


def show_customers(answer: ListCustomersResponse) -> None:
    """Print customers in short."""
    made = table("Customers", "Customer", "Name", "Segment", "Churn", "Alive", "Expected", "Upsell", "Days", "Orders", "First",
                 "Last", numeric=("Churn", "Alive", "Expected", "Upsell", "Days", "Orders"), wraps=("Customer", "Name"),
                 spared=("Alive", "Upsell", "Days", "First"))  # fmt: skip
    for customer in answer.customers:
        made.add_row(
            customer.customer_id,
            customer.name or NOTHING,
            word_of(_SEGMENT, customer.segment) or NOTHING,
            _share(optional(customer, "churn_risk")),
            _share(optional(customer, "p_alive")),
            number(optional(customer, "predicted_lifetime_value"), 2),
            _share(optional(customer, "upsell_potential")),
            number(customer.engagement_days),
            number(customer.orders),
            customer.first_engaged or NOTHING,
            customer.last_engaged or NOTHING,
        )
    OUT.print(made)
    _in_all(answer.total, answer.next_page_token)
    print_quality(answer.quality)


def show_agents(answer: ListAgentsResponse) -> None:
    """Print agents in short."""
    made = table("Agents", "Agent", "Name", "State", "Since", "Industry", "Platforms", "Languages", "Template",
                 wraps=("Agent", "Name", "Platforms", "Languages", "Template"),
                 spared=("Since", "Languages", "Template"))  # fmt: skip
    for agent in answer.agents:
        made.add_row(
            agent.agent_id,
            agent.name or NOTHING,
            word_of(AgentState.DESCRIPTOR, agent.state) or NOTHING,
            moment(agent.state_since),
            agent.industry or NOTHING,
            ", ".join(word_of(_PLATFORM, platform) for platform in agent.platforms) or NOTHING,
            ", ".join(agent.languages) or NOTHING,
            agent.template or NOTHING,
        )
    OUT.print(made)
    _in_all(answer.total, answer.next_page_token)


def show_follow_ups(answer: ListFollowUpsResponse) -> None:
    """Print follow-ups, those that are overdue in yellow."""
    made = table("Follow-ups", "Due", "State", "Follow-up", "What", "Who", "Agent", "Customer", "Conversation", "Opened",
                 wraps=("Follow-up", "What", "Who", "Agent", "Customer", "Conversation"),
                 spared=("Who", "Conversation", "Opened"))  # fmt: skip
    for each in answer.follow_ups:
        made.add_row(
            moment(each.due),
            word_of(FollowUpState.DESCRIPTOR, each.state),
            each.follow_up_id,
            each.action or NOTHING,
            each.assignee or NOTHING,
            each.agent_id or NOTHING,
            each.customer_id or NOTHING,
            each.conversation_id or NOTHING,
            moment(each.opened_at),
            style="yellow" if each.state == FOLLOW_UP_STATE_OVERDUE else None,
        )
    OUT.print(made)
    _in_all(answer.total, answer.next_page_token)


def _share(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.0%}"


def _in_all(total: int, next_page_token: str) -> None:
    OUT.print(f"{number(total)} in all")
    if next_page_token:
        OUT.print("There are more; ask for more with --limit.", style="yellow")
