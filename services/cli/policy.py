"""`rapport policy`: what grades and segments are made by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from google.protobuf.field_mask_pb2 import FieldMask
from rapport.query.v1.query_service_pb2_grpc import QueryServiceStub
from rapport.scoring.v1.scoring_service_pb2 import (
    GetScoringPolicyRequest,
    ListScoringPoliciesRequest,
    PreviewScoringPolicyRequest,
    UpdateScoringPolicyRequest,
)
from rapport.scoring.v1.scoring_service_pb2_grpc import ScoringServiceStub

from services.cli.asking import Days, End, Start, period, place
from services.cli.calling import DEADLINE_S, MOST, Address, Addresses, connected, run
from services.cli.layout import OUT, print_json
from services.cli.policy_changes import Assignment, applied, mask, parsed
from services.cli.show_policy import show_change, show_policy, show_preview, show_versions
from services.cli.windows import Period

app = typer.Typer(help="Show or change what grades and segments are made by.", no_args_is_help=True, rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="Print what the HTTP surface answers.")]


@app.command()
def show(
    context: typer.Context,
    *,
    version: Annotated[
        int, typer.Option(min=0, max=MOST, metavar="VERSION", help="An earlier version. Default: the newest.")
    ] = 0,
    json: Json = False,
) -> None:
    """Show the policy: every value, what it means, and the path by which it is changed."""
    run(_show(_scoring(context), GetScoringPolicyRequest(version=version), json))


@app.command()
def history(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option(min=1, max=99, metavar="COUNT", help="How many versions to show.")] = 20,
    json: Json = False,
) -> None:
    """Show the versions of the policy, the newest first: when, who, what changed, why."""
    run(_history(_scoring(context), limit, json))


@app.command("set")
def change(
    context: typer.Context,
    assignments: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH=VALUE",
            help="What to change, such as conversion_rate_target=25 or industries.retail.revenue_target=900. "
            "A value left empty takes away what an industry differs in, or a number that may be absent; "
            "industries.retail= takes the whole industry away.",
        ),
    ],
    *,
    comment: Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever reads the versions later.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Save nothing: show who would change, and why.")] = False,
    days: Days = None,
    start: Start = None,
    end: End = None,
    limit: Annotated[
        int, typer.Option(min=1, max=1000, metavar="COUNT", help="With --dry-run: the most agents and customers to show.")
    ] = 100,
    json: Json = False,
) -> None:
    """Make a new version of the policy, which holds from then on for every grade and segment, of earlier days too.

    With --dry-run nothing is saved: you see whose grade or segment would be another one. The period, for --dry-run only, is
    that in which agents are graded for it.
    """
    if not dry_run and (days or start or end):
        raise typer.BadParameter("a period is for --dry-run: a policy holds for every period")
    try:
        meant = parsed(assignments)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if dry_run:
        run(_preview(context.obj, meant, period(days, start, end), limit, json))
    else:
        run(_change(_scoring(context), meant, comment, json))


def _scoring(context: typer.Context) -> Address:
    addresses: Addresses = context.obj
    return addresses.scoring


async def _show(address: Address, request: GetScoringPolicyRequest, json: bool) -> int:
    async with connected(address) as channel:
        answer = await ScoringServiceStub(channel).GetScoringPolicy(request, timeout=DEADLINE_S)
    print_json(answer) if json else show_policy(answer.policy)
    return 0


async def _history(address: Address, limit: int, json: bool) -> int:
    """List versions, and beyond them, for people, one more: the last one is shown next to the one before."""
    async with connected(address) as channel:
        request = ListScoringPoliciesRequest(page_size=limit if json else limit + 1)
        answer = await ScoringServiceStub(channel).ListScoringPolicies(request, timeout=DEADLINE_S)
    print_json(answer) if json else show_versions(answer.policies, limit)
    return 0


async def _change(address: Address, assignments: Sequence[Assignment], comment: str, json: bool) -> int:
    """Send the newest policy with the changes made in it; refused when there is a newer one by then."""
    async with connected(address) as channel:
        stub = ScoringServiceStub(channel)
        before = (await stub.GetScoringPolicy(GetScoringPolicyRequest(), timeout=DEADLINE_S)).policy
        request = UpdateScoringPolicyRequest(
            policy=applied(before, assignments),
            update_mask=FieldMask(paths=mask(assignments)),
            expected_version=before.version,
            comment=comment,
        )
        answer = await stub.UpdateScoringPolicy(request, timeout=DEADLINE_S)
    if json:
        print_json(answer)
    elif answer.policy.version == before.version:
        OUT.print(f"Nothing changes: the policy is so already, in version {before.version}.")
    else:
        show_change(before, answer.policy)
        OUT.print(f"Policy version {answer.policy.version} holds from now on.", style="bold")
    return 0


async def _preview(addresses: Addresses, assignments: Sequence[Assignment], asked: Period, limit: int, json: bool) -> int:
    request = PreviewScoringPolicyRequest(update_mask=FieldMask(paths=mask(assignments)), limit=limit)
    async with connected(addresses.query) as channel:
        await place(request, asked, QueryServiceStub(channel))
    async with connected(addresses.scoring) as channel:
        stub = ScoringServiceStub(channel)
        before = (await stub.GetScoringPolicy(GetScoringPolicyRequest(), timeout=DEADLINE_S)).policy
        request.policy.CopyFrom(applied(before, assignments))
        answer = await stub.PreviewScoringPolicy(request, timeout=DEADLINE_S)
    if json:
        print_json(answer)
    else:
        show_change(before, answer.policy)
        show_preview(answer)
    return 0
