"""How fast questions are answered, beside SQL of the raw table and DuckDB of exported Parquet, in one run: `make bench-query`.

`N` conversations (a million) of a year, of 1,000 agents and 100,000 customers, and 10,000 of the same agents, are asked every
question `CALLS` times over gRPC. Windows are drawn anew for each call, and before each call a conversation is recorded and
counted, so that no answer is another's. Latencies are the caller's. Statements are those that the query service sends per call,
as PostgreSQL counts them.

The year's questions are asked again of the raw conversations: by SQL in the same database, and by DuckDB of the Parquet that
Export wrote. They ask for what the answers hold: all measures of now and of the year before by platform, by day and of the
agents with most revenue; for a comparison all agents' measures with what a ranking takes, and one page of 50 with percentiles,
different customers and platforms.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import grpc
import psutil
import psycopg
import uvloop
from google.protobuf.timestamp_pb2 import Timestamp
from rapport.ingest.v1 import ingest_service_pb2 as ingest_pb
from rapport.ingest.v1 import ingest_service_pb2_grpc
from rapport.query.v1 import (
    drill_down_pb2,
    export_pb2,
    insight_pb2,
    metrics_pb2,
    query_service_pb2,
    query_service_pb2_grpc,
    report_pb2,
    vocabulary_pb2,
)
from rapport.scoring.v1 import scoring_service_pb2, scoring_service_pb2_grpc
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from services.stack import postgres
from services.stack.settings import free_ports
from services.storage import migrate
from tests.benchmarks import generated, raw_questions
from tests.benchmarks.ingest import service, until_ready
from tests.benchmarks.scoring import peak_rss_mb, recent

N = int(os.environ.get("N", "1000000"))
SMALL = min(N, 10_000)
CALLS = int(os.environ.get("CALLS", "50"))
#: Runs of each of the year's questions to others.
RUNS = 5
PART = 100_000
PAGE = 50
#: Latencies that differ by less are the same.
NO_DIFFERENCE_MS = 1.0
_STATEMENTS = """
    SELECT coalesce(sum(calls), 0)::int FROM pg_stat_statements AS s JOIN pg_roles AS r ON r.oid = s.userid
    WHERE r.rolname = 'rapport_query' AND s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND query !~* '^(begin|start|commit|rollback|set |show|select set_config|select \\$1$)'
