"""What alerting tells of itself to Prometheus and OpenTelemetry."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from services.alerting import log_store
from services.alerting.metrics import Gauges, MeasuredDelivery, RoundMetrics
from services.alerting.rules import Severity, SubjectKind
from services.alerting.telling.delivery import Receivers
from services.alerting.worker import Worker
from services.runtime.database import Database
from tests.alerting.house import TRACER, House, running, said_by_us
from tests.alerting.measured import Measured, rule
from tests.alerting.notifying import TellingHouse, receiving
from tests.ports import free_port
from tests.until import until

_ROOT = Path(__file__).parents[2]
SECOND = timedelta(seconds=1)
TENANT_WIDE = SubjectKind.TENANT


class Process:
    """The parts of one process that measure, on a house's database."""

    def __init__(self, house: House) -> None:
        self.reader = InMemoryMetricReader()
        self.meter = MeterProvider([self.reader], shutdown_on_exit=False).get_meter("tests")
        rounds = RoundMetrics(self.meter)
        self.worker = Worker(house.database, TRACER, house.clock, uuid4, rounds)
        self.gauges = Gauges(house.database, house.clock, self.meter, rounds)

    async def work(self) -> None:
        """Evaluate everything that is touched or due."""
        while await asyncio.create_task(self.worker.go_round()):
            pass

    def told(self) -> dict[str, dict[str, Any]]:
        """Return what every metric says, by its name without the beginning and by its attributes."""
        data = self.reader.get_metrics_data()
        found: dict[str, dict[str, Any]] = {}
        scopes = json.loads(data.to_json())["resource_metrics"][0]["scope_metrics"] if data else []
        for metric in scopes[0]["metrics"] if scopes else []:
            for point in metric["data"]["data_points"]:
                labels = " ".join(str(value) for _, value in sorted(point["attributes"].items()))
                name = metric["name"].removeprefix("rapport.alerting.")
                found.setdefault(name, {})[labels] = point.get("value", point.get("count"))
        return found

    async def look(self) -> dict[str, dict[str, Any]]:
        await self.gauges.look()
        return self.told()


NONE_OPEN = {"low": 0, "medium": 0, "high": 0, "critical": 0}


async def test_how_long_what_was_touched_waits_and_how_long_ago_all_was_looked_at(house: House):
    one = Process(house)
    assert "sweep.age" not in await one.look(), "nobody was evaluated yet"
    await house.facts.conversation("c", house.clock(), score=5)
    assert (await one.look())["lag"] == {"": 0}
    house.clock.move(7 * SECOND)
    await house.facts.conversation("d", house.clock(), score=5, tenant="other")
    assert (await one.look())["lag"] == {"": 7}
    house.clock.move(SECOND)
    assert one.told()["lag"] == {"": 8}, "it grows though nobody can look"
    await one.work()
    house.clock.move(SECOND)
    told = await one.look()
    assert (told["lag"], told["sweep.age"]) == ({"": 0}, {"": 1})


async def test_rounds_are_measured_by_why_they_are_made_and_how_they_end(house: House, monkeypatch: pytest.MonkeyPatch):
    one = Process(house)
    await house.facts.conversation("c", house.clock(), score=5)
    await one.work()
    house.clock.move(SECOND)
    await house.facts.conversation("d", house.clock(), score=5)
    await one.work()
    house.clock.move(31 * SECOND)
    await one.work()
    assert one.told()["round.duration"] == {"evaluated sweep": 1, "evaluated touched": 1, "evaluated due": 1}

    async def fails(*_: object) -> None:
        raise RuntimeError

    await house.facts.conversation("e", house.clock(), score=1)
    with monkeypatch.context() as broken:
        broken.setattr(log_store, "append", fails)
        await one.work()
    assert one.told()["round.duration"]["failed"] == 1


