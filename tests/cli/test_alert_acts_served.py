"""`rapport alerts ack`, `unack`, `resolve` and `note` with several ids, at the service itself: the good ones are done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from uuid import UUID

import pytest
from rapport.alerting.v1.alert_pb2 import AlertFilter
from rapport.alerting.v1.alerting_service_pb2 import ListAlertsRequest
from typer.testing import CliRunner, Result

from services.alerting.worker import Worker
from services.cli.app import app
from tests.alerting.house import TRACER, House
from tests.alerting.people import asked


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[House]:
    """The alerting service, with two open alerts whose ids begin alike."""
    house = House(database_url)
    ids = (UUID(f"3f2a0000-0000-4000-8000-{number:012}") for number in count())
    house.worker = Worker(house.database, TRACER, house.clock, lambda: next(ids))
    for customer in ("k1", "k2"):
        await house.score(customer, 1.0)
    yield house
    await house.database.close()


async def open_ids(service: House) -> list[str]:
    async with service.stub() as stub:
        return sorted(alert.alert_id for alert in (await stub.ListAlerts(ListAlertsRequest())).alerts)


async def rapport(address: str, *words: str) -> Result:
    environment = {"RAPPORT_ALERTING_ADDRESS": address, "COLUMNS": "160", "TERM": "dumb", "USER": "asha"}
    return await asyncio.to_thread(CliRunner().invoke, app, ["alerts", *words], env=environment)


@pytest.mark.parametrize("words", [["ack"], ["resolve"], ["note", "--comment", "it was the till"]])
@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("nope", "'nope' is not the beginning of an id: give at least 4 of its characters, 0 to 9 and a to f"),
        ("beef", "has an id that begins with beef"),
        ("3f2a", "3f2a may be each of {}, {}: give more characters"),
        ("00000000-0000-4000-8000-00000000dead", "NOT_FOUND (ALERT_NOT_FOUND)"),
    ],
)
async def test_one_bad_id_keeps_no_good_one_from_it(service: House, words: list[str], bad: str, why: str) -> None:
    first, second = await open_ids(service)
    async with service.serving() as running, service.stub() as stub:
        result = await rapport(running.address, *words, first, bad, second)
        acts = [(await stub.GetAlert(asked(id_))).acts for id_ in (first, second)]

    assert result.exit_code == 1
    assert [[act.author for act in each] for each in acts] == [["asha"], ["asha"]]
    assert [line.split(": ")[1].split()[0] for line in result.stdout.splitlines()] == ["3f2a0000", "3f2a0000"]
    (told,) = result.stderr.splitlines()
    assert told.startswith("rapport: ")
    assert why.format(first, second) in told


async def test_what_is_taken_back_is_so_for_the_good_ones_too(service: House) -> None:
    first, second = await open_ids(service)
    async with service.serving() as running, service.stub() as stub:
        await rapport(running.address, "ack", first, second)
        result = await rapport(running.address, "unack", "nope", second)
        taken = await stub.ListAlerts(ListAlertsRequest(filter=AlertFilter(acknowledged=True)))

    assert result.exit_code == 1
    assert [each.alert_id for each in taken.alerts] == [first]


async def test_when_no_id_is_clear_nothing_is_done_and_each_is_told(service: House) -> None:
    async with service.serving() as running, service.stub() as stub:
        result = await rapport(running.address, "resolve", "3f2a", "nope", "3f2a")
        acts = [(await stub.GetAlert(asked(id_))).acts for id_ in await open_ids(service)]

    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (1, "", 2)
    assert not any(acts)