"""

_CUSTOMERS = "SELECT customer_id FROM ingest.conversation ORDER BY hashtext(conversation_id) LIMIT 1000"

console = Console(stderr=True)


def progress() -> Progress:
    return Progress("{task.description:28}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console)


@dataclass(slots=True)
class Asking:
    """Who asks: the stub, chance for what, and the customers of some conversations."""

    stub: Any
    chance: random.Random
    today: date
    customers: list[str]

    def agent(self) -> str:
        return f"agent-{self.chance.randrange(1000)}"

    def customer(self) -> str:
        return self.chance.choice(self.customers)

    def conversation(self, of: int) -> str:
        return f"conversation-{self.chance.randrange(of)}"

    def window(self) -> dict[str, Timestamp]:
        """Return a window: the default one, weeks, months, any days of the year, or quarters of an hour of the last month."""
        kind = self.chance.randrange(8)
        if kind == 0:
            return {}
        if kind == 1:
            end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=self.chance.randrange(300))
            return span(end - timedelta(hours=self.chance.randrange(1, 300)), end)
        days = (7, 30, 90, 180, 365, self.chance.randrange(1, 366))[kind - 2]
        last = self.today + timedelta(days=1 - self.chance.randrange(0, 366 - min(days, 365)))
        return of_days(last - timedelta(days=days), last)

    def year(self) -> dict[str, Timestamp]:
        last = self.today + timedelta(days=1 - self.chance.randrange(3))
        return of_days(last - timedelta(days=365), last)


def span(start: datetime, end: datetime) -> dict[str, Timestamp]:
    found = {"start_time": Timestamp(), "end_time": Timestamp()}
    found["start_time"].FromDatetime(start)
    found["end_time"].FromDatetime(end)
    return found


def of_days(first: date, last: date) -> dict[str, Timestamp]:
    begin, end = (datetime(d.year, d.month, d.day, tzinfo=UTC) for d in (first, last))
    return span(begin, end)


Question = Callable[[Asking], Awaitable[Any]]
_q, _d, _m = query_service_pb2, drill_down_pb2, metrics_pb2
_DAY = metrics_pb2.GRANULARITY_DAY
_BY_AGENT, _BY_INTENT = metrics_pb2.DIMENSION_AGENT, metrics_pb2.DIMENSION_INTENT
_SOME = ("totalConversations", "conversionRate", "totalRevenue", "responseTimeP90", "distinctCustomers")


def metrics(a: Asking, *dimensions: int, **more: Any) -> Awaitable[Any]:
    return a.stub.QueryMetrics(_m.QueryMetricsRequest(measures=_SOME, dimensions=dimensions, **more))  # type: ignore[no-any-return]


def month(a: Asking) -> dict[str, Timestamp]:
    last = a.today + timedelta(days=1 - a.chance.randrange(0, 330))
    return of_days(last - timedelta(days=30), last)


#: Every unary call, by name.
QUESTIONS: dict[str, Question] = {
    "agent": lambda a: a.stub.GetAgentPerformance(_q.GetAgentPerformanceRequest(agent_id=a.agent(), **a.window())),
    "customer": lambda a: a.stub.GetCustomerInsight(_q.GetCustomerInsightRequest(customer_id=a.customer())),
    "dashboard": lambda a: a.stub.GetDashboard(_q.GetDashboardRequest(agent_id=a.agent(), **a.window())),
    "system": lambda a: a.stub.GetSystemPerformance(_q.GetSystemPerformanceRequest(**a.window())),
    "comparison": lambda a: a.stub.CompareAgents(_q.CompareAgentsRequest(page_size=PAGE, **a.window())),
    "metrics, total by day": lambda a: metrics(a, granularity=_DAY, **a.window()),
    "metrics by agent": lambda a: metrics(a, _BY_AGENT, **a.window()),
    "metrics by intent, a month": lambda a: metrics(a, _BY_INTENT, **month(a)),
    "measures": lambda a: a.stub.ListMeasures(_m.ListMeasuresRequest()),
    "facts, a month": lambda a: a.stub.ListFacts(_d.ListFactsRequest(measure="conversionsGenerated", **month(a))),
    "conversations": lambda a: a.stub.ListConversations(_d.ListConversationsRequest(**month(a))),
    "conversation": lambda a: a.stub.GetConversation(_d.GetConversationRequest(conversation_id=a.conversation(SMALL))),
    "customers": lambda a: a.stub.ListCustomers(_d.ListCustomersRequest(order=_d.CUSTOMER_ORDER_LAST_ENGAGED)),
    "timeline": lambda a: a.stub.GetCustomerTimeline(_d.GetCustomerTimelineRequest(customer_id=a.customer())),
    "agents": lambda a: a.stub.ListAgents(_d.ListAgentsRequest()),
    "follow-ups": lambda a: a.stub.ListFollowUps(_d.ListFollowUpsRequest()),
    "funnel, a month": lambda a: a.stub.GetStageFunnel(_d.GetStageFunnelRequest(**month(a))),
    "industry, a month": lambda a: a.stub.GetIndustryReport(
        report_pb2.GetIndustryReportRequest(industry=vocabulary_pb2.Trade.retail, **month(a))
    ),
    "sources, a month": lambda a: a.stub.GetSourceReport(report_pb2.GetSourceReportRequest(**month(a))),
    "insights, a month": lambda a: a.stub.ListInsights(insight_pb2.ListInsightsRequest(**month(a))),
}
#: The questions that are promised to be fast, and those that are asked of others, too.
PROMISED = ("agent", "customer", "dashboard", "system", "comparison")
YEARS: dict[str, Question] = {
    "system": lambda a: a.stub.GetSystemPerformance(_q.GetSystemPerformanceRequest(**a.year())),
    "comparison": lambda a: a.stub.CompareAgents(_q.CompareAgentsRequest(page_size=PAGE, **a.year())),
}


@dataclass(slots=True)
class Asked:
    """What came of a question: milliseconds of each call, and statements per call."""

    took_ms: list[float] = field(default_factory=list)
    statements: float = 0.0

    @property
    def p50(self) -> float:
        return statistics.median(self.took_ms)

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.took_ms, n=100)[98]


async def prepare(server: postgres.Server, name: str, count: int) -> str:
    """Record conversations and count them; return the database's URL."""
    url = server.url_of(name)
    postgres.ensure_database(server.url, name)
    migrate.upgrade(url)
    until = datetime.now(UTC).isoformat()
    with progress() as shown:
        for first in shown.track(range(0, count, PART), description=f"record {count:,}"):
            generated.record(url, first, min(first + PART, count), everything=count, until=until)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("CREATE EXTENSION pg_stat_statements")
        # A rebuild counts everything at once, faster than the changes one by one.
        conn.execute("TRUNCATE ingest.change")
        conn.execute("VACUUM ANALYZE")
    ports = free_ports()
    with service("services.scoring", RAPPORT_DATABASE_URL=url, RAPPORT_PORT=str(ports["scoring"])):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{ports['scoring']}") as channel:
            await until_ready(channel)
            stub = scoring_service_pb2_grpc.ScoringServiceStub(channel)
            with progress() as shown:
                task = shown.add_task(f"count {count:,}")
                async for message in stub.RebuildRollups(scoring_service_pb2.RebuildRollupsRequest()):
                    shown.update(task, total=message.steps_total, completed=message.steps_done)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("VACUUM ANALYZE")
    return url


