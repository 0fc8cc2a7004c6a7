"""`rapport`: records facts, imports files, asks for numbers and follows alerts from a terminal.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli import (
    alerts,
    dashboards,
    drill_down,
    export,
    freshness,
    grade_history,
    import_command,
    insights,
    load,
    metrics,
    models,
    people,
    policy,
    privacy,
    quarantine,
    queries,
    rebuild,
    reports,
    seasonality,
    sync,
    tenant_settings,
)
from services.cli.calling import Address, Addresses

app = typer.Typer(
    help="Grades, customer insight, comparisons and alerts from conversations.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("load")(load.load)
app.command("import")(import_command.import_)
app.command("performance")(queries.performance)
app.command("customer")(queries.customer)
app.command("system")(queries.system)
app.command("compare")(queries.compare)
app.command("dashboard")(dashboards.dashboard)
app.command("watch")(dashboards.watch)
app.command("history")(grade_history.history)
app.command("metrics")(metrics.metrics)
app.command("measures")(metrics.measures)
app.command("facts")(drill_down.facts)
app.command("conversations")(drill_down.conversations)
app.command("conversation")(drill_down.conversation)
app.command("customers")(people.customers)
app.command("timeline")(drill_down.timeline)
app.command("agents")(people.agents)
app.command("follow-ups")(people.follow_ups)
app.command("funnel")(drill_down.funnel)
app.command("insights")(insights.insights)
app.command("industry")(reports.industry)
app.command("sources")(reports.sources)
app.command("export")(export.export)
app.command("seasonality")(seasonality.seasonality)
app.command("sync")(sync.sync)
app.command("freshness")(freshness.freshness)
app.command("rebuild")(rebuild.rebuild)
app.add_typer(alerts.app, name="alerts")
app.add_typer(policy.app, name="policy")
app.add_typer(models.app, name="models")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(privacy.app, name="privacy")
app.add_typer(tenant_settings.app, name="settings")


@app.callback()
def _addresses(
    context: typer.Context,
    ingest_address: Annotated[
        str, typer.Option(envvar="RAPPORT_INGEST_ADDRESS", metavar="HOST:PORT", help="Where ingest listens.")
    ] = "127.0.0.1:50051",
    scoring_address: Annotated[
        str, typer.Option(envvar="RAPPORT_SCORING_ADDRESS", metavar="HOST:PORT", help="Where scoring listens.")
    ] = "127.0.0.1:50052",
    query_address: Annotated[
        str, typer.Option(envvar="RAPPORT_QUERY_ADDRESS", metavar="HOST:PORT", help="Where query listens.")
    ] = "127.0.0.1:50053",
    alerting_address: Annotated[
        str, typer.Option(envvar="RAPPORT_ALERTING_ADDRESS", metavar="HOST:PORT", help="Where alerting listens.")
    ] = "127.0.0.1:50054",
) -> None:
    context.obj = Addresses(
        ingest=Address("ingest", ingest_address),
        scoring=Address("scoring", scoring_address),
        query=Address("query", query_address),
        alerting=Address("alerting", alerting_address),
    )


def main() -> None:
    """Run the command line."""
    app(prog_name="rapport")
