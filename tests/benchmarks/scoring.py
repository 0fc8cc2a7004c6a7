"""How fast facts become numbers, beside how fast they come in, in the same run: `make bench-scoring`.

`N` conversations of a year (a million), a quarter of them reported anew, of 1,000 agents and 100,000 customers, are counted in
every rollup by the scoring service itself, in parts: each part is recorded first, then timed until nothing waits. Rates are
changes a second, those of a rebuild facts a second. The database syncs every commit to disk, as in production.

Freshness is the time from a change's recording to its being counted, while conversations come in through ingest's stream at half
the rate that ingest and scoring keep up together.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import psutil
import psycopg
import uvloop
from rapport.ingest.v1 import ingest_service_pb2, ingest_service_pb2_grpc
from rapport.insight.v1 import conversation_pb2
from rapport.scoring.v1 import scoring_service_pb2 as pb
from rapport.scoring.v1 import scoring_service_pb2_grpc
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from services.stack import postgres
from services.stack.settings import free_ports
from services.storage import migrate
from tests.benchmarks import generated
from tests.benchmarks.ingest import conversations, copy, service, stream, until_ready

N = int(os.environ.get("N", "1000000"))
PART = min(50_000, N)
#: Conversations of the stream and of the bare COPY: their rates do not depend on how many there are.
STREAMED = min(N, 100_000)
#: Seconds during which freshness is watched, and how many conversations a message of the stream then holds.
WATCHED_S = int(os.environ.get("WATCHED_S", "30"))
A_MESSAGE = 50
_POLL_S = 0.01
_EMPTIED = (
    "contribution", "agent_day", "agent_interval", "revenue_day", "revenue_interval", "response_day", "response_interval",
    "tally_day", "tally_interval", "duration_day", "duration_interval", "counts_total_day", "revenue_total_day",
    "response_total_day", "duration_total_day", "tally_total_day", "response_total_month", "duration_total_month",
    "new_customers_day", "customer_day", "customer_revenue_day", "presence", "customer_state", "agent_state",
)  # fmt: skip

console = Console(stderr=True)


def progress() -> Progress:
    return Progress("{task.description:20}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console)


def waiting(conn: psycopg.Connection[Any]) -> int:
    return int(conn.execute("SELECT EXISTS (SELECT FROM ingest.change)::int").fetchall()[0][0])


def until_counted(conn: psycopg.Connection[Any]) -> None:
    while waiting(conn):
        time.sleep(_POLL_S)


def drained(url: str) -> float:
    """Return the rate at which scoring counts, of what is recorded part by part."""
    until, changes, took = datetime.now(UTC).isoformat(), 0, 0.0
    with psycopg.connect(url, autocommit=True) as conn, progress() as shown:
        for first in shown.track(range(0, N, PART), description="drain"):
            # While its row is locked nobody scores the tenant, so that the part is recorded whole before it is timed.
            with psycopg.connect(url) as lease:
                lease.execute("INSERT INTO scoring.progress (tenant_id) VALUES ('default') ON CONFLICT DO NOTHING")
                lease.commit()
                lease.execute("SELECT FROM scoring.progress FOR UPDATE")
                changes += generated.record(url, first, min(first + PART, N), everything=N, until=until)
                if not first:
                    conn.execute("VACUUM ANALYZE ingest.conversation, ingest.change")
            began = time.perf_counter()
            until_counted(conn)
            took += time.perf_counter() - began
    return changes / took


async def rebuilt(stub: Any, what: str) -> float:
    """Return the rate at which a rebuild counts every fact."""
    began = time.perf_counter()
    with progress() as shown:
        task = shown.add_task(what)
        async for message in stub.RebuildRollups(pb.RebuildRollupsRequest()):
            shown.update(task, total=message.steps_total, completed=message.steps_done)
    return N / (time.perf_counter() - began)


def recent(prefix: str, count: int) -> list[conversation_pb2.ConversationInsight]:
    """Return conversations that ended a moment ago, as they come in live."""
    messages, now = conversations(prefix, count), int(time.time())
    for n, message in enumerate(messages):
        message.start_time.seconds, message.end_time.seconds = now - 300 - n % 600, now - n % 300
    return messages


def paced(count: int, rate: float, prefix: str) -> AsyncIterator[ingest_service_pb2.RecordRequest]:
    """Send conversations of today at a rate, whatever is acknowledged."""
    messages = recent(prefix, count)

    async def send() -> AsyncIterator[ingest_service_pb2.RecordRequest]:
        begin = time.perf_counter()
        for n in range(0, count, A_MESSAGE):
            await asyncio.sleep(max(begin + n / rate - time.perf_counter(), 0))
            yield ingest_service_pb2.RecordRequest(sequence=n // A_MESSAGE + 1, conversations=messages[n : n + A_MESSAGE])

    return send()


async def together(address: str, conn: psycopg.Connection[Any]) -> float:
    """Return the rate that ingest and scoring keep up together: from the first byte until everything is counted."""
    count = min(STREAMED, 60_000)
    messages = recent("together", count)
    began = time.perf_counter()
    await stream(address, messages, 1)
    await asyncio.to_thread(until_counted, conn)
    return count / (time.perf_counter() - began)


def watch(url: str, seconds: float) -> Iterator[float]:
    """Yield how long changes waited until they were counted, in seconds: one change of each look at the queue."""
    seen: dict[int, datetime] = {}
    query = (
        "SELECT (SELECT min(change_id) FROM ingest.change), c.change_id, c.recorded_at, clock_timestamp() "
        "FROM (SELECT clock_timestamp()) AS now LEFT JOIN LATERAL "
        "(SELECT change_id, recorded_at FROM ingest.change ORDER BY change_id DESC LIMIT 1) AS c ON true"
    )
    with psycopg.connect(url, autocommit=True) as conn:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or (seen and time.perf_counter() < end + 20):
            oldest, newest, recorded_at, now = conn.execute(query).fetchall()[0]
            for change in [c for c in seen if oldest is None or c < oldest]:
                yield (now - seen.pop(change)).total_seconds()
            if newest is not None and time.perf_counter() < end:
                seen[newest] = recorded_at
            time.sleep(_POLL_S)
    assert not seen, "changes were never counted"


async def freshness(address: str, url: str, rate: float) -> tuple[float, float]:
    """Return p50 and p99 of how long changes wait while conversations come in at a rate."""
    async with grpc.aio.insecure_channel(address) as channel:
        await until_ready(channel)
        stub = ingest_service_pb2_grpc.IngestServiceStub(channel)
        answers = stub.Record(paced(int(rate * WATCHED_S) // A_MESSAGE * A_MESSAGE, rate, "watched"))
        waits = asyncio.create_task(asyncio.to_thread(lambda: list(watch(url, WATCHED_S))))
        async for _ in answers:
            pass
        found = await waits
    quantiles = statistics.quantiles(found, n=100)
    return quantiles[49], quantiles[98]


async def measure(url: str, other_url: str) -> dict[str, float]:
    """Measure everything and return the figures by name."""
    figures: dict[str, float] = {}
    ports = free_ports()
    address = f"127.0.0.1:{ports['ingest']}"
    ingest = {"RAPPORT_DATABASE_URL": url, "RAPPORT_PORT": str(ports["ingest"])}
    scoring = {"RAPPORT_DATABASE_URL": url, "RAPPORT_PORT": str(ports["scoring"])}
    messages = conversations("stream", STREAMED)
    with console.status("bare COPY"):
        figures["copy_per_s"] = copy(other_url, "ingest.conversation", messages)
    with service("services.ingest", **ingest | {"RAPPORT_DATABASE_URL": other_url}), console.status("stream"):
        figures["stream_per_s"] = await stream(address, messages, 1)
    with service("services.scoring", **scoring) as process, psycopg.connect(url, autocommit=True) as conn:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{ports['scoring']}") as channel:
            await until_ready(channel)
            figures["drain_per_s"] = await asyncio.to_thread(drained, url)
            conn.execute("VACUUM ANALYZE")
            stub = scoring_service_pb2_grpc.ScoringServiceStub(channel)
            figures["rebuild_per_s"] = await rebuilt(stub, "rebuild")
            for table in _EMPTIED:
                conn.execute(f"DELETE FROM scoring.{table}".encode())
            conn.execute("VACUUM ANALYZE")
            figures["rebuild_of_nothing_per_s"] = await rebuilt(stub, "rebuild of nothing")
            with service("services.ingest", **ingest):
                with console.status("both together"):
                    figures["together_per_s"] = await together(address, conn)
                with console.status("freshness"):
                    p50, p99 = await freshness(address, url, figures["together_per_s"] / 2)
            figures |= {"freshness_p50_s": p50, "freshness_p99_s": p99, "rss_mb": peak_rss_mb(process)}
    figures["drain_vs_copy"] = figures["drain_per_s"] / figures["copy_per_s"]
    figures["drain_vs_stream"] = figures["drain_per_s"] / figures["stream_per_s"]
    figures["rebuild_vs_drain"] = figures["rebuild_per_s"] / figures["drain_per_s"]
    return figures


def peak_rss_mb(process: psutil.Process) -> float:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="rapport-bench-"))
    folder.chmod(0o755)
    server = postgres.start(folder / "postgres")
    try:
        for name in ("scored", "streamed"):
            postgres.ensure_database(server.url, name)
            migrate.upgrade(server.url_of(name))
        figures = uvloop.run(measure(server.url_of("scored"), server.url_of("streamed")))
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    table = Table(title=f"{N:,} conversations, a quarter of them reported anew")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in figures.items():
        table.add_row(name, f"{value:,.2f}" if value < 100 else f"{value:,.0f}")  # small ones with decimals
    Console().print(table)
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))  # noqa: T201  # the figures for machines


if __name__ == "__main__":
    main()
