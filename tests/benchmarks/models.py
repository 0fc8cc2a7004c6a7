"""How good the customer models are, beside gradient boosting in the same run, and how fast: `make bench-models`.

On the CDNOW sample (2,357 customers; purchases of a day are one; known until 1997-09-30, foretold for 13 weeks): churn by our
model, fitted as a tenant's is, beside scikit-learn's gradient boosting, cross-validated five-fold on the outcome itself, with
the same three features and with money as a fourth; parameters and log-likelihoods beside the published ones. On simulated
customers: the fit of a million, and what is foretold a second.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from datetime import datetime
from importlib.metadata import distribution
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from services.scoring import backtesting, fitting, lifetime
from services.scoring.backtesting import BackTest, Days
from services.scoring.lifetime import PUBLISHED, PUBLISHED_VALUES, Array
from tests.scoring.buyers import KNOWN, LATER, VALUES, fit_bg_nbd, simulate

MILLION = 1_000_000
REPEATS = 5

console = Console(stderr=True)


@dataclass(frozen=True)
class Sample:
    """Purchases by customer, as they are in the package; and what is known of each customer on the last known day."""

    customer: Days
    day: Days
    x: Array
    t_x: Array
    age: Array
    repeat_total: Array
    churned: Any


def sample() -> Sample:
    path = distribution("lifetimes").locate_file("lifetimes/datasets/CDNOW_sample.txt")
    with open(str(path)) as file:  # noqa: PTH123  # a path of the package's own kind
        rows = [line.split() for line in file]
    customer = np.array([int(row[1]) for row in rows])
    day = np.array([datetime.strptime(row[2], "%Y%m%d").date().toordinal() for row in rows])  # noqa: DTZ007  # a day has no zone
    known = KNOWN.toordinal()
    x, t_x, age = backtesting.summarise(customer, day, known)
    customers, at = np.unique(customer, return_inverse=True)
    first = known - np.rint(age * 7)
    repeats = (day <= known) & (day > first[at])
    paid = np.bincount(at, weights=np.where(repeats, [float(row[4]) for row in rows], 0.0))
    came = np.isin(customers, customer[(day > known) & (day < LATER.toordinal())])
    return Sample(customer, day, x, t_x, age, paid, ~came)


def boosted(s: Sample, *features: Array) -> BackTest:
    """Return how well gradient boosting foretells churn of customers that it was not trained with."""
    model = GradientBoostingClassifier(n_estimators=100, max_depth=3, learning_rate=0.05, subsample=0.8, random_state=0)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    risk = cross_val_predict(model, np.column_stack(features), s.churned, cv=folds, method="predict_proba")[:, 1]
    return backtesting.compare(backtesting.last_window(LATER), risk=risk, churned=s.churned, expected=0.0, observed=0.0)


def quality(s: Sample) -> dict[str, BackTest]:
    ours = backtesting.test_events(s.customer, s.day, LATER)
    assert ours is not None
    with console.status("gradient boosting"):
        return {
            "MBG/NBD": ours,
            "boosting on x, t_x, T": boosted(s, s.x, s.t_x, s.age),
            "boosting with money too": boosted(s, s.x, s.t_x, s.age, s.repeat_total),
        }


def parameters(s: Sample) -> dict[str, tuple[Any, float, Any, float]]:
    """Return parameters and log-likelihood, fitted and published, by model."""
    published, likelihoods = VALUES["published"], VALUES["log_likelihood"]
    mbg = fitting.fit_events(s.x, s.t_x, s.age, prior=None)
    bg, bg_likelihood = fit_bg_nbd(s.x, s.t_x, s.age)
    unit = s.repeat_total.sum() / s.x.sum()
    values = fitting.fit_values(s.x, s.repeat_total / unit, prior=None)
    p, q, v = astuple(values.params)
    dollars = values.log_likelihood - values.customers * np.log(unit)
    names = ("r", "alpha", "a", "b")
    return {
        "mbg": (astuple(mbg.params), mbg.log_likelihood, [published["mbgnbd_BTYDplus"][n] for n in names], likelihoods["mbg"]),
        "bg": (bg.tolist(), bg_likelihood, [published["bgnbd"][n] for n in names], published["bgnbd"]["LL"]),
        "gamma-gamma": ((p, q, v * unit), dollars, [published["gamma_gamma"][n] for n in "pqv"], likelihoods["gg"]),
    }


def seconds(work: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Return the median time of a piece of work."""
    took = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return float(np.median(took))


