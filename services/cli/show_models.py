"""How the models of customers read on a terminal."""

from __future__ import annotations

from rapport.scoring.v1.model_pb2 import BackTest, EventModel, ModelReport, ValueModel
from rich.table import Table

from services.cli.layout import NOTHING, OUT, bar, moment, number, optional, pairs, table

#: Parameters of the CDNOW sample, with which every tenant begins: see docs/customer-models.md.
PUBLISHED_EVENTS = {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}
PUBLISHED_VALUES = {"p": 6.25, "q": 3.74, "v": 0.4384}


def show_models(report: ModelReport) -> None:
    """Print a version of the models: where it comes from, its parameters, and how well it foretells."""
    OUT.print(_title(report), style="bold")
    OUT.print()
    OUT.print(_parameters(report))
    for name, model in (("engagement", report.engagement), ("orders", report.orders), ("order values", report.order_values)):
        OUT.print(f"{name}: {_basis(model)}", style="dim" if model.converged or not model.customers else "yellow")
    if report.order_values.HasField("mean_order"):
        OUT.print(f"mean order: {number(report.order_values.mean_order, 2)} in the reporting currency", style="dim")
    if report.HasField("orders_test"):
        OUT.print(f"expected orders are multiplied by {number(report.orders_scale, 2)}, by what the test showed", style="dim")
    _show_test("engagement", report.engagement_test if report.HasField("engagement_test") else None)
    _show_test("orders", report.orders_test if report.HasField("orders_test") else None)


def _title(report: ModelReport) -> str:
    if not report.version:
        return "Models version 0 · the published parameters, with which every tenant begins"
    return f"Models version {report.version} · fitted {moment(report.fitted_at)} to what was known on {report.fitted_on}"


def _parameters(report: ModelReport) -> Table:
    made = table("Parameters (time in weeks)", "Model", "Parameter", "Value", "Published", numeric=("Value", "Published"))
    models: tuple[tuple[str, EventModel | ValueModel, dict[str, float]], ...] = (
        ("engagement", report.engagement, PUBLISHED_EVENTS),
        ("orders", report.orders, PUBLISHED_EVENTS),
        ("order values", report.order_values, PUBLISHED_VALUES),
    )
    for name, model, published in models:
        for position, (parameter, value) in enumerate(published.items()):
            is_last = position == len(published) - 1
            cells = ("" if position else name, parameter, number(getattr(model, parameter), 3), number(value, 3))
            made.add_row(*cells, end_section=is_last)
    return made


def _basis(model: EventModel | ValueModel) -> str:
    if not model.customers:
        return "the published parameters"
    parts = [f"{number(model.customers)} customers"]
    if isinstance(model, EventModel):
        parts[0] += ", drawn by lot" if model.sampled else ""
        parts.append(f"{number(model.repeaters)} came back")
    if model.HasField("log_likelihood"):
        parts.append(f"log-likelihood {number(model.log_likelihood, 1)}")
    parts.append("converged" if model.converged else "the search for parameters failed: those it began with hold")
    return " · ".join(parts)


def _show_test(name: str, test: BackTest | None) -> None:
    OUT.print()
    if test is None:
        OUT.print(f"No test of {name}: there is no history for it yet.", style="yellow")
        return
    OUT.print(pairs(f"Test of {name}: foretold for {test.first_day} to {test.end_day} (not included)", [
        ("customers", f"{number(test.customers)}, of whom {number(test.churned)} did not come back"),
        ("told apart (AUC)", f"{number(optional(test, 'auc'), 3)} (0.5 by chance, 1 without fail)"),
        ("squared error (Brier)", f"{number(test.brier, 4)} ({number(test.brier_of_mean, 4)} with one risk for everybody)"),
        ("mean distance of risks", f"{number(100 * test.calibration_error, 1, '%')} from what came, over groups"),
        ("churn in the riskiest tenth", _lift(test)),
        ("events", f"{number(test.expected_events, 1)} expected, {number(test.observed_events, 1)} came"),
    ]))  # fmt: skip
    if test.calibration:
        OUT.print()
        OUT.print(_calibration(test))


def _lift(test: BackTest) -> str:
    return f"{number(test.lift, 2)} times that of all" if test.HasField("lift") else NOTHING


def _calibration(test: BackTest) -> Table:
    """Return a row a group: a bar as long as the share that left, and | where the foretold risk stands."""
    made = table("Left: foretold (|) against observed (█)", "Foretold", "Observed", "0 % to 100 %", "Customers",
                 numeric=("Foretold", "Observed", "Customers"))  # fmt: skip
    for group in test.calibration:
        drawn = bar(100 * group.observed)
        mark = min(int(group.foretold * len(drawn)), len(drawn) - 1)
        made.add_row(
            number(100 * group.foretold, 1, "%"),
            number(100 * group.observed, 1, "%"),
            f"{drawn[:mark]}|{drawn[mark + 1 :]}",
            number(group.customers),
        )
    return made
