"""How fast alerts reach their readers, beside a bare grpc.aio server that sends the same bytes: `make bench-alerting`.

Events are written to the log as evaluation writes them, at a steady rate, and read by 1, 100 and `STREAMS` (1,000) subscribers
in two client processes; the latency is from an event's commit to its receipt, by the machine's clock. At saturation a burst is
written at once, `ROUNDS` times, the two servers taking turns: messages delivered a second, and a second of the server's
processor, for clients that share the machine's with it say less. `fanout_vs_bare` is the rate of ours over the bare server's.

Then everybody loses the connection, misses some events and comes back at once with a token: until the last one has everything.
Memory is what the server's process grows by with each idle stream. At last rules are evaluated for many agents at once, and the
table, not the line for machines, tells how long it takes from a fact that is recorded to its alert.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import uvloop
from rich.console import Console
from rich.table import Table

from services.runtime.database import Database
from services.stack import postgres
from services.stack.settings import free_ports
from services.storage import migrate
from tests.benchmarks import fanout_freshness
from tests.benchmarks.fanout_bare import PUBLISH
from tests.benchmarks.fanout_crowd import Clients, Server, clients
from tests.benchmarks.fanout_events import Writer
from tests.benchmarks.ingest import service, until_ready

STREAMS = int(os.environ.get("STREAMS", "1000"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
#: Events of the steady rate, events a second, events of a burst, and events that those who come back have missed.
EVENTS, RATE, BURST, MISSED = 40, 4.0, 40, 20
_EVALUATION = "tests.benchmarks.evaluation"

console = Console(stderr=True)


async def opened(crowd: Clients, server: Server, count: int) -> float:
    """Have `count` subscribers, and return by how many KB the server grew with them."""
    before = server.rss_kb()
    await crowd.open(server, count)
    await asyncio.sleep(1)
    return server.rss_kb() - before


async def steady(crowd: Clients, server: Server) -> list[float]:
    """Return the milliseconds from commit to receipt."""
    published = await server.publish(EVENTS, RATE)
    await crowd.until(server, max(published))
    return await crowd.latencies_ms(server, published)


async def burst(crowd: Clients, server: Server) -> tuple[float, float]:
    """Return messages delivered a second, and a second of the server's processor."""
    cpu = server.cpu_s()
    published = await server.publish(BURST, 0)
    took = await crowd.until(server, max(published)) - min(published.values())
    return STREAMS * BURST / took, STREAMS * BURST / (server.cpu_s() - cpu)


async def catch_up(crowd: Clients, server: Server) -> float:
    """Return the seconds until all have what they missed, from the moment when the first comes back."""
    await crowd.close(server)
    missed = await server.publish(MISSED, 0)
    await asyncio.sleep(1)
    began = await crowd.open(server, STREAMS)
    return await crowd.until(server, max(missed)) - began


async def measure_streams(crowd: Clients, ours: Server, bare: Server) -> dict[str, float]:
    figures: dict[str, float] = {}
    for count in (1, 100, STREAMS):
        for server in (bare, ours):
            mark = "" if count == STREAMS else f"_{count}"
            prefix = "" if server is ours else "bare_"
            with console.status(f"{count:,} subscribers, {server.name}"):
                grown = await opened(crowd, server, count)
                took = await steady(crowd, server)
            figures[f"{prefix}p50{mark}_ms"] = statistics.median(took)
            figures[f"{prefix}p99{mark}_ms"] = statistics.quantiles(took, n=100)[98]
            if count == STREAMS:
                figures[f"{prefix}rss_per_stream_kb"] = grown / (STREAMS - 100)
    figures |= await saturate(crowd, ours, bare)
    with console.status("everybody comes back"):
        figures["catch_up_s"] = await catch_up(crowd, ours)
    return figures


