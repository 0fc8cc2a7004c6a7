"""How policies, their versions and what a change would do read on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.message import Message
from rapport.insight.v1.vocabulary_pb2 import CustomerSegment
from rapport.metrics.v1.agent_pb2 import Metric
from rapport.scoring.v1.policy_pb2 import ScoringPolicy
from rapport.scoring.v1.scoring_service_pb2 import GradeChange, PointsChange, PreviewScoringPolicyResponse, SegmentChange
from rich.table import Table

from services.cli.layout import NOTHING, OUT, moment, number, optional, print_quality, table
from services.cli.policy_changes import PATHS, differences, values
from services.cli.policy_words import MEANINGS


def show_policy(policy: ScoringPolicy) -> None:
    """Print a version of the policy: every value under the path by which it is changed."""
    OUT.print(_title(policy), style="bold")
    if policy.comment:
        OUT.print(policy.comment)
    OUT.print()
    found = values(policy)
    made = table("What grades and segments are made by", "Path", "Value", "Meaning", numeric=["Value"], wraps=["Meaning"])
    for path in PATHS:
        made.add_row(path, found.get(path, NOTHING), MEANINGS[path])
    OUT.print(made)
    if policy.industries:
        differing = table("What differs for agents of an industry", "Path", "Value", numeric=["Value"], wraps=["Path"])
        for path, value in found.items():
            if path not in PATHS:
                differing.add_row(path, value)
        OUT.print(differing)
    OUT.print("To change one: rapport policy set PATH=VALUE; to see first what it would do: --dry-run", style="dim")


def show_versions(policies: Sequence[ScoringPolicy], limit: int) -> None:
    """Print at most `limit` versions, the newest first, each with what it changed in the one that follows in the list."""
    made = table("Versions of the policy", "Version", "When", "Who", "What changed", "Why",
                 numeric=["Version"], wraps=("What changed", "Why"), spared=["Who"])  # fmt: skip
    older = [*policies[1:], None]
    for policy, before in list(zip(policies, older, strict=True))[:limit]:
        when = moment(policy.created_at) if policy.HasField("created_at") else "published default"
        made.add_row(str(policy.version), when, policy.created_by or NOTHING, _what_changed(policy, before), policy.comment)
    OUT.print(made)
    if len(policies) > limit:
        OUT.print("There are older versions; ask for more with --limit.", style="yellow")


def show_change(before: ScoringPolicy, after: ScoringPolicy) -> None:
    """Print what differs between two policies."""
    made = table("What changes", "Path", "Before", "After", numeric=("Before", "After"), wraps=["Path"])
    for path, old, new in differences(before, after):
        made.add_row(path, old or NOTHING, new or NOTHING)
    OUT.print(made)


def show_preview(preview: PreviewScoringPolicyResponse) -> None:
    """Print whose grade and whose segment would be another one, and why."""
    if preview.grade_changes:
        OUT.print(_grades(preview.grade_changes))
    if preview.segment_changes:
        OUT.print(_segments(preview.segment_changes))
    OUT.print(
        f"{number(preview.agents_changed)} of {number(preview.agents_graded)} agents would get another grade, "
        f"{number(preview.customers_changed)} of {number(preview.customers_segmented)} customers another segment."
    )
    unnamed = preview.agents_changed - len(preview.grade_changes), preview.customers_changed - len(preview.segment_changes)
    if any(unnamed):
        OUT.print(f"Not shown: {unnamed[0]} agents, {unnamed[1]} customers; ask for more with --limit.", style="yellow")
    print_quality(preview.quality)
    OUT.print("Nothing is saved: leave --dry-run out to do it.", style="bold")


def _title(policy: ScoringPolicy) -> str:
    if not policy.HasField("created_at"):
        return f"Policy version {policy.version} · the published default"
    by = f" by {policy.created_by}" if policy.created_by else ""
    return f"Policy version {policy.version} · made {moment(policy.created_at)}{by}"


def _what_changed(policy: ScoringPolicy, before: ScoringPolicy | None) -> str:
    if before is None:
        return "\n".join(policy.changed_paths)
    return "\n".join(f"{path}: {old or NOTHING} → {new or NOTHING}" for path, old, new in differences(before, policy))


def _grades(changes: Sequence[GradeChange]) -> Table:
    made = table("Agents whose grade would be another one", "Agent", "Grade", "Score", "Points", "Why",
                 wraps=("Agent", "Points", "Why"), spared=["Points"])  # fmt: skip
    for change in changes:
        parts = [f"{_metric(part)} {part.difference:+.1f}" for part in change.points if round(part.difference, 1)]
        made.add_row(
            change.agent_id,
            f"{change.grade_before or NOTHING} → {change.grade_after or NOTHING}",
            f"{_score(change, 'score_before')} → {_score(change, 'score_after')}",
            "\n".join(parts),
            change.reason,
        )
    return made


def _segments(changes: Sequence[SegmentChange]) -> Table:
    made = table("Customers whose segment would be another one", "Customer", "Segment", "Why", wraps=("Customer", "Why"))
    for change in changes:
        made.add_row(change.customer_id, " → ".join(_segments_of(change)), change.reason)
    return made


def _score(message: Message, field: str) -> str:
    return number(optional(message, field), 1)


def _metric(part: PointsChange) -> str:
    return Metric.Name(part.metric).removeprefix("METRIC_").lower()


def _segments_of(change: SegmentChange) -> list[str]:
    return [CustomerSegment.Value.Name(each) if each else NOTHING for each in (change.segment_before, change.segment_after)]
