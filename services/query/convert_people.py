"""Customers, agents and follow-ups as the contract has them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from rapport.query.v1 import drill_down_pb2

from services.query.answers import Frame
from services.query.convert import moment, quality
from services.query.people import (
    TO_DO,
    AgentInShort,
    Customer,
    FollowUp,
    FollowUpState,
    WhichAgents,
    WhichCustomers,
    WhichFollowUps,
)


def customers_of(request: drill_down_pb2.ListCustomersRequest) -> WhichCustomers:
    """Return which customers a request asks for."""
    has = request.HasField
    return WhichCustomers(
        segments=tuple(request.segments),
        churn_risk_at_least=request.churn_risk_at_least if has("churn_risk_at_least") else None,
        predicted_value_at_least=request.predicted_value_at_least if has("predicted_value_at_least") else None,
        agent_ids=tuple(request.agent_ids),
    )


def agents_of(request: drill_down_pb2.ListAgentsRequest) -> WhichAgents:
    """Return which agents a request asks for."""
    return WhichAgents(tuple(request.states), tuple(request.industries))


def follow_ups_of(request: drill_down_pb2.ListFollowUpsRequest, now: datetime) -> WhichFollowUps:
    """Return which follow-ups a request asks for: those still to be done, unless it names states."""
    states = tuple(FollowUpState(state) for state in request.states) or TO_DO
    return WhichFollowUps(states, tuple(request.agent_ids), request.assignee, now)


def customers(frame: Frame, shown: Iterable[Customer], total: int, next_page_token: str) -> drill_down_pb2.ListCustomersResponse:
    """Return a page of customers."""
    return drill_down_pb2.ListCustomersResponse(
        customers=map(_customer, shown), next_page_token=next_page_token, total=total, quality=quality(frame, total)
    )


def agents(shown: Iterable[AgentInShort], total: int, next_page_token: str) -> drill_down_pb2.ListAgentsResponse:
    """Return a page of agents."""
    return drill_down_pb2.ListAgentsResponse(agents=map(_agent, shown), next_page_token=next_page_token, total=total)


def follow_ups(shown: Iterable[FollowUp], total: int, next_page_token: str) -> drill_down_pb2.ListFollowUpsResponse:
    """Return a page of follow-ups."""
    return drill_down_pb2.ListFollowUpsResponse(follow_ups=map(_follow_up, shown), next_page_token=next_page_token, total=total)


def _customer(customer: Customer) -> drill_down_pb2.CustomerSummary:
    return drill_down_pb2.CustomerSummary(
        customer_id=customer.customer_id,
        name=customer.name,
        segment=customer.segment,  # type: ignore[arg-type]  # numbers are stored plain
        churn_risk=customer.churn_risk,
        p_alive=customer.p_alive,
        predicted_lifetime_value=customer.predicted_value,
        upsell_potential=customer.upsell_potential,
        engagement_days=customer.engagement_days,
        orders=customer.orders,
        first_engaged=_day(customer.first_day),
        last_engaged=_day(customer.last_day),
    )


def _agent(agent: AgentInShort) -> drill_down_pb2.AgentSummary:
    return drill_down_pb2.AgentSummary(
        agent_id=agent.agent_id,
        name=agent.name,
        state=agent.state,  # type: ignore[arg-type]  # numbers are stored plain
        state_since=moment(agent.state_since),
        industry=agent.industry,
        platforms=agent.platforms,  # type: ignore[arg-type]  # numbers are stored plain
        languages=agent.languages,
        template=agent.template,
    )


def _follow_up(follow_up: FollowUp) -> drill_down_pb2.FollowUpItem:
    return drill_down_pb2.FollowUpItem(
        follow_up_id=follow_up.follow_up_id,
        state=follow_up.state,  # type: ignore[arg-type]  # the contract's numbers
        action=follow_up.action,
        due=moment(follow_up.due),
        assignee=follow_up.assignee,
        agent_id=follow_up.agent_id,
        customer_id=follow_up.customer_id,
        conversation_id=follow_up.conversation_id,
        opened_at=moment(follow_up.opened_at),
    )


def _day(day: date | None) -> str:
    return day.isoformat() if day else ""
