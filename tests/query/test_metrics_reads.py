"""What is read: no more statements for more groups, and no table that nothing asked for is kept in."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from rapport.query.v1 import metrics_pb2 as pb

from services.storage.schema import metadata
from tests.query.asking import day_start
from tests.query.conftest import Service
from tests.query.metrics_world import ask
from tests.query.rows import TODAY, WHATSAPP, Rows, ago
from tests.query.test_metrics import NAMES
from tests.storage.binding import unbound
from tests.storage.sending import recording


async def tables(service: Service, *measures: str, **asked: Any) -> set[str]:
    """Return the tables of numbers and facts that a question reads."""
    with service.statements() as sent:
        await ask(service, *measures, **asked)
    read = {table for statement in sent for table in re.findall(r"(?:scoring|ingest)\.(\w+)", statement)}
    return read - {"change", "tenant_settings", "exchange_rate"}


@pytest.mark.parametrize(
    ("measures", "asked", "read"),
    [
        (["totalConversations"], {}, {"counts_total_day"}),
        (["totalConversations"], {"dimensions": [2]}, {"counts_total_day"}),
        (["totalConversations"], {"dimensions": [1]}, {"counts_total_day", "agent_day"}),
        (["totalConversations"], {"filter": {"agent_ids": ["1"]}}, {"agent_day"}),
        (["totalConversations"], {"time_zone": "UTC"}, {"agent_interval"}),
        (["totalRevenue"], {}, {"counts_total_day", "revenue_total_day"}),
        (["misses"], {"dimensions": [14]}, {"counts_total_day", "tally_total_day"}),
        (["responseTimeP50"], {}, {"counts_total_day", "response_total_day"}),
        (["durationP99"], {"dimensions": [1]}, {"counts_total_day", "duration_total_day", "duration_day"}),
        (["distinctCustomers"], {"dimensions": [2]}, {"counts_total_day", "presence"}),
        (["totalCost"], {"dimensions": [1]}, {"counts_total_day", "cost_period"}),
        (["totalConversations"], {"granularity": pb.GRANULARITY_HOUR}, {"counts_total_day", "agent_interval"}),
        (
            ["totalConversations"],
            {"dimensions": [9]},
            {"counts_total_day", "contribution", "remainder", "customer_state", "horizon"},
        ),
        (["totalConversations"], {"filter": {"outcomes": [1]}}, {"contribution", "remainder", "horizon"}),
        (["successes"], {"filter": {"outcomes": [1]}}, {"contribution", "remainder", "horizon"}),
        (["misses"], {"filter": {"outcomes": [2, 9]}}, {"tally_total_day"}),
    ],
)
async def test_only_what_the_measures_need_is_read(
    service: Service, measures: list[str], asked: dict[str, Any], read: set[str]
) -> None:
    assert await tables(service, *measures, **asked) == read


@pytest.mark.parametrize("by", [[], [1], [2, 1], [5], [4, 9, 1]])
async def test_the_number_of_statements_does_not_grow_with_groups_or_measures(
    service: Service, rows: Rows, by: list[int]
) -> None:
    every = [*NAMES[:19], "totalCost"] if by in ([], [1]) else NAMES[:20]
    rows.counts("0", ago(hours=1), n=1)
    window = {"start": day_start(3), "end": day_start(-1), "granularity": pb.GRANULARITY_DAY, "compare_with_previous": True}
    sent_by_turn = []
    for turn in range(2):
        for number in range(1 + 20 * turn):
            name = f"{turn}-{number}"
            rows.counts(name, ago(hours=1), n=1)
            rows.money(name, ago(hours=1), "1", currency=f"X{number % 7}Y")
            rows.times(name, ago(hours=1), 50 + number, 1)
            rows.presence(2, name, TODAY, 1)
            rows.cost("1", TODAY, TODAY + timedelta(days=1), agent_id=name)
            rows.contribution(name, ago(hours=1), agent_id=name, platform=WHATSAPP)
            rows.conversation(name, ago(hours=1), tags=[f"t{number}"], intents=[f"i{number}"])
        with service.statements() as sent:
            answer = await ask(service, *every, dimensions=by, **window)
        assert (len(answer.groups) > 10 * turn) == bool(by)
        sent_by_turn.append(len(sent))
    assert sent_by_turn[0] == sent_by_turn[1]


async def test_measures_of_one_keeping_are_read_together(service: Service) -> None:
    counts = []
    for names in (
        ["totalConversations"],
        ["totalConversations", "escalationRate", "noShows", "positiveShare", "averageResponseTime"],
    ):
        with service.statements() as sent:
            await ask(service, *names, dimensions=[1], granularity=pb.GRANULARITY_WEEK)
        counts.append(len(sent))
    assert counts[0] == counts[1]


async def test_every_statement_is_bound_to_the_tenant(service: Service) -> None:
    tenants = {t.fullname for t in metadata.sorted_tables if "tenant_id" in t.c}
    questions: list[dict[str, Any]] = [{"dimensions": by} for by in ([], [1], [2], [1, 2], [4, 5, 7], [3, 9, 10], [14])]
    questions += [{"time_zone": "UTC"}, {"filter": {"customer_ids": ["c"], "agent_ids": ["1"], "platforms": [1]}}]
    with recording() as sent:
        for question in questions:
            fits = not question.get("filter") and question.get("dimensions", []) in ([], [1])
            for names in (NAMES[:19], NAMES[19:38], NAMES[38:57], NAMES[57:]):
                asked = {"granularity": pb.GRANULARITY_WEEK, "compare_with_previous": True} | question
                await ask(service, *names, *(["totalCost"] if fits else []), **asked)
    loose = [one.statement for one in sent if unbound(one.statement, tenants, lambda number, one=one: number in one.asked)]
    assert loose == []
    assert len(sent) > 50
