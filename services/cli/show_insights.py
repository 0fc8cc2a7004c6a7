"""How insights read on a terminal."""

from __future__ import annotations

from rapport.query.v1.insight_pb2 import Contribution, Explanation, Insight, ListInsightsResponse
from rapport.query.v1.metrics_pb2 import Dimension

from services.cli.filtering import word_of
from services.cli.layout import OUT, print_quality

_UNKNOWN = "(not known)"
#: Differences below it round to nothing.
_LEAST = 0.005


def show_insights(answer: ListInsightsResponse) -> None:
    """Print what changed, what explains it, and what was left out."""
    for insight in answer.insights:
        _print_insight(insight)
    if not answer.insights:
        OUT.print(f"Nothing changed beyond chance, of {answer.looked_at} measures that were looked at.")
    for caveat in answer.caveats:
        OUT.print(caveat, style="yellow")
    print_quality(answer.quality)


def _print_insight(insight: Insight) -> None:
    better = insight.movement.better if insight.movement.HasField("better") else None
    OUT.print(insight.sentence, style={True: "bold green", False: "bold red", None: "bold"}[better])
    if insight.recommendation:
        OUT.print(f"  → {insight.recommendation}")
    for explanation in insight.explanations:
        if explanation.contributions:
            OUT.print(f"  By {word_of(Dimension.DESCRIPTOR, explanation.dimension)}: {_explained(explanation)}")
    OUT.print()


def _explained(explanation: Explanation) -> str:
    told = [_contribution(each) for each in explanation.contributions]
    if abs(explanation.rest) >= _LEAST:
        told.append(f"all others {explanation.rest:+,.2f}")
    return ", ".join(told)


def _contribution(each: Contribution) -> str:
    mix = f" (of it {each.mix_effect:+,.2f} by its share)" if abs(each.mix_effect) >= _LEAST else ""
    return f"{each.value or _UNKNOWN} {each.contribution:+,.2f}{mix}"
