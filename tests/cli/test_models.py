"""`rapport models`: parameters beside the published ones, and the test as a small chart."""

from __future__ import annotations

import json

import pytest
from google.protobuf.json_format import ParseDict
from rapport.scoring.v1.model_pb2 import ModelReport
from rapport.scoring.v1.scoring_service_pb2 import FitModelsRequest, GetModelReportRequest

from services.cli.layout import OUT
from services.cli.show_models import PUBLISHED_EVENTS, PUBLISHED_VALUES
from services.scoring.lifetime import PUBLISHED
from services.scoring.lifetime import PUBLISHED_VALUES as SCORINGS_VALUES
from tests.cli.conftest import House, Rapport, squeezed

TEST = {
    "firstDay": "2026-01-01",
    "endDay": "2026-04-01",
    "customers": 900,
    "churned": 600,
    "auc": 0.8123,
    "brier": 0.15,
    "brierOfMean": 0.222,
    "calibrationError": 0.031,
    "lift": 1.4,
    "calibration": [
        {"foretold": 0.1, "observed": 0.2, "customers": 90},
        {"foretold": 1.0, "observed": 1.0, "customers": 91},
    ],
    "expectedEvents": 1234.5,
    "observedEvents": 1300,
}
REPORT = {
    "version": 3,
    "fittedAt": "2026-04-01T02:00:00Z",
    "fittedOn": "2026-04-01",
    "engagement": {
        "r": 0.61,
        "alpha": 5.5,
        "a": 0.7,
        "b": 1.9,
        "customers": 100000,
        "repeaters": 4000,
        "logLikelihood": -9521.37,
        "converged": True,
        "sampled": True,
    },
    "orders": {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614},
    "orderValues": {"p": 6.25, "q": 3.74, "v": 0.4384, "customers": 40, "meanOrder": 812.5},
    "engagementTest": TEST,
    "ordersScale": 1.25,
}


@pytest.fixture(autouse=True)
def report(house: House) -> None:
    house.scoring.report = ParseDict(REPORT, ModelReport())


async def test_models_are_shown_beside_the_published_ones_with_their_basis(rapport: Rapport) -> None:
    result = await rapport("models", "show")

    assert result.exit_code == 0, result.stderr
    lines = squeezed(result.stdout)
    for told in (
        "Models version 3 · fitted 2026-04-01 02:00:00 UTC to what was known on 2026-04-01",
        "engagement r 0.610 0.525",
        "alpha 5.500 6.183",
        "engagement: 100,000 customers, drawn by lot · 4,000 came back · log-likelihood -9,521.4 · converged",
        "orders: the published parameters",
        "order values: 40 customers · the search for parameters failed: those it began with hold",
        "mean order: 812.50 in the reporting currency",
    ):
        assert told in lines
    assert not any("expected orders are multiplied" in line for line in lines)


async def test_with_a_test_of_orders_its_factor_is_told(house: House, rapport: Rapport) -> None:
    house.scoring.report.orders_test.CopyFrom(house.scoring.report.engagement_test)
    shown = (await rapport("models", "show")).stdout
    assert "expected orders are multiplied by 1.25, by what the test showed" in shown
    assert "Test of orders: foretold for 2026-01-01 to 2026-04-01" in shown


async def test_the_test_is_told_and_drawn(rapport: Rapport) -> None:
    shown = (await rapport("models", "show")).stdout
    lines = squeezed(shown)
    for told in (
        "Test of engagement: foretold for 2026-01-01 to 2026-04-01 (not included)",
        "customers 900, of whom 600 did not come back",
        "told apart (AUC) 0.812 (0.5 by chance, 1 without fail)",
        "squared error (Brier) 0.1500 (0.2220 with one risk for everybody)",
        "mean distance of risks 3.1 % from what came, over groups",
        "churn in the riskiest tenth 1.40 times that of all",
        "events 1,234.5 expected, 1,300.0 came",
        "10.0 % 20.0 % ██|█░░░░░░░░░░░░░░░░ 90",
        "100.0 % 100.0 % ███████████████████| 91",
        "No test of orders: there is no history for it yet.",
    ):
        assert told in lines


async def test_what_is_absent_is_a_dash(house: House, rapport: Rapport) -> None:
    test = house.scoring.report.engagement_test
    test.ClearField("auc")
    test.ClearField("lift")
    lines = squeezed((await rapport("models", "show")).stdout)
    assert "told apart (AUC) — (0.5 by chance, 1 without fail)" in lines
    assert "churn in the riskiest tenth —" in lines


async def test_the_published_models_are_called_so(house: House, rapport: Rapport) -> None:
    house.scoring.report = ModelReport()
    assert (await rapport("models", "show")).stdout.startswith("Models version 0 · the published parameters")


async def test_a_version_may_be_named(house: House, rapport: Rapport) -> None:
    await rapport("models", "show", "--version", 2)
    assert house.scoring.calls == [GetModelReportRequest(version=2)]


async def test_a_fit_is_asked_for_and_its_report_shown(house: House, rapport: Rapport) -> None:
    assert "Models version 4" in (await rapport("models", "fit")).stdout
    assert house.scoring.calls == [FitModelsRequest()]
    assert json.loads((await rapport("models", "fit", "--json")).stdout)["report"]["version"] == 5


async def test_eighty_columns_are_enough(rapport: Rapport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OUT, "width", 80)
    shown = (await rapport("models", "show")).stdout
    assert "10.0 %" in shown
    assert "█|" in shown
    assert "…" not in shown


def test_the_published_parameters_are_those_that_scoring_begins_with() -> None:
    assert {name: round(getattr(PUBLISHED, name), 3) for name in PUBLISHED_EVENTS} == PUBLISHED_EVENTS
    assert {name: round(getattr(SCORINGS_VALUES, name), 4) for name in PUBLISHED_VALUES} == PUBLISHED_VALUES
