"""Exports at once are few, and a tenant's are half of them: each takes memory, and one too many is told to come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import pytest
from rapport.query.v1 import export_pb2, query_service_pb2

from rapport_client import of_error
from services.query import export_pages
from services.query.exporting import MOST_EXPORTS
from services.query.settings import QuerySettings
from services.runtime import tenancy
from services.runtime.errors import ResourceExhausted
from tests.query.asking import stamp
from tests.query.conftest import Service
from tests.query.exports import D, data, export, read
from tests.query.rows import NOW, Rows, ago
from tests.until import until

#: What one tenant may have of them.
HALF = MOST_EXPORTS // 2


class Gate:
    """Where exports wait behind their last page until they are let go, or fail."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.failure: Exception | None = None
        self.waiting = 0


@pytest.fixture
def gate(service: Service, rows: Rows, monkeypatch: pytest.MonkeyPatch) -> Gate:
    made, pages = Gate(), export_pages.read_pages

    async def gated(*arguments: Any) -> AsyncIterator[export_pages.Page]:
        async for page in pages(*arguments):
            yield page
        made.waiting += 1
        try:
            await made.opened.wait()
        finally:
            made.waiting -= 1
        if made.failure is not None:
            raise made.failure

    monkeypatch.setattr(export_pages, "read_pages", gated)
    rows.conversation("c", ago(days=1))
    return made


def begin(service: Service, **named: Any) -> Any:
    return service.stub.Export(export_pb2.ExportRequest(dataset=D.conversations), **named)


def download(service: Service) -> Any:
    return service.stub.Download(export_pb2.DownloadRequest(dataset=D.conversations))


def tenants(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Be a tenant and then another, each of whom may have half of the exports."""
    for tenant in ("default", "other"):
        monkeypatch.setattr(tenancy, "DEFAULT_TENANT", tenant)
        yield


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await asyncio.wait_for(call.read(), 30)
    return failed.value


async def test_one_too_many_is_told_when_to_come_back_before_it_begins(
    service: Service, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    for _ in tenants(monkeypatch):
        calls += [*(begin(service) for _ in range(HALF - 1)), download(service)]
        for call in calls:
            await call.read()
    assert service.servicer._exports.total() == MOST_EXPORTS
    # A third has none yet, but all together have all.
    monkeypatch.setattr(tenancy, "DEFAULT_TENANT", "third")
    with service.statements() as sent:
        for one_more in (begin(service), download(service)):
            failure = of_error(await refusal(one_more))
            assert (failure.status, failure.reason, failure.retry_after_s) == ("RESOURCE_EXHAUSTED", "OVERLOADED", 5)
    assert not [statement for statement in sent if "tenant_settings" in statement]
    # Other questions are answered, and those that are under way are not disturbed.
    await service.stub.GetSystemPerformance(query_service_pb2.GetSystemPerformanceRequest(), timeout=10)
    gate.opened.set()
    for call in calls:
        assert [each async for each in call]
    assert {await call.code() for call in calls} == {grpc.StatusCode.OK}
    monkeypatch.setattr(tenancy, "DEFAULT_TENANT", "default")
    assert len(read(data(await export(service)), D.conversations)) == 1


async def test_a_tenant_whose_readers_are_slow_leaves_half_to_others(
    service: Service, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = [begin(service) for _ in range(HALF)]
    for call in calls:
        await call.read()
    refused = [of_error(await refusal(one_more)) for one_more in (begin(service), download(service))]
    assert {(each.status, each.reason, each.retry_after_s) for each in refused} == {("RESOURCE_EXHAUSTED", "OVERLOADED", 5)}
    with monkeypatch.context() as other:
        other.setattr(tenancy, "DEFAULT_TENANT", "other")
        theirs = [begin(service) for _ in range(HALF)]
        for call in theirs:
            await call.read()
    # What another gives back is not for the first.
    for call in theirs:
        call.cancel()
    await until(lambda: "other" not in service.servicer._exports)
    assert of_error(await refusal(begin(service))).reason == "OVERLOADED"
    calls.pop().cancel()
    await until(lambda: service.servicer._exports["default"] < HALF)
    assert await begin(service).read()


@pytest.mark.parametrize(("most", "ones"), [(1, 1), (2, 1), (3, 2), (4, 2), (9, 5)])
def test_half_is_rounded_up(service: Service, most: int, ones: int) -> None:
    servicer = service.servicer
    servicer._max_exports = most
    tenancy.set_tenant("default")
    with ExitStack() as stack:
        for _ in range(ones):
            stack.enter_context(servicer._one_of_few())
        with pytest.raises(ResourceExhausted), servicer._one_of_few():
            pass


@pytest.mark.parametrize("ends", ["cancelled", "deadline", "failure", "end"])
async def test_its_place_is_free_however_an_export_ends(service: Service, gate: Gate, ends: str) -> None:
    calls = [begin(service, timeout=4 if ends == "deadline" else None) for _ in range(HALF)]
    for call in calls:
        await call.read()
    assert service.servicer._exports == {"default": HALF}
    if ends == "cancelled":
        for call in calls:
            call.cancel()
    elif ends != "deadline":
        gate.failure = RuntimeError("a defect") if ends == "failure" else None
        gate.opened.set()
        for call in calls:
            await call.read() if ends == "end" else None
            assert await call.code() is (grpc.StatusCode.INTERNAL if ends == "failure" else grpc.StatusCode.OK)
    await until(lambda: not service.servicer._exports)
    assert gate.waiting == 0
    gate.failure = None
    gate.opened.set()
    assert len(read(data(await export(service)), D.conversations)) == 1


async def test_what_is_refused_takes_no_place(service: Service, gate: Gate) -> None:
    gate.opened.set()
    for _ in range(MOST_EXPORTS + 1):
        for fields in ({"start_time": stamp(NOW), "end_time": stamp(NOW)}, {"token": "nonsense"}):
            request = export_pb2.ExportRequest(dataset=D.conversations, **fields)  # type: ignore[arg-type]  # named above
            assert (await refusal(service.stub.Export(request))).code() is grpc.StatusCode.INVALID_ARGUMENT
    assert not service.servicer._exports


def test_how_many_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPPORT_DATABASE_URL", "postgresql://localhost/rapport")
    assert QuerySettings().max_exports == MOST_EXPORTS  # type: ignore[call-arg]  # the environment gives the rest
    monkeypatch.setenv("RAPPORT_MAX_EXPORTS", "9")
    assert QuerySettings().max_exports == 9  # type: ignore[call-arg]