@contextmanager
def serving(url: str) -> Iterator[tuple[dict[str, str], psutil.Process]]:
    """Run all four services on a database; yield their addresses, and the query service's process."""
    ports = free_ports()
    addresses = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    told = {"RAPPORT_SCORING_ADDRESS": addresses["scoring"], "RAPPORT_ALERTING_ADDRESS": addresses["alerting"]}
    with ExitStack() as stack:
        for name in ("ingest", "scoring", "alerting", "query"):
            environment = {"RAPPORT_DATABASE_URL": url, "RAPPORT_PORT": str(ports[name])} | told
            process = stack.enter_context(service(f"services.{name}", **environment))
        yield addresses, process


async def ask(asking: Asking, question: Question, recorder: Any, messages: Iterator[Any], conn: psycopg.Connection[Any]) -> Asked:
    """Ask a question again and again; before each call somebody records a conversation."""
    for _ in range(3):
        await question(asking)
    found, before = Asked(), conn.execute(_STATEMENTS).fetchall()[0][0]
    for _ in range(CALLS):
        await recorder.RecordConversation(ingest_pb.RecordConversationRequest(conversation=next(messages)))
        # Counted, so that an answer from before would be another; and looked at by alerting, which is not what is timed here.
        while conn.execute("SELECT EXISTS (SELECT FROM ingest.change)").fetchall()[0][0]:  # noqa: ASYNC110  # by another process
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.06)
        began = time.perf_counter()
        await question(asking)
        found.took_ms.append(1e3 * (time.perf_counter() - began))
    found.statements = (conn.execute(_STATEMENTS).fetchall()[0][0] - before) / CALLS
    return found


async def question_all(url: str, name: str, parquet: Path | None) -> tuple[dict[str, Asked], dict[str, float]]:
    """Ask every question of a database, and with a path export it, too; return latencies by question, and figures."""
    asked: dict[str, Asked] = {}
    figures: dict[str, float] = {}
    with serving(url) as (addresses, process), psycopg.connect(url, autocommit=True) as conn:
        async with AsyncExitStack() as stack:
            channels = [await stack.enter_async_context(grpc.aio.insecure_channel(addresses[s])) for s in ("query", "ingest")]
            for channel in channels:
                await until_ready(channel)
            known, today = [row[0] for row in conn.execute(_CUSTOMERS).fetchall()], datetime.now(UTC).date()
            asking = Asking(query_service_pb2_grpc.QueryServiceStub(channels[0]), random.Random(1), today, known)
            recorder = ingest_service_pb2_grpc.IngestServiceStub(channels[1])
            questions = QUESTIONS | {f"{question}, a year": YEARS[question] for question in YEARS}
            messages = iter(recent(f"asked-{name}", (len(questions) + 1) * (CALLS + 3)))
            with progress() as shown:
                for each in shown.track(questions, description=f"ask of {name}"):
                    asked[each] = await ask(asking, questions[each], recorder, messages, conn)
            if parquet:
                with console.status("export"):
                    figures = await export(asking.stub, url, parquet)
        figures["rss_mb"] = peak_rss_mb(process)
    return asked, figures


