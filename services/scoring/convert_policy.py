"""Translates policies, and what a change of one would change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from rapport.scoring.v1 import policy_pb2, scoring_service_pb2

from services.runtime.errors import FieldViolation
from services.scoring.comparing_policies import GradeChange, Regrouping, SegmentChange
from services.scoring.policy import (
    CutOffs,
    IndustryPolicy,
    Policy,
    PolicyVersion,
    SegmentPolicy,
    TargetSource,
)

#: A change of the policy, to be made or only tried.
Change = scoring_service_pb2.UpdateScoringPolicyRequest | scoring_service_pb2.PreviewScoringPolicyRequest

_OUTPUT_ONLY = ("version", "created_at", "created_by", "comment", "changed_paths")
#: Parts of a policy whose fields a mask may name one by one.
_PARTS = ("cut_offs", "segments")


def policy_to_proto(policy: Policy) -> policy_pb2.ScoringPolicy:
    told = asdict(policy)
    # What is None stays unset.
    segments = policy_pb2.SegmentPolicy(**told.pop("segments"))
    industries = [policy_pb2.IndustryPolicy(**industry) for industry in told.pop("industries")]
    cut_offs = policy_pb2.CutOffs(**told.pop("cut_offs"))
    return policy_pb2.ScoringPolicy(**told, segments=segments, industries=industries, cut_offs=cut_offs)


def version_to_proto(version: PolicyVersion) -> policy_pb2.ScoringPolicy:
    """Return a policy with when, by whom and why it was made."""
    message = policy_to_proto(version.policy)
    message.created_by, message.comment = version.created_by, version.comment
    message.changed_paths.extend(version.changed_paths)
    if version.created_at is not None:
        message.created_at.FromDatetime(version.created_at)
    return message


def policy_of(message: policy_pb2.ScoringPolicy) -> Policy:
    told = _fields(message, Policy)
    told["cut_offs"] = CutOffs(**_fields(message.cut_offs, CutOffs))
    told["segments"] = SegmentPolicy(**_fields(message.segments, SegmentPolicy))
    told["industries"] = tuple(IndustryPolicy(**_fields(part, IndustryPolicy)) for part in message.industries)
    told["target_source"] = TargetSource(message.target_source or TargetSource.CONSTANT)
    return Policy(**told)


def mask_violations(request: Change) -> list[FieldViolation]:
    """Return what is wrong with a change's mask: nothing named, what is not there or not to be written, values not told."""
    if not request.HasField("policy"):
        return [FieldViolation("policy", "required", "value is required")]
    if not request.update_mask.paths:
        return [FieldViolation("update_mask", "update_mask.required", "must name at least one field")]
    found = [_mask_violation(request.policy, i, path) for i, path in enumerate(request.update_mask.paths)]
    return [violation for violation in found if violation is not None]


def changed(stored: Policy, request: Change) -> policy_pb2.ScoringPolicy:
    """Return the stored policy with those fields of the change's that its mask, which has no violations, names.

    An optional field that is not told is cleared; cut-offs and segments that are not told, named as a whole, stay.
    """
    told, message = request.policy, policy_to_proto(stored)
    for path in dict.fromkeys(request.update_mask.paths):
        part, _, field = path.rpartition(".")
        _copy(getattr(told, part) if part else told, getattr(message, part) if part else message, field)
    return message


def expected_version(request: scoring_service_pb2.UpdateScoringPolicyRequest) -> int | None:
    """Return the version that the caller read; None when it does not say."""
    return request.expected_version if request.HasField("expected_version") else None


def preview_to_proto(
    version: PolicyVersion, changes: Sequence[GradeChange], regrouping: Regrouping, limit: int
) -> scoring_service_pb2.PreviewScoringPolicyResponse:
    """Return what a version would change, the first `limit` agents and customers by name."""
    return scoring_service_pb2.PreviewScoringPolicyResponse(
        policy=version_to_proto(version),
        grade_changes=[_grade_change(change) for change in changes[:limit]],
        agents_changed=len(changes),
        segment_changes=[_segment_change(change) for change in regrouping.changes],
        customers_segmented=regrouping.segmented,
        customers_changed=regrouping.changed,
    )


def _grade_change(change: GradeChange) -> scoring_service_pb2.GradeChange:
    points = [
        scoring_service_pb2.PointsChange(metric=metric.value, difference=difference)  # type: ignore[arg-type]  # its number
        for metric, difference in change.points
    ]
    return scoring_service_pb2.GradeChange(
        agent_id=change.agent_id,
        grade_before=change.before.grade,
        grade_after=change.after.grade,
        score_before=change.before.score,
        score_after=change.after.score,
        points=points,
        reason=change.reason,
    )


def _segment_change(change: SegmentChange) -> scoring_service_pb2.SegmentChange:
    return scoring_service_pb2.SegmentChange(
        customer_id=change.customer_id,
        segment_before=int(change.before),  # type: ignore[arg-type]  # the contract's number
        segment_after=int(change.after),  # type: ignore[arg-type]  # the contract's number
        reason=change.reason,
    )


def _mask_violation(told: Any, i: int, path: str) -> FieldViolation | None:
    where, (part, _, name) = f"update_mask.paths[{i}]", path.rpartition(".")
    if path in _OUTPUT_ONLY:
        return FieldViolation(where, "update_mask.output_only", "names a field that only answers have")
    owner = getattr(told, part) if part in _PARTS else told
    if ("." in path and part not in _PARTS) or name not in owner.DESCRIPTOR.fields_by_name:
        return FieldViolation(where, "update_mask.known", "names no field of a policy")
    if part and not told.HasField(part) and not owner.DESCRIPTOR.fields_by_name[name].has_presence:
        return FieldViolation(f"policy.{part}", "update_mask.told", "must be there, for update_mask names one of its fields")
    return None


def _copy(source: Any, target: Any, name: str) -> None:
    field = target.DESCRIPTOR.fields_by_name[name]
    if field.is_repeated:
        target.ClearField(name)
        getattr(target, name).extend(getattr(source, name))
    elif field.message_type is not None:
        if source.HasField(name):
            getattr(target, name).CopyFrom(getattr(source, name))
    elif field.has_presence and not source.HasField(name):
        target.ClearField(name)
    else:
        setattr(target, name, getattr(source, name))


def _fields(message: Any, kind: type[Any]) -> dict[str, Any]:
    """Return a message's values by the names of a dataclass's fields; an optional field that is not there is None."""
    descriptor = message.DESCRIPTOR.fields_by_name
    return {
        f.name: None if descriptor[f.name].has_presence and not message.HasField(f.name) else getattr(message, f.name)
        for f in fields(kind)
    }
