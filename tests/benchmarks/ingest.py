"""How fast facts come in, beside what the same machine does without us in the same run: `make bench-ingest`.

COPY is bare binary COPY of the same rows into the production table; echo is an empty servicer for the same message. The
database syncs every commit to disk, and everything is validated, as in production. Rates are conversations a second.

`N` conversations go through the stream and the batches, `UNARY` through single calls; `WORKERS` processes serve, each fed by a
stream of its own. Memory is that of the largest process.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import psutil
import psycopg
import uvloop
from psycopg.types.json import Jsonb
from rapport.ingest.v1 import ingest_service_pb2 as pb
from rapport.ingest.v1 import ingest_service_pb2_grpc
from rapport.insight.v1 import conversation_pb2
from rich.console import Console
from rich.table import Table
from sqlalchemy.dialects.postgresql import dialect

from services.ingest.convert import conversation_of
from services.ingest.facts import content_hash, document_of, row_of
from services.stack import postgres
from services.stack.home import ROOT
from services.stack.settings import free_ports
from services.storage import migrate, schema

BATCH = 1000
CALLERS = 64
N = int(os.environ.get("N", "40000"))
UNARY = int(os.environ.get("UNARY", "6000"))
WORKERS = int(os.environ.get("WORKERS", "1"))
#: Rows of the bare COPY: its rate does not depend on how many there are, and its rows are made beforehand.
COPIED = min(N, 100_000)

console = Console(stderr=True)


def conversations(prefix: str, count: int, seed: int = 1) -> list[conversation_pb2.ConversationInsight]:
    """Return conversations of realistic size: an intent, a sentiment, a journey, some with a sale or an escalation."""
    chance = random.Random(seed)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        _conversation(f"{prefix}-{i}", chance, begin + timedelta(seconds=60 * chance.randrange(400_000))) for i in range(count)
    ]


def _conversation(identity: str, chance: random.Random, start: datetime) -> conversation_pb2.ConversationInsight:
    message = conversation_pb2.ConversationInsight(
        conversation_id=identity,
        agent_id=f"agent-{chance.randrange(1000)}",
        customer_id=f"customer-{chance.randrange(100_000)}",
        platform=chance.randrange(1, 6),  # type: ignore[arg-type]  # the contract's numbers
        session_id=f"session-{identity}",
        message_count=12,
        customer_messages=6,
        agent_responses=6,
        response_time_avg_ms=chance.randrange(1000, 60_000),
        customer_satisfaction_score=chance.randrange(2, 11) / 2 if chance.random() < 0.4 else None,
        tags=["sample", "benchmark"],
        revision=1,
    )
    message.start_time.FromDatetime(start)
    message.end_time.FromDatetime(start + timedelta(seconds=chance.randrange(60, 3600)))
    message.sentiment.overall = chance.randrange(1, 4)  # type: ignore[assignment]
    message.sentiment.emotions.append("satisfied")
    message.intents.add(intent="book_consultation", confidence=0.9).timestamp.FromDatetime(start)
    message.customer_journey.stage = 3  # type: ignore[assignment]
    message.customer_journey.touchpoint_sequence.append("web")
    if chance.random() < 0.2:
        message.conversion_event.type, message.conversion_event.value, message.conversion_event.currency = 2, 49.9, "EUR"  # type: ignore[assignment]
    return message


@contextmanager
def service(module: str, *arguments: str, **environment: str) -> Iterator[psutil.Process]:
    """Run a Python module as a process within the block."""
    environment |= {"PYTHONPATH": f"{ROOT}:{ROOT / 'gen'}"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], env=os.environ | environment, stdout=log, stderr=log
        )
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(20)


def copy(url: str, table: str, messages: Sequence[Any]) -> float:
    """Return how many rows a second bare binary COPY writes, the rows made beforehand."""
    columns = [c for c in schema.conversation.columns if c.name != "recorded_at"]
    rows = []
    for message in messages:
        fact = conversation_of(message)
        row = row_of(fact) | {"tenant_id": "copied", "content_hash": content_hash(document_of(fact)), "revision": fact.revision}
        row["intents"] = Jsonb(fact.intents)
        rows.append([row.get(c.name) for c in columns])
    types = [str(c.type.compile(dialect=dialect())).lower().replace("timestamp with time zone", "timestamptz") for c in columns]
    with psycopg.connect(url) as conn, conn.cursor() as cursor:
        began = time.perf_counter()
        with cursor.copy(f"COPY {table} ({', '.join(c.name for c in columns)}) FROM STDIN (FORMAT BINARY)") as out:
            out.set_types(types)
            for values in rows:
                out.write_row(values)
        conn.commit()
        return len(rows) / (time.perf_counter() - began)


async def stream(address: str, messages: Sequence[Any], streams: int) -> float:
    """Return the rate of streams side by side, each on its own connection, from the first byte to the last acknowledgement."""
    shares = [messages[n::streams] for n in range(streams)]
    requests = [
        [pb.RecordRequest(sequence=n // BATCH + 1, conversations=share[n : n + BATCH]) for n in range(0, len(share), BATCH)]
        for share in shares
    ]
    channels = [grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in shares]
    await asyncio.gather(*(until_ready(channel) for channel in channels))

    async def feed(channel: grpc.aio.Channel, share: Sequence[pb.RecordRequest]) -> int:
        answers = ingest_service_pb2_grpc.IngestServiceStub(channel).Record(iter(share))
        return sum([answer.counts.created async for answer in answers])

    began = time.perf_counter()
    created = sum(await asyncio.gather(*(feed(*fed) for fed in zip(channels, requests, strict=True))))
    took = time.perf_counter() - began
    assert created == len(messages), created
    for channel in channels:
        await channel.close()
    return len(messages) / took


async def in_batches(stub: Any, messages: Sequence[Any], callers: int = 2) -> float:
    """Return the rate of batch calls, two at a time."""
    requests = iter(
        [pb.BatchRecordConversationsRequest(conversations=messages[n : n + BATCH]) for n in range(0, len(messages), BATCH)]
    )

    async def caller() -> None:
        for request in requests:
            await stub.BatchRecordConversations(request)

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return len(messages) / (time.perf_counter() - began)


async def one_by_one(stub: Any, messages: Sequence[Any]) -> float:
    """Return the rate of unary calls, 64 at a time."""
    requests = iter([pb.RecordConversationRequest(conversation=m) for m in messages])

    async def caller() -> None:
        for request in requests:
            await stub.RecordConversation(request)

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return len(messages) / (time.perf_counter() - began)


async def latencies(stub: Any, messages: Sequence[Any], rate: float) -> tuple[float, float]:
    """Return p50 and p99 in milliseconds of unary calls that come at `rate` a second, whatever the others do."""
    found: list[float] = []

    async def call(message: Any) -> None:
        began = time.perf_counter()
        await stub.RecordConversation(pb.RecordConversationRequest(conversation=message))
        found.append(1000 * (time.perf_counter() - began))

    begin = time.perf_counter()
    calls = []
    for n, message in enumerate(messages):
        await asyncio.sleep(max(begin + n / rate - time.perf_counter(), 0))
        calls.append(asyncio.create_task(call(message)))
    await asyncio.gather(*calls)
    quantiles = statistics.quantiles(found, n=100)
    return quantiles[49], quantiles[98]


async def until_ready(channel: grpc.aio.Channel) -> None:
    async with asyncio.timeout(20):
        await channel.channel_ready()


async def measure(url: str, fresh: Callable[[], str]) -> dict[str, float]:
    """Measure everything and return the figures by name."""
    figures: dict[str, float] = {}
    ports = free_ports()
    messages = conversations("copy", COPIED)
    with console.status("bare COPY"):
        figures["copy_rows_per_s"] = copy(fresh(), "ingest.conversation", messages)
        plain = fresh()
        with psycopg.connect(plain) as conn:
            conn.execute(
                "CREATE TABLE bare (LIKE ingest.conversation INCLUDING DEFAULTS, PRIMARY KEY (tenant_id, conversation_id))"
            )
        figures["copy_pk_only_per_s"] = copy(plain, "bare", messages)
    with service("tests.benchmarks.echo", str(ports["query"])), console.status("echo"):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{ports['query']}") as channel:
            await until_ready(channel)
            figures["echo_per_s"] = await one_by_one(ingest_service_pb2_grpc.IngestServiceStub(channel), messages[:UNARY])
    address = f"127.0.0.1:{ports['ingest']}"
    settings = {"RAPPORT_DATABASE_URL": url, "RAPPORT_PORT": str(ports["ingest"]), "RAPPORT_WORKERS": str(WORKERS)}
    with service("services.ingest", **settings) as process:
        async with grpc.aio.insecure_channel(address) as channel:
            await until_ready(channel)
            stub = ingest_service_pb2_grpc.IngestServiceStub(channel)
            await in_batches(stub, conversations("warm", 2 * BATCH))
            with console.status("stream"):
                figures["stream_per_s"] = await stream(address, conversations("stream", N), WORKERS)
            with console.status("batches"):
                figures["batch_per_s"] = await in_batches(stub, conversations("batch", COPIED))
            with console.status("unary calls"):
                figures["unary_per_s"] = await one_by_one(stub, conversations("unary", UNARY))
                p50, p99 = await latencies(stub, conversations("half", UNARY // 2), figures["unary_per_s"] / 2)
            figures |= {"unary_p50_ms": p50, "unary_p99_ms": p99}
            figures["peak_rss_mb"] = _peak_rss_mb(process)
    figures["stream_vs_copy"] = figures["stream_per_s"] / figures["copy_rows_per_s"]
    figures["unary_vs_echo"] = figures["unary_per_s"] / figures["echo_per_s"]
    return figures


def _peak_rss_mb(process: psutil.Process) -> float:
    found = [Path(f"/proc/{p.pid}/status").read_text().splitlines() for p in (process, *process.children())]
    return max(int(line.split()[1]) for lines in found for line in lines if line.startswith("VmHWM")) / 1024


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="rapport-bench-"))
    folder.chmod(0o755)
    server = postgres.start(folder / "postgres")
    try:
        names = iter(range(100))

        def fresh() -> str:
            name = f"bench_{next(names)}"
            postgres.ensure_database(server.url, name)
            migrate.upgrade(server.url_of(name))
            return server.url_of(name)

        figures = uvloop.run(measure(fresh(), fresh))
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    table = Table(title=f"{N:,} conversations; unary {UNARY:,}; processes {WORKERS}")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in figures.items():
        table.add_row(name, f"{value:,.2f}" if value < 100 else f"{value:,.0f}")  # small ones with decimals
    Console().print(table)
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))  # noqa: T201  # the figures for machines


if __name__ == "__main__":
    main()
