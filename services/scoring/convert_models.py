"""Translates reports on models."""

from __future__ import annotations

from dataclasses import asdict

from rapport.scoring.v1 import model_pb2

from services.scoring.backtesting import BackTest
from services.scoring.fitting import EventFit, ValueFit
from services.scoring.modelling import Report


def report_to_proto(report: Report) -> model_pb2.ModelReport:
    found = report.fitted
    message = model_pb2.ModelReport(
        version=report.version,
        fitted_on=found.fitted_on.isoformat() if found.fitted_on else "",
        engagement=_events(found.engagement),
        orders=_events(found.orders),
        order_values=_values(found.values, found.mean_order),
        engagement_test=_test(found.engagement_test),
        orders_test=_test(found.orders_test),
        orders_scale=found.orders_scale,
    )
    if report.fitted_at is not None:
        message.fitted_at.FromDatetime(report.fitted_at)
    return message


def _events(fit: EventFit) -> model_pb2.EventModel:
    return model_pb2.EventModel(
        **asdict(fit.params),
        customers=fit.customers,
        repeaters=fit.repeaters,
        log_likelihood=fit.log_likelihood if fit.customers else None,
        converged=fit.converged,
        sampled=fit.sampled,
    )


def _values(fit: ValueFit, mean_order: float | None) -> model_pb2.ValueModel:
    return model_pb2.ValueModel(
        **asdict(fit.params),
        customers=fit.customers,
        log_likelihood=fit.log_likelihood if fit.customers else None,
        converged=fit.converged,
        mean_order=mean_order,
    )


def _test(test: BackTest | None) -> model_pb2.BackTest | None:
    if test is None:
        return None
    told = asdict(test) | {"first_day": test.first_day.isoformat(), "end_day": test.end_day.isoformat()}
    bins = [model_pb2.CalibrationBin(**each) for each in told.pop("calibration")]
    return model_pb2.BackTest(**told, calibration=bins)
