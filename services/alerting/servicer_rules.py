"""Answers the calls about rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from rapport.alerting.v1 import rule_pb2 as pb
from sqlalchemy.ext.asyncio import AsyncConnection

from services.alerting import convert_rule, rule_checks, rule_store, store
from services.alerting.calls import Calls
from services.alerting.defaults import DEFAULT_RULES, defaults_after
from services.alerting.measures import MEASURES
from services.alerting.rule_versions import RuleVersion, found, versions_of, with_defaults

_MOST_VERSIONS = 100


class RuleCalls(Calls):
    """Rules and their versions, and what can be measured."""

    async def PutRule(self, request: pb.PutRuleRequest, context: Any) -> pb.PutRuleResponse:
        put, now = convert_rule.rule_from_proto(request.rule), self._clock()
        rule_checks.check(put)
        async with self._database.transaction() as conn:
            await _begin_change(conn, now)
            standing = await rule_store.get_standing(conn, put.rule_id)
            standing.check_put(convert_rule.expected_version(request))
            version = await rule_store.get_newest(conn, put.rule_id)
            if version is None or not version.says(put):
                rule = replace(put, version=standing.newest + 1)
                version = RuleVersion(rule, request.author, request.comment, now)
                await rule_store.put_rule(conn, version)
                await rule_store.add_version(conn, version)
        return pb.PutRuleResponse(version=convert_rule.version_to_proto(version))

    async def DeleteRule(self, request: pb.DeleteRuleRequest, context: Any) -> pb.DeleteRuleResponse:
        now = self._clock()
        async with self._database.transaction() as conn:
            await _begin_change(conn, now)
            standing = await rule_store.get_standing(conn, request.rule_id)
            newest = found(await rule_store.get_newest(conn, request.rule_id), request.rule_id)
            standing.check_version(convert_rule.expected_version(request))
            deleted = replace(newest.rule, version=standing.newest + 1)
            await rule_store.delete_rule(conn, request.rule_id)
            version = RuleVersion(deleted, request.author, request.comment, now, is_deleted=True)
            await rule_store.add_version(conn, version)
        return pb.DeleteRuleResponse()

    async def ListRules(self, request: pb.ListRulesRequest, context: Any) -> pb.ListRulesResponse:
        async with self._database.snapshot() as conn:
            kept = await rule_store.list_newest(conn)
            rules = with_defaults(kept, defaults_after(await rule_store.get_given(conn)))
        return pb.ListRulesResponse(rules=[convert_rule.version_to_proto(v) for v in rules])

    async def ListRuleVersions(self, request: pb.ListRuleVersionsRequest, context: Any) -> pb.ListRuleVersionsResponse:
        async with self._database.snapshot() as conn:
            kept = await rule_store.list_versions(conn, request.rule_id, _MOST_VERSIONS)
            ungiven = defaults_after(await rule_store.get_given(conn))
        versions = versions_of(request.rule_id, kept, ungiven)
        return pb.ListRuleVersionsResponse(versions=[convert_rule.version_to_proto(v) for v in versions])

    async def ListAlertMeasures(self, request: pb.ListAlertMeasuresRequest, context: Any) -> pb.ListAlertMeasuresResponse:
        return pb.ListAlertMeasuresResponse(measures=[convert_rule.measure_to_proto(MEASURES[name]) for name in sorted(MEASURES)])


async def _begin_change(conn: AsyncConnection, now: datetime) -> None:
    """Keep others from changing the tenant's rules, which the defaults are among from now on."""
    await store.sweep_again(conn, now)
    given = await rule_store.take_defaults(conn, len(DEFAULT_RULES))
    await rule_store.install_rules(conn, defaults_after(given), now)
