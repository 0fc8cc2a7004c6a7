"""How an agent's dashboard, and an agent that is followed, read on a terminal."""

from __future__ import annotations

from rapport.insight.v1.event_pb2 import AgentState
from rapport.metrics.v1.agent_pb2 import AgentDashboard, AgentUpdate, UpdateCause
from rich.table import Table

from services.cli.layout import NOTHING, OUT, moment, number, optional, pairs, print_quality, seconds
from services.cli.show_parts import platform_slices, print_changes, print_days, print_grades


def show_dashboard(board: AgentDashboard) -> None:
    """Print an agent at one sight."""
    state = AgentState.Name(board.state).removeprefix("AGENT_STATE_").lower() if board.HasField("state") else "never reported"
    OUT.print(f"Agent {board.agent_id}{f' · {board.name}' if board.name else ''} · {state}", style="bold")
    OUT.print(_now(board))
    print_changes(board.changes)
    OUT.print(platform_slices(board.platforms, board.performance.business_metrics.currency))
    print_days(board.days)
    print_grades(board.grade_history)
    OUT.print()
    OUT.print(_work(board))
    for customer in board.customers_at_risk:
        OUT.print(f"  probably lost: {customer.customer_id} ({customer.churn_risk:.0%} will not be back within 90 days)")
    for alert in board.open_alerts:
        OUT.print(f"  alert: {alert.message}", style="yellow")
    print_quality(board.quality)


def update_line(update: AgentUpdate) -> str:
    """Return what a watcher is told, in a line."""
    agent = update.performance
    talks, business = agent.conversation_metrics, agent.business_metrics
    return " · ".join((
        moment(update.computed_at),
        UpdateCause.Name(update.cause).removeprefix("UPDATE_CAUSE_").lower(),
        f"grade {agent.performance_grade or NOTHING}",
        f"{number(talks.total_conversations)} conversations",
        f"response {seconds(optional(talks, 'average_response_time_ms'))}",
        f"revenue {number(business.total_revenue, 2, business.currency)}",
        f"{len(update.open_alerts)} alerts",
    ))  # fmt: skip


def _now(board: AgentDashboard) -> Table:
    agent = board.performance
    rank = f"{agent.rank} of {board.peers}" if agent.HasField("rank") else NOTHING
    return pairs("Now", [
        ("grade", f"{agent.performance_grade or NOTHING} ({number(optional(agent, 'score'), 1)})"),
        ("rank", rank),
        ("conversations", number(agent.conversation_metrics.total_conversations)),
        ("revenue", number(agent.business_metrics.total_revenue, 2, agent.business_metrics.currency)),
    ])  # fmt: skip


def _work(board: AgentDashboard) -> Table:
    made, mix = board.appointments, board.sentiment_mix
    return pairs("Work", [
        ("appointments", f"{made.booked} made, {made.kept} kept, {made.no_show} missed, {made.cancelled} cancelled"),
        ("appointments to come", number(made.upcoming)),
        ("follow-ups", f"{board.open_follow_ups} open, {board.overdue_follow_ups} overdue"),
        ("sentiment", f"{mix.positive} positive, {mix.neutral} neutral, {mix.negative} negative"),
        ("intents", ", ".join(f"{each.name} ({each.count})" for each in board.intents) or NOTHING),
        ("emotions", ", ".join(f"{each.name} ({each.count})" for each in board.emotions) or NOTHING),
    ])  # fmt: skip
