"""How an agent's performance and a comparison read on a terminal."""

from __future__ import annotations

from rapport.metrics.v1.agent_pb2 import (
    METRIC_COMPLETION,
    METRIC_CONVERSION,
    METRIC_ESCALATION,
    METRIC_RESPONSE,
    AgentPerformance,
    Metric,
    SubScore,
)
from rapport.metrics.v1.comparison_pb2 import AgentComparison
from rich.table import Table

from services.cli.layout import NOTHING, OUT, bar, number, optional, pairs, print_quality, seconds, table
from services.cli.show_parts import percentiles, platform_slices, print_changes, print_days, print_grades
from services.cli.show_system import platforms

_PERCENT = (METRIC_COMPLETION, METRIC_CONVERSION, METRIC_ESCALATION)
_LESS_IS_BETTER = (METRIC_RESPONSE, METRIC_ESCALATION)
#: Probabilities below it are told as being below it.
_SMALLEST_P = 0.001


def show_performance(agent: AgentPerformance) -> None:
    """Print an agent's grade, how it came about, and what it rests on."""
    OUT.print(f"Agent {agent.agent_id}{f' · {agent.name}' if agent.name else ''}", style="bold")
    OUT.print(_grade(agent), style="bold green" if agent.performance_grade[:1] in ("A", "B") else "bold yellow")
    if uncertainty := _uncertainty(agent):
        OUT.print(uncertainty)
    OUT.print()
    if agent.breakdown:
        OUT.print(_breakdown(agent))
    if any(part.HasField("interval") or part.HasField("peer_mean") for part in agent.breakdown):
        OUT.print(_beside_peers(agent))
    OUT.print(_conversations(agent))
    OUT.print()
    OUT.print(_business(agent))
    OUT.print()
    if agent.platforms:
        OUT.print(platform_slices(agent.platforms, agent.business_metrics.currency))
    print_changes(agent.changes)
    print_days(agent.days)
    print_grades(agent.grade_history)
    for title, lines in (("Strengths", agent.strengths), ("To improve", agent.improvement_areas)):
        if lines:
            OUT.print(f"{title}: {'; '.join(lines)}")
    for advice in agent.recommendations:
        OUT.print(f"  → {advice.text} (worth {advice.points:.1f} points)")
    print_quality(agent.quality)


def show_comparison(comparison: AgentComparison) -> None:
    """Print agents next to each other, the best adjusted score first."""
    summary = comparison.summary
    agents = table("Agents", "Rank", "Agent", "Grade", "Score", "Adjusted", "90 % range", "n", "Rating", "Conversion", "Revenue",
                   numeric=("Rank", "Score", "Adjusted", "n", "Rating", "Conversion", "Revenue"),
                   wraps=["Agent"], spared=("Adjusted", "90 % range", "Rating"))  # fmt: skip
    for agent in comparison.comparisons:
        agents.add_row(*_row(agent))
    OUT.print(agents)
    OUT.print(
        f"{summary.total_agents} agents · mean rating {number(optional(summary, 'avg_satisfaction'), 2)}"
        f" · mean conversion {number(optional(summary, 'avg_conversion_rate'), 1, '%')} "
        f"· revenue {number(summary.total_revenue, 2, summary.currency)}"
    )
    if comparison.grade_distribution:
        OUT.print("Grades: " + ", ".join(f"{grade}: {count}" for grade, count in sorted(comparison.grade_distribution.items())))
    OUT.print()
    OUT.print(platforms(comparison.platform_effectiveness, summary.currency))
    if comparison.benchmarks:
        OUT.print(_benchmarks(comparison))
    for title, ranked in (("Leading", comparison.leaders), ("Trailing", comparison.trailers)):
        if ranked:
            OUT.print(f"{title}: " + ", ".join(f"{each.agent_id} ({each.adjusted_score:.1f})" for each in ranked))
    if comparison.next_page_token:
        OUT.print("There are more agents; ask for more with --limit.", style="yellow")
    print_quality(comparison.quality)


def _benchmarks(comparison: AgentComparison) -> Table:
    numeric = ("All together", "Mean agent", "Lower quarter", "Median", "Upper quarter", "Agents")
    made = table("Benchmarks", "Measure", *numeric, numeric=numeric, spared=("Lower quarter", "Upper quarter", "Agents"))
    for each in comparison.benchmarks:
        told = (optional(each, field) for field in ("pooled", "agent_mean", "p25", "median", "p75"))
        made.add_row(each.measure, *(number(value, 2) for value in told), number(each.n))
    return made


def _grade(agent: AgentPerformance) -> str:
    if not agent.HasField("performance_grade"):
        return "No grade: there was nothing to grade"
    provisional = " · provisional: few conversations" if agent.provisional else ""
    return f"{agent.performance_grade}  {agent.grade_meaning} · score {number(optional(agent, 'score'), 1)}{provisional}"


def _uncertainty(agent: AgentPerformance) -> str:
    if not agent.HasField("adjusted_score"):
        return ""
    text = f"Allowing for chance: {agent.adjusted_score:.1f}"
    if agent.HasField("adjusted_interval"):
        span = agent.adjusted_interval
        text += f", with {span.level:.0%} probability between {span.low:.1f} and {span.high:.1f}"
    return text + (f" · rank {agent.rank}" if agent.HasField("rank") else "")