def speed() -> dict[str, float]:
    with console.status("simulating a million customers"):
        age = np.random.default_rng(1).integers(1, 730, MILLION) / 7
        x, t_x = simulate(PUBLISHED, age, seed=2)
        t_x = np.floor(t_x * 7) / 7  # days, as tenants have them
        paid = x * np.random.default_rng(3).gamma(2.0, 0.5, MILLION)

    def record() -> None:
        lifetime.p_alive(PUBLISHED, x, t_x, age)
        lifetime.churn_risk(PUBLISHED, x, t_x, age, 90 / 7)
        lifetime.discounted_events(PUBLISHED, x, t_x, age)
        lifetime.expected_order_value(PUBLISHED_VALUES, x, paid)
        lifetime.next_order_exceeds(PUBLISHED_VALUES, x, paid, paid / np.maximum(x, 1))

    with console.status("fitting and foretelling"):
        return {
            "fit_million_s": seconds(lambda: fitting.fit_events(x, t_x, age), 3),
            "churn_risks_per_s": MILLION / seconds(lambda: lifetime.churn_risk(PUBLISHED, x, t_x, age, 90 / 7)),
            "records_per_s": MILLION / seconds(record),
        }


def tables(tests: dict[str, BackTest], fits: dict[str, tuple[Any, float, Any, float]], rates: dict[str, float]) -> list[Table]:
    churn = Table(title="churn within 13 weeks, CDNOW", title_justify="left")
    for column in ("model", "AUC", "Brier", "calibration error", "lift"):
        churn.add_column(column, justify="left" if column == "model" else "right")
    for name, t in tests.items():
        churn.add_row(name, f"{t.auc:.4f}", f"{t.brier:.4f}", f"{t.calibration_error:.4f}", f"{t.lift:.3f}")
    churn.add_row("one risk for all", "0.5000", f"{tests['MBG/NBD'].brier_of_mean:.4f}", "", "")
    churn.add_row("goal", "≥ 0.785", "≤ 0.111", "", "", style="dim")
    fitted = Table("model", "fitted", "published", "log-likelihood", "expected", title="parameters, CDNOW", title_justify="left")
    for name, (ours, likelihood, theirs, published) in fits.items():
        numbers = (" ".join(f"{v:.3f}" for v in values) for values in (ours, theirs))
        fitted.add_row(name, *numbers, f"{likelihood:.2f}", f"{published:.2f}")
    fast = Table("figure", "value", "goal", title="speed, a million simulated customers", title_justify="left")
    for name, goal in (("fit_million_s", "≤ 5"), ("churn_risks_per_s", "≥ 5,000,000"), ("records_per_s", "")):
        fast.add_row(name, f"{rates[name]:,.2f}" if rates[name] < 100 else f"{rates[name]:,.0f}", goal)
    return [churn, fitted, fast]


def main() -> None:
    s = sample()
    tests, fits, rates = quality(s), parameters(s), speed()
    for table in tables(tests, fits, rates):
        Console().print(table)
    figures: dict[str, Any] = {name: round(value, 3) for name, value in rates.items()}
    for name, t in zip(("mbg", "boosting", "boosting_money"), tests.values(), strict=True):
        figures |= {f"{name}_auc": round(t.auc or 0, 4), f"{name}_brier": round(t.brier, 4)}
    for name, (ours, likelihood, _, _) in fits.items():
        figures[f"{name}_parameters"] = [round(float(v), 4) for v in ours]
        figures[f"{name}_log_likelihood"] = round(likelihood, 3)
    print(json.dumps(figures))  # noqa: T201  # the figures for machines


if __name__ == "__main__":
    main()