async def saturate(crowd: Clients, ours: Server, bare: Server) -> dict[str, float]:
    rates: dict[str, list[tuple[float, float]]] = {"ours": [], "bare": []}
    for n in range(ROUNDS):
        for server in (bare, ours) if n % 2 else (ours, bare):
            with console.status(f"burst {n + 1} of {ROUNDS}, {server.name}"):
                rates[server.name].append(await burst(crowd, server))
    (ours_s, ours_cpu_s), (bare_s, bare_cpu_s) = (
        tuple(statistics.median(each) for each in zip(*rates[name], strict=True)) for name in ("ours", "bare")
    )
    return {
        "delivered_per_s": ours_s,
        "bare_delivered_per_s": bare_s,
        "fanout_vs_bare": ours_s / bare_s,
        "delivered_per_cpu_s": ours_cpu_s,
        "bare_delivered_per_cpu_s": bare_cpu_s,
        "fanout_vs_bare_cpu": ours_cpu_s / bare_cpu_s,
    }


async def evaluation_s(url: str) -> float:
    """Return the seconds in which the rules of many agents are evaluated."""
    took = importlib.import_module(_EVALUATION).evaluate_many(url)
    return float(await took if inspect.isawaitable(took) else took)


async def measure(fresh: Callable[[str], str]) -> dict[str, float]:
    """Measure everything and return the figures by name."""
    ports, url = free_ports(), fresh("streams")
    settings = {
        "RAPPORT_DATABASE_URL": url,
        "RAPPORT_PORT": str(ports["alerting"]),
        "RAPPORT_STREAMS_PER_TENANT": str(2 * STREAMS),
        "RAPPORT_LOG_LEVEL": "WARNING",
    }
    addresses = {name: f"127.0.0.1:{ports[port]}" for name, port in (("ours", "alerting"), ("bare", "query"))}
    with (
        service("services.alerting", **settings) as process,
        service("tests.benchmarks.fanout_bare", str(ports["query"])) as bare_process,
    ):
        database = Database(url, "rapport_alerting")
        writer = Writer(database)
        await writer.begin()
        # Processes are begun before this one uses gRPC, which objects to a fork among its threads.
        async with (
            clients() as crowd,
            grpc.aio.insecure_channel(addresses["ours"]) as own,
            grpc.aio.insecure_channel(addresses["bare"]) as channel,
        ):
            await asyncio.gather(until_ready(own), until_ready(channel))
            put = channel.unary_unary(PUBLISH)

            async def publish(count: int, rate: float) -> dict[int, float]:
                answer = json.loads(await put(json.dumps([count, rate]).encode()))
                return {int(revision): at for revision, at in answer.items()}

            async def write(count: int, rate: float) -> dict[int, float]:
                return await (writer.at_rate(count, rate) if rate else writer.at_once(count))

            ours = Server("ours", addresses["ours"], process, write)
            bare = Server("bare", addresses["bare"], bare_process, publish)
            figures = await measure_streams(crowd, ours, bare)
        await database.close()
    if importlib.util.find_spec(_EVALUATION):
        with console.status("evaluation"):
            figures["evaluation_s"] = await evaluation_s(fresh("evaluation"))
    return figures


def show(figures: dict[str, float]) -> None:
    table = Table(title=f"{STREAMS:,} subscribers, {RATE:g} events a second, bursts of {BURST}")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in figures.items():
        table.add_row(name, f"{value:,.2f}" if value < 100 else f"{value:,.0f}")  # small ones with decimals
    Console().print(table)


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="rapport-bench-"))
    folder.chmod(0o755)
    server = postgres.start(folder / "postgres")

    def fresh(name: str) -> str:
        postgres.ensure_database(server.url, name)
        migrate.upgrade(server.url_of(name))
        return server.url_of(name)

    began = time.monotonic()
    try:
        figures = uvloop.run(measure(fresh))
        with console.status("facts become alerts"):
            fresh_ms = uvloop.run(fanout_freshness.measure(fresh("freshness")))
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    figures["took_s"] = time.monotonic() - began
    show(figures | fresh_ms)
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))  # noqa: T201  # the figures for machines


if __name__ == "__main__":
    main()
