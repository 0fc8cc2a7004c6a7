"""Short ways to make each source report something, and to read what the report of the sources tells."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from rapport.query.v1 import metrics_pb2, report_pb2

from tests.fix_services import House
from tests.query.asking import day_start
from tests.query.conftest import Service
from tests.scoring.telling import happened

WIZARD, CALENDAR, PAYMENTS, BILLING, WIDGET, MY_AGENTS, INSIGHTS = range(1, 8)
DAY, BEFORE, LONG_BEFORE = day_start(3), day_start(40), day_start(70)
#: The default window of 30 days begins here.
BEGIN = day_start(29)


async def report(service: Service, **asked: Any) -> report_pb2.GetSourceReportResponse:
    return await service.stub.GetSourceReport(report_pb2.GetSourceReportRequest(**asked))


def source(answer: report_pb2.GetSourceReportResponse, word: str) -> report_pb2.SourceReport:
    (found,) = [each for each in answer.sources if each.source == word]
    return found


def figures(answer: report_pb2.GetSourceReportResponse, word: str) -> dict[str, tuple[float | None, float | None]]:
    """Return a source's figures now and before, None where they are undefined."""
    return {each.name: (optional(each.value, "value"), optional(each.value, "previous")) for each in source(answer, word).figures}


def value(answer: report_pb2.GetSourceReportResponse, word: str, name: str) -> metrics_pb2.MeasureValue:
    return next(each.value for each in source(answer, word).figures if each.name == name)


def optional(message: Any, field: str) -> Any:
    return getattr(message, field) if message.HasField(field) else None


async def appointment(house: House, name: str, at: datetime, hours: float | None, *more: str, agent: str = "a") -> None:
    """Book an appointment some hours ahead; then report further states at the time of booking."""
    told: dict[str, Any] = {"appointment_id": name}
    if hours is not None:
        told["scheduled_for"] = (at + timedelta(hours=hours)).isoformat()
    for number, status in enumerate(("BOOKED", *more)):
        body = told | {"status": f"APPOINTMENT_STATUS_{status}"}
        await happened(house, "appointment", body, at + timedelta(minutes=number), agent=agent, source=CALENDAR)


async def paid(house: House, name: str, at: datetime, units: int, original: str = "", **more: str) -> None:
    kind, currency = "REFUND" if original else "CHARGE", more.pop("currency", "INR")
    body: dict[str, Any] = {"transaction_id": name, "kind": f"TRANSACTION_KIND_{kind}"}
    body |= {
        "status": f"TRANSACTION_STATUS_{more.pop('status', 'SETTLED')}",
        "amount": {"currency_code": currency, "units": units},
    }
    if original:
        body["original_transaction_id"] = original
    await happened(house, "transaction", body, at, **{"agent": "a", "source": PAYMENTS, **more})  # type: ignore[arg-type]


async def spent(house: House, category: str, rupees: int, at: datetime, **more: Any) -> None:
    """Report a cost of one day's."""
    body = {"category": f"COST_CATEGORY_{category}", "amount": {"currency_code": more.pop("currency", "INR"), "units": rupees}}
    await happened(house, "cost", body | more, at, agent="a", source=BILLING)  # type: ignore[arg-type]


async def became(house: House, state: str, at: datetime, agent: str = "a") -> None:
    await happened(house, "agent_status", {"status": f"AGENT_STATE_{state}"}, at, agent=agent, source=MY_AGENTS)  # type: ignore[arg-type]
