"""The reports of trades: what each figure is, whose facts it is of, and what it was before."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from rapport.ingest.v1 import ingest_service_pb2
from rapport.query.v1 import metrics_pb2, report_pb2, vocabulary_pb2

from tests.fix_services import House
from tests.query.asking import day_start, named_fields, stamp
from tests.query.conftest import Service
from tests.query.rows import NOW
from tests.query.trades import BEFORE, DAY, LONG_BEFORE, bank, clinic, consulted, shop
from tests.scoring.telling import happened, talked

HEALTHCARE, RETAIL, FINANCE = (vocabulary_pb2.Trade.Value.Value(word) for word in ("healthcare", "retail", "finance"))


@pytest.fixture
def house(house: House) -> House:
    house.clock.now = NOW
    return house


async def report(service: Service, trade: Any, **asked: Any) -> report_pb2.GetIndustryReportResponse:
    return await service.stub.GetIndustryReport(report_pb2.GetIndustryReportRequest(industry=trade, **asked))


def figure(answer: Any, name: str) -> report_pb2.ReportFigure:
    (found,) = [each for each in answer.figures if each.name == name]
    return found


def value(answer: Any, name: str) -> metrics_pb2.MeasureValue:
    return figure(answer, name).value


def parts(answer: Any, name: str) -> list[tuple[str, int, int]]:
    return [(part.name, part.count, part.previous) for part in figure(answer, name).parts]


async def test_a_clinics_figures(service: Service, house: House) -> None:
    await clinic(house)

    got = await report(service, HEALTHCARE)

    kept, rating = value(got, "appointmentCompletionRate"), value(got, "patientSatisfaction")
    assert (kept.value, kept.n, kept.previous, kept.difference, kept.better) == (75, 4, 50, 25, True)
    assert kept.interval.low < 75 < kept.interval.high
    assert (value(got, "noShowRate").value, value(got, "noShowRate").better) == (25, True)
    assert (rating.value, rating.n, rating.HasField("previous")) == (4, 3, False)
    assert figure(got, "patientSatisfaction").unit == metrics_pb2.MEASURE_UNIT_RATING
    assert (value(got, "appointmentsBooked").value, value(got, "appointmentsBooked").previous) == (6, 2)
    assert (value(got, "cancellations").value, value(got, "cancellations").better) == (1, False)
    assert (value(got, "consultations").value, value(got, "consultations").previous) == (3, 1)
    assert parts(got, "consultations") == [("allergy", 2, 0), ("Back pain", 1, 0), ("asthma", 0, 1)]
    assert (got.quality.n, got.industry, list(got.quality.missing)) == (3, HEALTHCARE, [])


async def test_whose_facts_they_are(service: Service, house: House) -> None:
    await clinic(house)
    every = await report(service, HEALTHCARE, all_industries=True)
    assert (value(every, "appointmentCompletionRate").n, value(every, "patientSatisfaction").n, every.quality.n) == (5, 4, 4)
    shops = await report(service, HEALTHCARE, industry_words=["Retail", "shops"])
    assert (value(shops, "noShowRate").value, value(shops, "patientSatisfaction").value) == (100, 1)
    nobody = await report(service, HEALTHCARE, industry_words=["astrology"])
    assert not any(each.value.value for each in nobody.figures)
    assert not value(nobody, "noShowRate").HasField("value")


async def test_of_every_trade_measures_are_what_query_metrics_answers(service: Service, house: House) -> None:
    await clinic(house)
    await shop(house)
    await bank(house, DAY, 3)
    await house.drain()
    renamed = {"patientSatisfaction": "customerSatisfactionAvg", "revenue": "totalRevenue"}
    own = {"purchaseConversionRate", "customerRetention", "investmentConsultations", "riskAssessments", "complianceChecks"}
    for trade in (HEALTHCARE, RETAIL, FINANCE):
        told = [each.value for each in (await report(service, trade, all_industries=True)).figures if each.name not in own]
        names = [renamed.get(each.measure, each.measure) for each in told]
        asked = metrics_pb2.QueryMetricsRequest(measures=names, compare_with_previous=True)
        for each, same in zip(told, (await service.stub.QueryMetrics(asked)).total.measures, strict=True):
            same.measure = each.measure
            assert each == same


async def test_what_is_undefined_is_absent(service: Service, house: House) -> None:
    got = [await report(service, trade) for trade in (HEALTHCARE, RETAIL, FINANCE)]
    rates = [each.name for answer in got for each in answer.figures if not each.value.HasField("value")]
    assert rates == [
        "appointmentCompletionRate", "noShowRate", "patientSatisfaction", "purchaseConversionRate", "cartAbandonmentRate",
        "customerRetention", "averageOrderValue", "riskApprovalRate", "compliancePassRate",
    ]  # fmt: skip


async def test_consultations_of_an_erased_customer_stay_without_what_they_were_about(service: Service, house: House) -> None:
    await clinic(house)
    await consulted(house, "private", DAY, agent="clinic", customer="gone")
    await house.drain()
    await house.ingest.EraseCustomer(ingest_service_pb2.EraseCustomerRequest(customer_id="gone"), house.caller)
    await house.drain()
    got = await report(service, HEALTHCARE)
    assert (value(got, "consultations").value, ("", 1, 0) in parts(got, "consultations")) == (4, True)


async def test_a_shops_figures(service: Service, house: House) -> None:
    await shop(house)

    got = await report(service, RETAIL)

    # Two that tell of a purchase, one of them with a charge of its own, and one that only a charge names.
    buying = value(got, "purchaseConversionRate")
    assert (buying.value, buying.n, buying.previous) == (30, 10, pytest.approx(100 / 3))
    assert (value(got, "cartAbandonmentRate").value, value(got, "cartAbandonmentRate").n) == (25, 4)
    # Of three before, two came back; of the one before them, one did.
    retention = value(got, "customerRetention")
    assert (retention.value, retention.n, retention.previous) == (pytest.approx(200 / 3), 3, 100)
    assert (value(got, "revenue").value, value(got, "orders").value, value(got, "averageOrderValue").value) == (900, 3, 300)
    assert (value(got, "revenue").previous, figure(got, "revenue").unit) == (100, metrics_pb2.MEASURE_UNIT_MONEY)


async def test_money_without_a_rate_is_apart(service: Service, house: House) -> None:
    await shop(house)
    euros: Any = {"conversion_event": {"type": "purchase", "value": 7, "currency": "EUR"}, "industry": "retail"}
    await talked(house, "euros", DAY, "shop", "c0", **euros)
    await house.drain()
    got = await report(service, RETAIL)
    assert (value(got, "revenue").value, value(got, "orders").value, value(got, "averageOrderValue").value) == (900, 4, 300)
    assert [(m.currency_code, m.units) for m in got.quality.unconverted] == [("EUR", 7)]
    service.rows.rate("EUR", DAY.date(), "100")
    got = await report(service, RETAIL)
    assert (value(got, "revenue").value, value(got, "averageOrderValue").value, len(got.quality.unconverted)) == (1600, 400, 0)


async def test_a_banks_figures(service: Service, house: House) -> None:
    await happened(house, "agent_configured", {"industry": "finance"}, LONG_BEFORE, agent="bank")
    await bank(house, DAY, approvals=3)
    await bank(house, BEFORE, approvals=0)
    await house.drain()

    got = await report(service, FINANCE)

    assert value(got, "investmentConsultations").value == 2
    assert parts(got, "investmentConsultations") == [("Investment plan", 1, 1), ("investment", 1, 1)]
    assert value(got, "consultations").value == 3
    assert (value(got, "riskAssessments").value, value(got, "riskAssessments").previous) == (5, 2)
    assert parts(got, "riskAssessments") == [("approved", 3, 0), ("declined", 1, 1), ("review", 1, 1)]
    approval = value(got, "riskApprovalRate")
    assert (approval.value, approval.n, approval.previous, approval.HasField("better")) == (60, 5, 0, False)
    assert parts(got, "complianceChecks") == [("failed", 3, 3), ("passed", 1, 1), ("waived", 1, 1)]
    assert (value(got, "compliancePassRate").value, value(got, "compliancePassRate").n) == (25, 4)
    assert parts(got, "complianceFailures") == [("kyc", 2, 2), ("aml", 1, 1)]


async def test_what_is_no_longer_kept_before_is_told_as_missing(service: Service, house: House) -> None:
    await shop(house)
    service.rows.insert("ingest.horizon", day=day_start(45).date(), at=day_start(45), after_change=0)
    got = await report(service, RETAIL)
    assert list(got.quality.missing) == ["previous"]
    assert not any(each.value.HasField("previous") for each in got.figures)
    assert not value(got, "customerRetention").HasField("value")
    week = {"start_time": stamp(day_start(6)), "end_time": stamp(day_start(-1))}
    # The control: a shorter window has one before it that is kept, but not the one before that.
    got = await report(service, RETAIL, **week)
    assert (list(got.quality.missing), value(got, "orders").previous) == ([], 0)


@pytest.mark.parametrize("trade", [HEALTHCARE, RETAIL, FINANCE])
async def test_the_number_of_statements_does_not_grow(service: Service, house: House, trade: Any) -> None:
    async def asked() -> int:
        with service.statements() as sent:
            await report(service, trade, all_industries=True)
        return len(sent)

    before = await asked()
    await clinic(house)
    await shop(house)
    assert await asked() == before == {HEALTHCARE: 5, RETAIL: 6, FINANCE: 5}[trade]


async def test_what_cannot_be_meant_is_refused(service: Service) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await report(service, HEALTHCARE, start_time=stamp(NOW), end_time=stamp(NOW))
    assert named_fields(caught.value) == ["end_time"]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await report(service, vocabulary_pb2.Trade.unspecified)
    assert named_fields(caught.value) == ["industry"]
