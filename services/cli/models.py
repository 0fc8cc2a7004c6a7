"""`rapport models`: the models of customers, how good they are, and a fit on demand."""

from __future__ import annotations

from typing import Annotated

import typer
from rapport.scoring.v1.scoring_service_pb2 import FitModelsRequest, GetModelReportRequest
from rapport.scoring.v1.scoring_service_pb2_grpc import ScoringServiceStub

from services.cli.calling import DEADLINE_S, MOST, Address, Addresses, connected, run
from services.cli.layout import print_json
from services.cli.show_models import show_models

app = typer.Typer(help="Show how churn and value are foretold; fit anew.", no_args_is_help=True, rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="Print what the HTTP surface answers.")]

#: A fit looks at every customer, and then scores every one.
_FIT_S = 600.0


@app.command()
def show(
    context: typer.Context,
    *,
    version: Annotated[
        int, typer.Option(min=0, max=MOST, metavar="VERSION", help="An earlier version. Default: the one in use.")
    ] = 0,
    json: Json = False,
) -> None:
    """Show the models: parameters beside the published ones, and what they would have foretold.

    The test fits the models to what was known before the last completed window, and compares what they foretell of it with
    what came.
    """
    addresses: Addresses = context.obj
    run(_show(addresses.scoring, GetModelReportRequest(version=version), json))


@app.command()
def fit(context: typer.Context, *, json: Json = False) -> None:
    """Fit the models to the tenant's customers now, and score everyone by them.

    It happens by itself once a day.
    """
    addresses: Addresses = context.obj
    run(_fit(addresses.scoring, json))


async def _show(address: Address, request: GetModelReportRequest, json: bool) -> int:
    async with connected(address) as channel:
        answer = await ScoringServiceStub(channel).GetModelReport(request, timeout=DEADLINE_S)
    print_json(answer) if json else show_models(answer.report)
    return 0


async def _fit(address: Address, json: bool) -> int:
    async with connected(address) as channel:
        answer = await ScoringServiceStub(channel).FitModels(FitModelsRequest(), timeout=_FIT_S)
    print_json(answer) if json else show_models(answer.report)
    return 0
