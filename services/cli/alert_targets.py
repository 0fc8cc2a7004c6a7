"""`rapport alerts targets`: revenue to be reached in a month."""

from __future__ import annotations

import re
from typing import Annotated

import typer
from rapport.alerting.v1.rule_pb2 import (
    DeleteTargetRequest,
    ListTargetsRequest,
    ListTargetsResponse,
    PutTargetRequest,
    PutTargetResponse,
    RevenueTarget,
)

from services.cli.alert_calls import Json, put
from services.cli.layout import OUT, table
from services.cli.values import Unreadable, money_of, read_number

app = typer.Typer(help="Show or change revenue targets.", no_args_is_help=True, rich_markup_mode=None)

_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])")


def _month(text: str) -> str:
    if not _MONTH.fullmatch(text):
        raise typer.BadParameter(f"{text!r} is not a month such as 2026-05")
    return text


Month = Annotated[str, typer.Argument(parser=_month, metavar="MONTH", help="The month, as YYYY-MM.")]
Agent = Annotated[str, typer.Option(metavar="AGENT", help="The agent's id. Default: the whole tenant.")]


@app.command("put")
def put_(
    context: typer.Context,
    month: Month,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="The revenue, such as 120000 or 1200.50.")],
    currency: Annotated[str, typer.Argument(metavar="CURRENCY", help="The tenant's reporting currency, such as EUR.")],
    *,
    agent: Agent = "",
    json: Json = False,
) -> None:
    """Put a target in the place of that of the same agent and month."""
    try:
        money = money_of(read_number(amount), currency)
    except Unreadable as error:
        raise typer.BadParameter(str(error), param_hint="AMOUNT") from None

    def show(answer: PutTargetResponse) -> None:
        OUT.print(_text(answer.target))

    put(context, "PutTarget", PutTargetRequest(target=RevenueTarget(agent_id=agent, month=month, amount=money)), show, json=json)


@app.command()
def delete(context: typer.Context, month: Month, *, agent: Agent = "", json: Json = False) -> None:
    """Delete a target."""

    def show(_: object) -> None:
        OUT.print(f"the target of {agent or 'the whole tenant'} for {month} is deleted")

    put(context, "DeleteTarget", DeleteTargetRequest(agent_id=agent, month=month), show, json=json)


@app.command("list")
def list_(
    context: typer.Context,
    *,
    first: Annotated[
        str | None, typer.Option("--from", parser=_month, metavar="MONTH", help="The first month. Default: this one.")
    ] = None,
    json: Json = False,
) -> None:
    """List targets, by month and agent."""
    put(context, "ListTargets", ListTargetsRequest(from_month=first or ""), _show, json=json)


def _show(answer: ListTargetsResponse) -> None:
    if not answer.targets:
        OUT.print("There is no target from that month on.")
        return
    made = table("Revenue targets", "Month", "Agent", "Revenue", numeric=["Revenue"], wraps=["Agent"])
    for target in answer.targets:
        made.add_row(target.month, target.agent_id or "the whole tenant", _amount(target))
    OUT.print(made)


def _text(target: RevenueTarget) -> str:
    return f"{target.agent_id or 'the whole tenant'} is to reach {_amount(target)} in {target.month}"


def _amount(target: RevenueTarget) -> str:
    """Return the amount exactly, with at least two decimals."""
    decimals = f"{target.amount.nanos:09d}".rstrip("0").ljust(2, "0")
    return f"{target.amount.units:,}.{decimals} {target.amount.currency_code}"
