"""Who brought most revenue: everybody who did, and nobody else, by whatever way the sums are read."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest
from rapport.scoring.v1 import scoring_service_pb2 as pb

from services.runtime import windows
from services.scoring import store
from services.scoring.store import Only
from services.scoring.team import Sums, team_of
from services.scoring.teams import Teams
from services.storage.reading import get_settings
from tests.fix_services import House
from tests.scoring.telling import happened, rows, settled, talked
from tests.scoring.test_teams import both

WEB = 4
ASKED = pytest.mark.parametrize("asked", [{}, {"platforms": [WEB]}, {"industries": ["retail"]}])
#: Today is half over. Sums of hours are the database's; those of whole days are kept, unless few facts are meant.
TODAY = datetime(2026, 11, 20, tzinfo=UTC)
HOURS, DAYS = ((TODAY + timedelta(hours=6), TODAY + timedelta(hours=13)), (TODAY - timedelta(days=1), TODAY + timedelta(days=1)))
SPANS = pytest.mark.parametrize("span", [HOURS, DAYS], ids=["hours", "days"])
Span: TypeAlias = tuple[datetime, datetime]


async def paid(house: House, agent: str, amount: int, currency: str = "USD", *, is_back: bool = False) -> None:
    """Record a payment of whole units half an hour ago, which belongs to the agent's conversation; or money given back."""
    kind = "TRANSACTION_KIND_REFUND" if is_back else "TRANSACTION_KIND_CHARGE"
    body = {"transactionId": f"of {agent}", "kind": kind, "status": "TRANSACTION_STATUS_SETTLED"}
    money = {"amount": {"currencyCode": currency, "units": amount}}
    of = {"agent": agent, "conversation": f"of {agent}"} if agent else {}
    await happened(house, "transaction", body | money, house.clock.now - timedelta(minutes=30), **of)


async def earners(house: House, span: Span, limit: int = 0, **asked: Any) -> list[str]:
    request = pb.ListEarnersRequest(limit=limit, **asked)
    request.start_time.FromDatetime(span[0])
    request.end_time.FromDatetime(span[1])
    return list((await house.scoring.ListEarners(request, house.caller)).agent_ids)


async def grades(house: House, span: Span, **asked: Any) -> tuple[Any, ...]:
    request = pb.GradeAgentsRequest(page_size=10, **asked)
    request.start_time.FromDatetime(span[0])
    request.end_time.FromDatetime(span[1])
    answer = await house.scoring.GradeAgents(request, house.caller)
    return list(answer.grades), answer.graded, list(answer.resting), list(answer.benchmarks), answer.quality.n


async def a_payer(house: House) -> None:
    """Let one agent talk three days ago, and another one now."""
    now = house.clock.now
    for agent, at in (("payer", now - timedelta(days=3)), ("talker", now - timedelta(hours=1))):
        sale = {"type": "purchase", "value": 5, "currency": "USD"}
        await talked(house, f"of {agent}", at, agent, "c", industry="retail", conversion_event=sale)
    await settled(house)


@ASKED
@SPANS
async def test_money_without_a_conversation_in_the_window_counts(house: House, span: Span, asked: dict[str, Any]) -> None:
    await a_payer(house)
    before = await grades(house, span, **asked)
    assert (len(before[0]), before[1], before[2]) == (1, 1, ["payer"])
    await paid(house, "payer", 40)
    await settled(house)
    assert await earners(house, span, **asked) == ["payer", "talker"]
    stored = rows(
        house,
        "SELECT agent_id, sum(amount) FROM scoring.revenue_interval "
        f"WHERE bucket >= '{span[0]}' AND platform = {WEB} GROUP BY 1 ORDER BY 2 DESC",
    )
    assert [(agent, int(amount)) for agent, amount in stored] == [("payer", 40), ("talker", 5)]
    # Who had no conversation is graded no more than before, and nobody is graded otherwise.
    assert await grades(house, span, **asked) == before


@ASKED
@SPANS
async def test_the_sums_of_one_who_was_only_paid_say_nothing_else(house: House, span: Span, asked: dict[str, Any]) -> None:
    await a_payer(house)
    await paid(house, "payer", 40)
    await settled(house)
    window = windows.resolve(*span, "UTC", house.clock.now)
    async with house.scoring_database.snapshot() as conn:
        currency = (await get_settings(conn)).reporting_currency
        only = Only(tuple(asked.get("platforms", ())), tuple(asked.get("industries", ())))
        sums = {each.agent_id: each for each in await store.get_sums(conn, window, currency, only)}
    assert sums["payer"] == Sums(agent_id="payer", revenue=sums["payer"].revenue, revenue_sq=sums["payer"].revenue_sq)
    assert (sums["payer"].revenue, sums["payer"].revenue_sq, sums["talker"].conversations) == (40, 1600, 1)


async def test_money_of_no_agent_is_no_agents(house: House) -> None:
    await paid(house, "", 7)
    await settled(house)
    for span in (HOURS, DAYS):
        for asked in ({}, {"platforms": [0]}, {"industries": [""]}):
            assert await earners(house, span, **asked) == []


async def test_kept_sums_and_those_of_the_database_name_the_same(house: House) -> None:
    await a_payer(house)
    await paid(house, "payer", 40)
    await settled(house)
    window = windows.last_days(2, "UTC", house.clock.now)
    kept, stored = await both(house, Teams(), window)
    assert kept.earners(9) == stored.earners(9) == ["payer", "talker"]


@ASKED
@SPANS
async def test_refunds_and_money_without_a_rate_crowd_nobody_out(house: House, span: Span, asked: dict[str, Any]) -> None:
    await a_payer(house)
    now = house.clock.now
    for n in range(3):
        await talked(house, f"of refunded {n}", now - timedelta(hours=2), f"refunded {n}", "c", industry="retail")
        await paid(house, f"refunded {n}", 10, is_back=True)
        await talked(house, f"of abroad {n}", now - timedelta(hours=2), f"abroad {n}", "c", industry="retail")
        await paid(house, f"abroad {n}", 10, "KWD")
    await settled(house)
    assert await earners(house, span, limit=2, **asked) == ["talker"]


def test_only_who_brought_revenue_is_named_most_first_equals_by_id() -> None:
    team = team_of(Sums(agent_id=agent, revenue=revenue) for agent, revenue in (  # type: ignore[arg-type]  # numbers do as well
        ("a", 0), ("b", 5), ("c", -1), ("d", 7), ("e", 5), ("f", 0.1 + 0.2 - 0.3),
        ("g", 0.3), ("h", 0.1 + 0.2),
    ))  # fmt: skip
    assert team.earners(9) == ["d", "b", "e", "g", "h"]
    assert team.earners(2) == ["d", "b"]
    assert team_of([]).earners(3) == []


async def test_a_caller_that_gives_up_leaves_what_it_began(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or sums that take longer to read than anybody waits for would never be there."""
    await a_payer(house)
    began, go_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()
    get = Teams.get

    async def slowly(*args: Any, **kwargs: Any) -> Any:
        began.set()
        await go_on.wait()
        found = await get(*args, **kwargs)
        done.set()
        return found

    monkeypatch.setattr(Teams, "get", slowly)
    asked = asyncio.create_task(earners(house, DAYS))
    await began.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    go_on.set()
    async with asyncio.timeout(30):
        await done.wait()
