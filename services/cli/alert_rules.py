"""`rapport alerts rules` and `measures`: what is wrong when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rapport.alerting.v1.alerting_service_pb2_grpc import AlertingServiceStub
from rapport.alerting.v1.rule_pb2 import (
    DeleteRuleRequest,
    ListAlertMeasuresRequest,
    ListRulesRequest,
    ListRulesResponse,
    ListRuleVersionsRequest,
    ListRuleVersionsResponse,
    PutRuleRequest,
    Rule,
    RuleVersion,
)

from services.cli.alert_calls import Author, Comment, File, Json, alerting, parsed, put, read_json
from services.cli.alert_rule_tables import show_measures, show_rule, show_rules, show_versions
from services.cli.alert_text import cleaned
from services.cli.calling import DEADLINE_S, MOST, Address, CommandFailed, connected, run
from services.cli.layout import OUT, print_json

app = typer.Typer(help="Show or change the rules by which alerts fire.", no_args_is_help=True, rich_markup_mode=None)

RuleId = Annotated[str, typer.Argument(metavar="RULE", help="The rule's id.")]


@app.command("list")
def list_(context: typer.Context, *, json: Json = False) -> None:
    """List the rules."""

    def show(answer: ListRulesResponse) -> None:
        show_rules(answer.rules)

    put(context, "ListRules", ListRulesRequest(), show, json=json)


@app.command()
def show(
    context: typer.Context,
    rule_id: RuleId,
    *,
    version: Annotated[
        int, typer.Option(min=0, max=MOST, metavar="VERSION", help="An earlier version. Default: the newest.")
    ] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print it as `rapport alerts rules put` takes it.")] = False,
) -> None:
    """Show a rule."""
    run(_show(alerting(context), rule_id, version, json))


@app.command("put")
def put_(context: typer.Context, file: File, *, comment: Comment = "", author: Author = "", json: Json = False) -> None:
    """Put the rule, or the list of rules, that a file holds: new rules, or new versions of those that are there.

    A rule that tells a version, as `rules show --json` does, is refused when there is a newer one by now; without a version it
    replaces whatever is there. Of a list, rules are put one after the other, up to the first that is refused.
    """
    run(_put(alerting(context), _rules(file), author, comment, json))


@app.command()
def delete(context: typer.Context, rule_id: RuleId, *, comment: Comment = "", author: Author = "", json: Json = False) -> None:
    """Delete a rule. Its open alerts are over."""

    def show(_: object) -> None:
        OUT.print(f"{rule_id} is deleted. To have it back: rapport alerts rules versions {rule_id}")

    request = DeleteRuleRequest(rule_id=rule_id, comment=comment, author=author)
    put(context, "DeleteRule", request, show, json=json)


@app.command()
def versions(context: typer.Context, rule_id: RuleId, *, json: Json = False) -> None:
    """List a rule's versions, the newest first: when, who, what changed, why. A deleted rule has them, too."""

    def show(answer: ListRuleVersionsResponse) -> None:
        show_versions(rule_id, answer.versions)

    put(context, "ListRuleVersions", ListRuleVersionsRequest(rule_id=rule_id), show, json=json)


def measures(context: typer.Context, *, json: Json = False) -> None:
    """List what rules can measure."""
    put(context, "ListAlertMeasures", ListAlertMeasuresRequest(), show_measures, json=json)


async def newest(stub: AlertingServiceStub, rule_id: str) -> RuleVersion:
    """Return a rule's newest version. Raises CommandFailed."""
    answer = await stub.ListRules(ListRulesRequest(), timeout=DEADLINE_S)
    for each in answer.rules:
        if each.rule.rule_id == rule_id:
            return each
    raise CommandFailed(f"there is no rule {rule_id}; `rapport alerts rules list` has all")


def rule_of(told: Any, file: str) -> Rule:
    """Return the rule that JSON tells: a rule, or an answer that has one in it. Raises typer.BadParameter."""
    is_inside = isinstance(told, dict) and isinstance(told.get("rule"), dict)
    return parsed(told["rule"] if is_inside else told, Rule(), file)


def _rules(file: str) -> list[Rule]:
    told = read_json(file)
    if isinstance(told, dict) and isinstance(told.get("rules"), list):
        told = told["rules"]
    found = [rule_of(each, file) for each in (told if isinstance(told, list) else [told])]
    if not found:
        raise typer.BadParameter(f"{file} has no rule in it", param_hint="FILE")
    return found


async def _show(address: Address, rule_id: str, version: int, json: bool) -> int:
    async with connected(address) as channel:
        stub = AlertingServiceStub(channel)
        found = await (_earlier(stub, rule_id, version) if version else newest(stub, rule_id))
    print_json(found.rule) if json else show_rule(cleaned(found))
    return 0


async def _earlier(stub: AlertingServiceStub, rule_id: str, version: int) -> RuleVersion:
    answer = await stub.ListRuleVersions(ListRuleVersionsRequest(rule_id=rule_id), timeout=DEADLINE_S)
    for each in answer.versions:
        if each.rule.version == version:
            return each
    raise CommandFailed(f"{rule_id} has no version {version}, or it is older than the newest 100")


async def _put(address: Address, rules: Sequence[Rule], author: str, comment: str, json: bool) -> int:
    async with connected(address) as channel:
        stub = AlertingServiceStub(channel)
        for rule in rules:
            request = PutRuleRequest(rule=rule, author=author, comment=comment, expected_version=rule.version or None)
            answer = await stub.PutRule(request, timeout=DEADLINE_S)
            if json:
                print_json(answer, indent=None)
            else:
                OUT.print(f"{rule.rule_id}: version {answer.version.rule.version} holds from now on")
    return 0
