"""Answers the calls about the scoring policy."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.runtime import windows
from services.runtime.errors import FieldViolation, invalid_fields
from services.runtime.validation import field_violations
from services.scoring import convert, convert_policy, pages, policy_rules, policy_store, previewing, store
from services.scoring.agents import grade_agents, mean_coverage
from services.scoring.calls import Calls
from services.scoring.comparing_policies import grade_changes
from services.scoring.policy import PolicyVersion, changed_paths
from services.scoring.servicer_grades import found
from services.storage.reading import get_settings, get_watermark

#: Versions on a page, and changes named by a preview, when the request does not say.
_VERSIONS_A_PAGE, _NAMED = 20, 100


class PolicyCalls(Calls):
    """The versions of the scoring policy."""

    async def GetScoringPolicy(self, request: pb.GetScoringPolicyRequest, context: Any) -> pb.GetScoringPolicyResponse:
        async with self._database.transaction() as conn:
            version = found(await policy_store.get_version(conn, request.version), request.version)
        return pb.GetScoringPolicyResponse(policy=convert_policy.version_to_proto(version))

    async def ListScoringPolicies(self, request: pb.ListScoringPoliciesRequest, context: Any) -> pb.ListScoringPoliciesResponse:
        size = request.page_size or _VERSIONS_A_PAGE
        before = pages.read_version(self._pages, request.page_token)
        async with self._database.transaction() as conn:
            kept = await policy_store.list_versions(conn, before, size + 1)
        token = pages.version_token(self._pages, kept[size - 1].policy.version) if len(kept) > size else ""
        return pb.ListScoringPoliciesResponse(
            policies=[convert_policy.version_to_proto(v) for v in kept[:size]], next_page_token=token
        )

    async def UpdateScoringPolicy(self, request: pb.UpdateScoringPolicyRequest, context: Any) -> pb.UpdateScoringPolicyResponse:
        async with self._database.transaction() as conn:
            await policy_store.lock_versions(conn)
            stored = await policy_store.get_newest(conn)
            policy_rules.check_version(stored.policy.version, convert_policy.expected_version(request))
            version = _changed(stored, request)
            if version is not stored:
                version = replace(version, created_at=self._clock(), comment=request.comment)
                await policy_store.insert_version(conn, version)
        return pb.UpdateScoringPolicyResponse(policy=convert_policy.version_to_proto(version))

    async def PreviewScoringPolicy(
        self, request: pb.PreviewScoringPolicyRequest, context: Any
    ) -> pb.PreviewScoringPolicyResponse:
        now, limit = self._clock(), request.limit or _NAMED
        async with self._database.snapshot() as conn:
            stored = await policy_store.get_newest(conn)
            version = _changed(stored, request)
            settings = await get_settings(conn)
            window = windows.resolve(
                convert.moment(request, "start_time"), convert.moment(request, "end_time"), settings.time_zone, now
            )
            team = await store.get_team(conn, window, settings.reporting_currency)
            regrouping = await previewing.regroup_customers(conn, now, stored.policy.segments, version.policy.segments, limit)
            watermark = await get_watermark(conn, now)
        before, after = [await asyncio.to_thread(grade_agents, team, team.active, v.policy) for v in (stored, version)]
        changes = grade_changes(before, after, stored.policy, version.policy)
        answer = convert_policy.preview_to_proto(version, changes, regrouping, limit)
        answer.agents_graded = len(before)
        n, coverage, number = sum(g.n for g in before), mean_coverage(before), stored.policy.version
        about = convert.quality(n, watermark, window=window, policy_version=number, coverage=coverage)
        answer.quality.CopyFrom(about)
        return answer


def _changed(stored: PolicyVersion, request: convert_policy.Change) -> PolicyVersion:
    """Return the version that a request would make; the stored one itself when nothing changes. Raises InvalidArgument."""
    _refuse(convert_policy.mask_violations(request))
    message = convert_policy.changed(stored.policy, request)
    _refuse(field_violations(message, "policy."))
    policy = convert_policy.policy_of(message)
    _refuse(policy_rules.violations(policy))
    paths = changed_paths(stored.policy, policy)
    version = PolicyVersion(policy=replace(policy, version=stored.policy.version + 1), changed_paths=paths)
    return version if paths else stored


def _refuse(violations: Sequence[FieldViolation]) -> None:
    if violations:
        raise invalid_fields(violations)
