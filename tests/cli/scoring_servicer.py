"""A small scoring service over a real channel: what arrives must keep the contract, and is kept for the test to see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import protovalidate
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.rpc import status_pb2
from rapport.scoring.v1 import scoring_service_pb2 as pb
from rapport.scoring.v1.model_pb2 import ModelReport
from rapport.scoring.v1.policy_pb2 import ScoringPolicy
from rapport.scoring.v1.scoring_service_pb2_grpc import ScoringServiceServicer

from tests.cli.servicers import not_served, refuse, status

DEFAULT = ParseDict(
    {
        "version": 1,
        "qualityWeight": 0.4,
        "conversionWeight": 0.35,
        "efficiencyWeight": 0.25,
        "satisfactionShare": 0.7,
        "conversionRateShare": 0.5,
        "responseShare": 0.5,
        "conversionRateTarget": 30,
        "revenueTarget": 1500,
        "responseTargetMs": 10000,
        "responseLimitMs": 300000,
        "escalationLimit": 25,
        "provisionalBelow": 30,
        "cutOffs": {"aPlus": 95, "a": 90, "bPlus": 85, "b": 80, "cPlus": 75, "c": 70},
        "targetSource": "TARGET_SOURCE_CONSTANT",
        "strongSatisfaction": 4.5,
        "strongResponseMs": 60000,
        "strongEscalationRate": 5,
        "segments": {
            "newCustomerDays": 30,
            "atRiskBelow": 0.5,
            "safeFrom": 0.6,
            "highValueOrders": 2,
            "regularRepeatDays": 2,
        },
    },
    ScoringPolicy(),
)


@dataclass
class Scoring(ScoringServiceServicer):
    """Keeps policies as scoring does; otherwise answers what the test sets, or the failure that it sets."""

    #: The newest last.
    policies: list[ScoringPolicy] = field(default_factory=lambda: [DEFAULT])
    #: Whether somebody else makes a version as soon as one was read.
    overtaken: bool = False
    preview: pb.PreviewScoringPolicyResponse = field(default_factory=pb.PreviewScoringPolicyResponse)
    report: ModelReport = field(default_factory=ModelReport)
    seasonality: pb.GetSeasonalityResponse = field(default_factory=pb.GetSeasonalityResponse)
    #: One answer or failure a look, the last of them again and again.
    freshness: list[pb.GetFreshnessResponse | status_pb2.Status] = field(default_factory=lambda: [pb.GetFreshnessResponse()])
    snapshots: list[pb.GradeSnapshot] = field(default_factory=list)
    rebuild: list[pb.RebuildRollupsResponse | status_pb2.Status] = field(default_factory=list)
    quarantine: list[pb.QuarantinedChange] = field(default_factory=list)
    #: Changes that cannot be counted still.
    broken: set[int] = field(default_factory=set)
    failure: status_pb2.Status | None = None
    calls: list[Message] = field(default_factory=list)

    async def GetScoringPolicy(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        if request.version > len(self.policies):
            await refuse(context, status("NOT_FOUND", "POLICY_NOT_FOUND", f"there is no version {request.version}"))
        answer = pb.GetScoringPolicyResponse(policy=self.policies[request.version - 1])
        if self.overtaken:
            self.policies.append(
                ParseDict({"version": len(self.policies) + 1}, _merged(self.policies[-1], self.policies[-1], ()))
            )
        return answer

    async def ListScoringPolicies(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        size = request.page_size or 20
        newest_first = self.policies[::-1]
        return pb.ListScoringPoliciesResponse(
            policies=newest_first[:size], next_page_token="more" if len(newest_first) > size else ""
        )

    async def UpdateScoringPolicy(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        newest = self.policies[-1]
        if request.HasField("expected_version") and request.expected_version != newest.version:
            await refuse(context, status("ABORTED", "VERSION_CONFLICT", "there is a newer version"))
        made = _merged(newest, request.policy, request.update_mask.paths)
        if made != newest:
            made.version += 1
            made.comment = request.comment
            made.created_at.FromJsonString("2026-05-01T12:00:00Z")
            made.created_by = "asha"
            made.changed_paths[:] = request.update_mask.paths
            self.policies.append(made)
        return pb.UpdateScoringPolicyResponse(policy=self.policies[-1])

    async def PreviewScoringPolicy(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        self.preview.policy.CopyFrom(_merged(self.policies[-1], request.policy, request.update_mask.paths))
        return self.preview

    async def GetModelReport(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        return pb.GetModelReportResponse(report=self.report)

    async def FitModels(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        self.report.version += 1
        return pb.FitModelsResponse(report=self.report)

    async def GetSeasonality(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        return self.seasonality

    async def GetFreshness(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        told = self.freshness.pop(0) if len(self.freshness) > 1 else self.freshness[0]
        if isinstance(told, status_pb2.Status):
            await refuse(context, told)
        return told

    async def ListGradeHistory(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        size = request.page_size or 90
        token = "more" if len(self.snapshots) > size else ""
        return pb.ListGradeHistoryResponse(snapshots=self.snapshots[:size], next_page_token=token)

    async def RebuildRollups(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        for step in self.rebuild:
            if isinstance(step, status_pb2.Status):
                await refuse(context, step)
            yield step

    async def ListQuarantine(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        size = request.page_size or 100
        token = "more" if len(self.quarantine) > size else ""
        return pb.ListQuarantineResponse(changes=self.quarantine[:size], next_page_token=token)

    async def RetryQuarantine(self, request, context):  # noqa: N802 - the contract names it
        await self._arrive(request, context)
        known = {change.change_id: change for change in self.quarantine}
        wanted = list(request.change_ids) or list(known)
        counted = [id_ for id_ in wanted if id_ in known and id_ not in self.broken]
        self.quarantine = [change for change in self.quarantine if change.change_id not in counted]
        return pb.RetryQuarantineResponse(
            counted=len(counted),
            failed=[known[id_] for id_ in wanted if id_ in known and id_ in self.broken],
            unknown=[id_ for id_ in wanted if id_ not in known],
        )

    GradeAgents = not_served
    ScoreCustomers = not_served

    async def _arrive(self, request, context):
        protovalidate.validate(request)
        self.calls.append(request)
        if self.failure is not None:
            await refuse(context, self.failure)


def _merged(policy: ScoringPolicy, changes: ScoringPolicy, paths: Iterable[str]) -> ScoringPolicy:
    """Return the policy with the fields that the paths name as in `changes`, and nothing else of it."""
    made = ScoringPolicy()
    made.CopyFrom(policy)
    for path in paths:
        into, source = made, changes
        *outer, name = path.split(".")
        for step in outer:
            into, source = getattr(into, step), getattr(source, step)
        alone = type(source)()
        alone.CopyFrom(source)
        for other, _ in source.ListFields():
            if other.name != name:
                alone.ClearField(other.name)
        into.ClearField(name)
        into.MergeFrom(alone)
    return made