async def export(stub: Any, url: str, parquet: Path) -> dict[str, float]:
    """Return the rate of exports in rows a second, beside COPY TO of the same rows."""
    rates: dict[str, float] = {}
    formats = {"csv": vocabulary_pb2.ExportFormat.csv, "parquet": vocabulary_pb2.ExportFormat.parquet}
    for name, number in formats.items():
        request = export_pb2.ExportRequest(dataset=vocabulary_pb2.ExportDataset.conversations, format=number)
        began, rows = time.perf_counter(), 0
        with parquet.with_suffix(f".{name}").open("wb") as file:
            async for piece in stub.Export(request):
                file.write(piece.data)
                rows = piece.rows
        rates[f"export_{name}_per_s"] = rows / (time.perf_counter() - began)
    began = time.perf_counter()
    with psycopg.connect(url) as conn, conn.cursor() as cursor:
        with cursor.copy("COPY ingest.conversation TO STDOUT (FORMAT csv)") as out:
            for _ in out:
                pass
        rates["copy_to_per_s"] = cursor.rowcount / (time.perf_counter() - began)
    rates["export_vs_copy"] = rates["export_csv_per_s"] / rates["copy_to_per_s"]
    return rates


def ask_others(url: str, parquet: Path) -> dict[str, float]:
    """Return the median milliseconds of the year's questions by SQL of the raw table, and by DuckDB of the Parquet."""
    last = datetime.now(UTC).date() + timedelta(days=1)
    found: dict[str, float] = {}
    with psycopg.connect(url) as conn, duckdb.connect() as duck, progress() as shown:
        conn.execute("SET TIME ZONE 'UTC'")
        duck.execute("SET threads = 2")
        duck.execute(f"CREATE VIEW conversation AS SELECT * FROM read_parquet('{parquet}')")
        for question, build in shown.track(raw_questions.QUESTIONS.items(), description="ask others"):
            asked = {
                "raw": (lambda sql: conn.execute(sql.encode()).fetchall(), build(raw_questions.POSTGRES, last)),
                "duckdb": (lambda sql: duck.execute(sql).fetchall(), build(raw_questions.DUCKDB, last)),
            }
            for who, (run, statements) in asked.items():
                found[f"{question}_{who}_ms"] = statistics.median(timed(run, statements) for _ in range(RUNS))
    return found


def timed(run: Callable[[str], Any], statements: list[str]) -> float:
    began = time.perf_counter()
    for statement in statements:
        run(statement)
    return 1e3 * (time.perf_counter() - began)


def growth(large: Asked, small: Asked) -> float:
    """Return by how much a question takes longer of more conversations; 1 where the difference is none."""
    return 1.0 if large.p50 - small.p50 < NO_DIFFERENCE_MS else large.p50 / small.p50


async def measure(server: postgres.Server, folder: Path) -> tuple[dict[str, Asked], dict[str, Asked], dict[str, float]]:
    small = await prepare(server, "small", SMALL)
    large = await prepare(server, "large", N)
    parquet = folder / "conversations.parquet"
    small_asked, _ = await question_all(small, "small", None)
    large_asked, figures = await question_all(large, "large", parquet)
    figures |= ask_others(large, parquet)
    for question in YEARS:
        took = large_asked[f"{question}, a year"].p50
        figures |= {f"{question}_vs_{who}": figures[f"{question}_{who}_ms"] / took for who in ("raw", "duckdb")}
    figures |= {f"{question}_p50_ms": large_asked[question].p50 for question in PROMISED}
    figures["growth"] = max(growth(large_asked[question], small_asked[question]) for question in PROMISED)
    return large_asked, small_asked, figures


def show(large: dict[str, Asked], small: dict[str, Asked], figures: dict[str, float]) -> None:
    table = Table(title=f"{N:,} conversations beside {SMALL:,}, {CALLS} calls each")
    for column in ("question", "p50 ms", "p99 ms", "statements", f"p50 ms of {SMALL:,}", "statements"):
        table.add_column(column, justify="left" if column == "question" else "right")
    for question, asked in large.items():
        other = small[question]
        numbers = (asked.p50, asked.p99, asked.statements, other.p50, other.statements)
        table.add_row(question, *(f"{n:,.1f}" for n in numbers))
    Console().print(table)
    others = Table()
    others.add_column("figure")
    others.add_column("value", justify="right")
    for name, value in figures.items():
        others.add_row(name, f"{value:,.2f}" if value < 100 else f"{value:,.0f}")  # small ones with decimals
    Console().print(others)


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="rapport-bench-"))
    folder.chmod(0o755)
    server = postgres.start(folder / "postgres")
    try:
        with psycopg.connect(server.url, autocommit=True) as conn:
            conn.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
        server.stop()
        server = postgres.start(folder / "postgres")
        large, small, figures = uvloop.run(measure(server, folder))
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    show(large, small, figures)
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))  # noqa: T201  # the figures for machines


if __name__ == "__main__":
    main()
