"""`rapport alerts rules` and `measures`: what is wrong when."""

from __future__ import annotations

from typing import Annotated

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
    RuleVersion,
)

from services.cli.alert_calls import Author, Comment, File, Json, alerting, put
from services.cli.alert_rule_putting import of_version, put_rules, restore_rule, rule_requests, versions_of
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

    A rule that tells a version, as `rules show --json` does, is refused when that is not the newest; without a version it
    replaces whatever is there. To have an earlier version again there is `rules restore`. Of a list, rules are put one after
    the other, up to the first that is refused.
    """
    requests = rule_requests(file)
    for request in requests:
        request.author, request.comment = author, comment
    run(put_rules(alerting(context), requests, json))


@app.command()
def restore(
    context: typer.Context,
    rule_id: RuleId,
    *,
    version: Annotated[
        int,
        typer.Option(min=0, max=MOST, metavar="VERSION", help="The version to have again. Default: the last of a deleted rule."),
    ] = 0,
    comment: Comment = "",
    author: Author = "",
    json: Json = False,
) -> None:
    """Put an earlier version of a rule again, as a new one; also of a rule that is deleted."""
    run(restore_rule(alerting(context), PutRuleRequest(author=author, comment=comment), rule_id, version, json))


@app.command()
def delete(context: typer.Context, rule_id: RuleId, *, comment: Comment = "", author: Author = "", json: Json = False) -> None:
    """Delete a rule. Its open alerts are over."""

    def show(_: object) -> None:
        OUT.print(f"{rule_id} is deleted. To have it back: rapport alerts rules restore {rule_id}", soft_wrap=True)

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


async def _show(address: Address, rule_id: str, version: int, json: bool) -> int:
    async with connected(address) as channel:
        stub = AlertingServiceStub(channel)
        found = await (_earlier(stub, rule_id, version) if version else newest(stub, rule_id))
    print_json(found.rule) if json else show_rule(cleaned(found))
    return 0


async def _earlier(stub: AlertingServiceStub, rule_id: str, version: int) -> RuleVersion:
    return of_version(await versions_of(stub, rule_id), rule_id, version)
