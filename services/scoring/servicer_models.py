"""Answers the calls about the customer models."""

from __future__ import annotations

from typing import Any

from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.runtime.errors import NotFound
from services.scoring import convert_models, model_store, refitting
from services.scoring.calls import Calls
from services.storage.reading import get_settings


class ModelCalls(Calls):
    """Calls about the customer models."""

    async def GetModelReport(self, request: pb.GetModelReportRequest, context: Any) -> pb.GetModelReportResponse:
        async with self._database.snapshot() as conn:
            currency = (await get_settings(conn)).reporting_currency
            report = await model_store.get_report(conn, request.version, currency)
        if report is None:
            raise NotFound("MODEL_NOT_FOUND", f"no version {request.version} of the customer models is kept")
        return pb.GetModelReportResponse(report=convert_models.report_to_proto(report))

    async def FitModels(self, request: pb.FitModelsRequest, context: Any) -> pb.FitModelsResponse:
        report = await refitting.fit_now(self._database, self._clock())
        return pb.FitModelsResponse(report=convert_models.report_to_proto(report))
