"""Tokens of exports. They belong to the tenant, the dataset and the period, and hold for every format."""

from __future__ import annotations

from typing import Any

from services.query.exporting import Course
from services.runtime.errors import FieldViolation, InvalidArgument
from services.runtime.page_tokens import Signer
from services.runtime.tenancy import current_tenant


def token(signer: Signer, request: Any, course: Course) -> str:
    """Return the token of the export that follows `course`, for requests of the same dataset and period."""
    return signer.sign(course.to_json(), *_bound_to(request))


def read(signer: Signer, request: Any) -> Course:
    """Return what a request's token stands for; without one, the course of everything.

    Raises InvalidArgument (INVALID_EXPORT_TOKEN).
    """
    if not request.token:
        return Course()
    told = signer.read(request.token, *_bound_to(request))
    if told is None:
        sentence = "the token was changed, or belongs to another dataset or period"
        raise InvalidArgument("INVALID_EXPORT_TOKEN", sentence, violations=[FieldViolation("token", "foreign", sentence)])
    return Course.of_json(told)


def _bound_to(request: Any) -> tuple[str, ...]:
    period = (getattr(request, field) for field in ("start_time", "end_time"))
    return "export", current_tenant(), str(request.dataset), *(str(moment.ToNanoseconds()) for moment in period)
