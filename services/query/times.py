"""How long responses and conversations took: what their percentiles are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.query import metrics
from services.query.histograms import PERCENTS, Percentiles
from services.query.measures import MEASURES

#: Percentiles of response times and of lengths by "response" and "duration", as far as there are any.
Times = Mapping[str, Percentiles]

_PERCENTILES = {
    **{f"responseTimeP{percent}": f"response_time_p{percent}_ms" for percent in PERCENTS},
    **{f"durationP{percent}": f"duration_p{percent}_s" for percent in PERCENTS},
}


def percentiles(times: Times) -> dict[str, Any]:
    """Return the percentiles that there are, by the names of the contract's fields."""
    added = metrics.Sums(percentiles=times)
    found = {name: metrics.amount(MEASURES[measure], added, "") for measure, name in _PERCENTILES.items()}
    return {name: value for name, value in found.items() if value is not None}