async def test_open_alerts_of_all_tenants_are_told_by_severity(house: House):
    one = Process(house)
    for tenant, severities in (("default", (Severity.LOW, Severity.CRITICAL)), ("other", (Severity.LOW,))):
        fires = {"subject_kind": TENANT_WIDE, "fire_at": -1}
        await Measured(house.url, tenant).rules(
            *(rule(severity.name, "totalConversations", severity=severity, **fires) for severity in severities)
        )
    await one.work()
    assert (await one.look())["open_alerts"] == NONE_OPEN | {"low": 2, "critical": 1}
    await Measured(house.url).rules()
    house.clock.move(SECOND)
    await one.work()
    assert (await one.look())["open_alerts"] == NONE_OPEN | {"low": 1}


async def test_each_tenant_is_told_of_by_the_process_that_evaluated_it_last(house: House):
    one, other = Process(house), Process(house)
    await house.facts.conversation("c", house.clock(), score=1)
    await one.work()
    assert [(await each.look())["open_alerts"]["high"] for each in (one, other)] == [1, 0]
    house.clock.move(31 * SECOND)
    await other.work()
    assert [(await each.look())["open_alerts"]["high"] for each in (one, other)] == [0, 1]
    house.clock.move(31 * SECOND)
    await one.work()
    assert [(await each.look())["open_alerts"]["high"] for each in (one, other)] == [1, 0]


async def test_notifications_wait_and_attempts_are_measured_by_kind_of_channel(database_url: str):
    house = TellingHouse(database_url)
    one = Process(house)
    house.delivery = MeasuredDelivery(Receivers(allow_local=True), house.clock, one.meter)
    house.notifier = house.new_notifier()

    async def fire(customer: str) -> None:
        await house.facts.conversation(f"of {customer}", house.clock(), customer=customer, score=1)
        await one.work()
        await house.tell()

    async def waiting() -> int:
        house.clock.move(31 * SECOND)
        await one.work()
        return int((await one.look())["waiting_notifications"][""])

    async with receiving(statuses=[500, 200, 403]) as receiver:
        await house.put_webhook("hook", receiver)
        await house.put_routes({"channelIds": ["hook"], "groupWait": "0s", "groupBy": ["subject_id"]})
        await fire("a")
        assert await waiting() == 1
        await house.tell()
        await fire("b")
        assert await waiting() == 0
    assert one.told()["delivery.duration"] == {"webhook failed": 1, "webhook delivered": 1, "webhook refused": 1}
    await house.database.close()


async def test_a_database_that_is_away_is_waited_for(house: House, caplog: pytest.LogCaptureFixture):
    nowhere = Database("postgresql://nobody@127.0.0.1:1/nothing", "rapport_alerting")
    meter = MeterProvider(shutdown_on_exit=False).get_meter("tests")

    async with running(Gauges(nowhere, house.clock, meter, RoundMetrics(meter)).run):
        await until(lambda: bool(said_by_us(caplog)))
    assert said_by_us(caplog) == [("WARNING", "figures of alerting wait for the database", None)]
    await nowhere.close()


@asynccontextmanager
async def alerting_process(url: str) -> AsyncIterator[str]:
    """Run the alerting service over a database; yield where its metrics are once it is ready."""
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{_ROOT}:{_ROOT / 'gen'}",
        "RAPPORT_DATABASE_URL": url,
        "RAPPORT_PORT": "0",
        "RAPPORT_METRICS_PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.alerting", cwd=_ROOT, env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(60):
            while b'"ready"' not in (line := await process.stderr.readline()):
                assert line, "it ended"
        reading = asyncio.create_task(process.stderr.read())  # or it would stop when the pipe is full
        yield f"http://127.0.0.1:{port}/metrics"
        reading.cancel()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def test_the_service_tells_them_to_prometheus(house: House):
    await house.facts.conversation("c", house.clock(), score=5)
    expected = ("lag_seconds ", "sweep_age_seconds ", 'open_alerts{severity="critical"} ', "waiting_notifications ")
    wanted = [f"rapport_alerting_{name}" for name in (*expected, "round_duration_seconds_count{")]
    async with alerting_process(house.url) as metrics, httpx.AsyncClient() as client, asyncio.timeout(30):
        while True:
            lines = (await client.get(metrics)).text.splitlines()
            if all(any(line.startswith(name) for line in lines) for name in wanted):
                break
            await asyncio.sleep(0.2)
