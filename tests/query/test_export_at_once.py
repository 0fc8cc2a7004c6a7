"""Exports at once are few: each takes memory, and one too many is told to come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from rapport.query.v1 import export_pb2, query_service_pb2

from rapport_client import of_error
from services.query import export_pages
from services.query.exporting import MOST_EXPORTS
from services.query.settings import QuerySettings
from tests.query.asking import stamp
from tests.query.conftest import Service
from tests.query.exports import D, data, export, read
from tests.query.rows import NOW, Rows, ago


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


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await asyncio.wait_for(call.read(), 5)
    return failed.value


async def until_free(service: Service) -> None:
    async with asyncio.timeout(5):
        while service.servicer._free_exports < MOST_EXPORTS:  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(0.01)


async def test_one_too_many_is_told_when_to_come_back_before_it_begins(service: Service, gate: Gate) -> None:
    calls = [begin(service) for _ in range(MOST_EXPORTS - 1)]
    calls.append(service.stub.Download(export_pb2.DownloadRequest(dataset=D.conversations)))
    for call in calls:
        await call.read()
    with service.statements() as sent:
        for one_more in (begin(service), service.stub.Download(export_pb2.DownloadRequest(dataset=D.conversations))):
            failure = of_error(await refusal(one_more))
            assert (failure.status, failure.reason, failure.retry_after_s) == ("RESOURCE_EXHAUSTED", "OVERLOADED", 5)
    assert not [statement for statement in sent if "tenant_settings" in statement]
    # Other questions are answered, and those that are under way are not disturbed.
    await service.stub.GetSystemPerformance(query_service_pb2.GetSystemPerformanceRequest(), timeout=10)
    gate.opened.set()
    rest = [[each async for each in call] for call in calls]
    assert [each[-1].complete for each in rest[:-1]] == [True] * (MOST_EXPORTS - 1)
    assert len(read(data(await export(service)), D.conversations)) == 1


@pytest.mark.parametrize("ends", ["cancelled", "deadline", "failure", "end"])
async def test_its_place_is_free_however_an_export_ends(service: Service, gate: Gate, ends: str) -> None:
    calls = [begin(service, timeout=2 if ends == "deadline" else None) for _ in range(MOST_EXPORTS)]
    for call in calls:
        await call.read()
    assert service.servicer._free_exports == 0
    if ends == "cancelled":
        for call in calls:
            call.cancel()
    elif ends != "deadline":
        gate.failure = RuntimeError("a defect") if ends == "failure" else None
        gate.opened.set()
        for call in calls:
            await call.read() if ends == "end" else None
            assert await call.code() is (grpc.StatusCode.INTERNAL if ends == "failure" else grpc.StatusCode.OK)
    await until_free(service)
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
    assert service.servicer._free_exports == MOST_EXPORTS


def test_how_many_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPPORT_DATABASE_URL", "postgresql://localhost/rapport")
    assert QuerySettings().max_exports == MOST_EXPORTS  # type: ignore[call-arg]  # the environment gives the rest
    monkeypatch.setenv("RAPPORT_MAX_EXPORTS", "9")
    assert QuerySettings().max_exports == 9  # type: ignore[call-arg]