def _breakdown(agent: AgentPerformance) -> Table:
    made = table("What the score is made of", "Metric", "Value", "Target", "Sub-score", "", "Weight", "Points",
                 numeric=("Value", "Target", "Sub-score", "Weight", "Points"))  # fmt: skip
    for part in agent.breakdown:
        score = optional(part, "score")
        made.add_row(
            _name(part),
            _in_unit(part, optional(part, "value")),
            _in_unit(part, part.target),
            number(score, 1),
            NOTHING if score is None else bar(score),
            f"{part.weight:.0%}",
            number(part.points, 1),
        )
    return made


def _beside_peers(agent: AgentPerformance) -> Table:
    level = next((part.interval.level for part in agent.breakdown if part.HasField("interval")), 0.95)
    made = table("Next to the peers", "Metric", "Value", "n", f"{level:.0%} range", "Peers", "p", "Difference",
                 numeric=("Value", "n", "Peers", "p"), spared=["p"])  # fmt: skip
    for part in agent.breakdown:
        if part.HasField("value"):
            p = optional(part, "p_value")
            made.add_row(
                _name(part),
                _in_unit(part, part.value),
                number(part.n),
                f"{part.interval.low:.1f} to {part.interval.high:.1f} %" if part.HasField("interval") else NOTHING,
                _in_unit(part, optional(part, "peer_mean")),
                NOTHING if p is None else f"{p:.3f}" if p >= _SMALLEST_P else f"<{_SMALLEST_P}",
                _difference(part),
                style="bold" if part.significant else None,
            )
    return made


def _difference(part: SubScore) -> str:
    """Return what is to be made of a difference from the peers; one within chance is no reason to praise or blame."""
    if not part.HasField("p_value"):
        return "no peers" if not part.HasField("peer_mean") else "too few to tell"
    if not part.significant:
        return "may be chance"
    is_above = part.value > part.peer_mean
    return "* better" if is_above != (part.metric in _LESS_IS_BETTER) else "* worse"


def _name(part: SubScore) -> str:
    return Metric.Name(part.metric).removeprefix("METRIC_").lower()


def _in_unit(part: SubScore, value: float | None) -> str:
    if part.metric == METRIC_RESPONSE:
        return seconds(value)
    return number(value, 1, "%") if part.metric in _PERCENT else number(value, 2)


def _conversations(agent: AgentPerformance) -> Table:
    metrics = agent.conversation_metrics
    return pairs("Conversations", [
        ("in all", number(metrics.total_conversations)),
        ("customers", number(metrics.distinct_customers)),
        ("mean length", number(optional(metrics, "average_conversation_duration_s"), 0, "s")),
        ("mean response time", seconds(optional(metrics, "average_response_time_ms"))),
        ("length p50 / p90 / p99", percentiles(metrics, "duration", "s")),
        ("response time p50 / p90 / p99", percentiles(metrics, "response_time", "ms")),
        ("completed", number(optional(metrics, "conversation_completion_rate"), 1, "%")),
        ("escalated", number(optional(metrics, "escalation_rate"), 1, "%")),
        ("mean rating", f"{number(optional(metrics, 'customer_satisfaction_avg'), 2)} of {metrics.rated_conversations} ratings"),
    ])  # fmt: skip


def _business(agent: AgentPerformance) -> Table:
    metrics = agent.business_metrics
    return pairs("Business", [
        ("revenue", number(metrics.total_revenue, 2, metrics.currency)),
        ("orders", number(metrics.orders)),
        ("average order", number(optional(metrics, "average_order_value"), 2, metrics.currency)),
        ("conversions", f"{metrics.conversions_generated} ({number(optional(metrics, 'conversion_rate'), 1, '%')})"),
        ("appointments booked", number(metrics.appointments_booked)),
        ("appointments kept", number(optional(metrics, "appointment_completion_rate"), 1, "%")),
        ("appointments missed", number(optional(metrics, "no_show_rate"), 1, "%")),
        ("cost", number(optional(metrics, "total_cost"), 2, metrics.currency)),
    ])  # fmt: skip


def _row(agent: AgentPerformance) -> list[str]:
    span, business = agent.adjusted_interval, agent.business_metrics
    return [
        number(optional(agent, "rank")),
        f"{agent.agent_id}{f' · {agent.name}' if agent.name else ''}",
        (agent.performance_grade or NOTHING) + (" *" if agent.provisional else ""),
        number(optional(agent, "score"), 1),
        number(optional(agent, "adjusted_score"), 1),
        f"{span.low:.0f} to {span.high:.0f}" if agent.HasField("adjusted_interval") else NOTHING,
        number(agent.conversation_metrics.total_conversations),
        number(optional(agent.conversation_metrics, "customer_satisfaction_avg"), 2),
        number(optional(business, "conversion_rate"), 1, "%"),
        number(business.total_revenue, 2, business.currency),
    ]
