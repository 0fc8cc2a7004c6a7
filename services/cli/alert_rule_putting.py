"""How rules are put: from files, and again as an earlier version was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer
from rapport.alerting.v1.alerting_service_pb2_grpc import AlertingServiceStub
from rapport.alerting.v1.rule_pb2 import (
    ListRulesRequest,
    ListRuleVersionsRequest,
    PutRuleRequest,
    PutRuleResponse,
    RuleVersion,
)

from services.cli.alert_calls import hinted, named, read_json, request_of
from services.cli.calling import DEADLINE_S, Address, CommandFailed, connected
from services.cli.layout import OUT, print_json

#: What a version tells besides its rule.
_OF_VERSIONS = ("author", "comment", "putTime", "deleted")


def rule_request(told: Any, file: str) -> PutRuleRequest:
    """Return how the rule is put that JSON tells: bare, in a request, or in an answer. Raises typer.BadParameter.

    Who puts it and why is not read: an answer tells that of the version before.
    """
    request = request_of(told, PutRuleRequest(), "rule", file, beside=_OF_VERSIONS)
    if request.rule.version and not request.HasField("expected_version"):
        request.expected_version = request.rule.version
    return request


def rule_requests(file: str) -> list[PutRuleRequest]:
    told = read_json(file)
    if isinstance(told, dict) and isinstance(told.get("rules"), list):
        told = told["rules"]
    found = [rule_request(each, file) for each in (told if isinstance(told, list) else [told])]
    if not found:
        raise typer.BadParameter(f"{named(file)} has no rule in it", param_hint="FILE")
    return found


async def versions_of(stub: AlertingServiceStub, rule_id: str) -> Sequence[RuleVersion]:
    """Return a rule's versions, the newest first: at least one."""
    answer = await stub.ListRuleVersions(ListRuleVersionsRequest(rule_id=rule_id), timeout=DEADLINE_S)
    return answer.versions


def of_version(versions: Sequence[RuleVersion], rule_id: str, version: int) -> RuleVersion:
    for each in versions:
        if each.rule.version == version:
            return each
    raise CommandFailed(f"{rule_id} has no version {version}, or it is older than the newest 100")


async def put_rules(address: Address, requests: Sequence[PutRuleRequest], json: bool) -> int:
    async with connected(address) as channel:
        stub = AlertingServiceStub(channel)
        there = {} if json else await _there(stub)
        for request in requests:
            answer = await _answered(stub, request)
            _tell(answer, there.get(request.rule.rule_id, 0), json)
    return 0


async def restore_rule(address: Address, request: PutRuleRequest, rule_id: str, version: int, json: bool) -> int:
    """Put a version again, unless somebody changes the rule meanwhile."""
    async with connected(address) as channel:
        stub = AlertingServiceStub(channel)
        versions = await versions_of(stub, rule_id)
        found = _restorable(versions, rule_id, version)
        there = 0 if versions[0].deleted else versions[0].rule.version
        request.rule.CopyFrom(found.rule)
        request.comment = request.comment or f"version {found.rule.version} again"
        request.expected_version = there
        _tell(await stub.PutRule(request, timeout=DEADLINE_S), there, json)
    return 0


def _restorable(versions: Sequence[RuleVersion], rule_id: str, version: int) -> RuleVersion:
    """Return the version to have again; without one, of a deleted rule the last. Raises CommandFailed."""
    if version:
        found = of_version(versions, rule_id, version)
        if found.deleted:
            raise CommandFailed(
                f"with version {version} {rule_id} was deleted; `rapport alerts rules versions {rule_id}` has all"
            )
        return found
    if not versions[0].deleted:
        raise CommandFailed(
            f"{rule_id} is not deleted: say with --version which version to have again; "
            f"`rapport alerts rules versions {rule_id}` has all"
        )
    return next(each for each in versions if not each.deleted)


async def _there(stub: AlertingServiceStub) -> dict[str, int]:
    """Return the newest version of each rule that is not deleted."""
    answer = await stub.ListRules(ListRulesRequest(), timeout=DEADLINE_S)
    return {each.rule.rule_id: each.rule.version for each in answer.rules}


async def _answered(stub: AlertingServiceStub, request: PutRuleRequest) -> PutRuleResponse:
    """Put a rule; where somebody changed it since, say what to type."""
    id_, version = request.rule.rule_id, request.expected_version
    again = f"; to have version {version} again: rapport alerts rules restore {id_} --version {version}" if version else ""
    hint = f"To change what is there, begin with: rapport alerts rules show {id_} --json{again}"
    with hinted("VERSION_CONFLICT", hint):
        return await stub.PutRule(request, timeout=DEADLINE_S)


def _tell(answer: PutRuleResponse, there: int, json: bool) -> None:
    """Tell which version holds now, given the one that was there, 0 for none."""
    rule = answer.version.rule
    if json:
        print_json(answer, indent=None)
    elif rule.version == there:
        OUT.print(f"{rule.rule_id}: nothing changed, version {there} says the same")
    else:
        OUT.print(f"{rule.rule_id}: version {rule.version} holds from now on")
