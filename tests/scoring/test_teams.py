"""What is kept of teams in memory is what the database says, at every moment and for every window."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from rapport.ingest.v1 import ingest_service_pb2 as ingest_pb
from rapport.scoring.v1 import scoring_service_pb2 as pb
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime import windows
from services.runtime.windows import Window
from services.scoring import store, team_store
from services.scoring.agents import explained, in_brief
from services.scoring.policy import Policy
from services.scoring.standings import Standings, benchmarks
from services.scoring.store import Only
from services.scoring.team import Team
from services.scoring.team_days import SUMMED, Days, TeamDays
from services.scoring.team_store import Known
from services.scoring.teams import Teams
from services.storage.reading import get_settings
from services.storage.readings import Reading, read
from tests.facts import END, Facts
from tests.fix_services import House
from tests.scoring.telling import rows, talked
from tests.scoring.test_rollups import in_zone, record
from tests.storage.sending import recording

SHOP = ("whatsapp", "retail")


def told(team: Team) -> dict[str, dict[str, float]]:
    """Return the sums of the agents who had a conversation, by agent."""
    working = set(team.active)
    return {
        agent: {name: float(column[place]) for name, column in team.sums.items()}
        for place, agent in enumerate(team.ids)
        if agent in working
    }


async def both(house: House, teams: Teams, window: Window, only: Only = store.EVERYTHING) -> tuple[Team, Team]:
    async with house.scoring_database.snapshot() as conn:
        settings = await get_settings(conn)
        (kept,) = await teams.get(conn, [window], await known(conn, house.clock.now), only)
        return kept, await store.get_team(conn, window, settings.reporting_currency, only)


async def known(conn: AsyncConnection, now: datetime) -> Known:
    return (await read(conn, team_store.known(now)))[0]


def some_window(chance: random.Random, today: date, zone: str) -> Window:
    first = today - timedelta(days=chance.randrange(120))
    return windows.of_days(first, first + timedelta(days=chance.randrange(1, 130)), zone)


@pytest.mark.parametrize("seed", range(3))
async def test_kept_sums_are_those_of_the_database_while_facts_come_in(house: House, seed: int) -> None:
    chance, teams, facts = random.Random(seed), Teams(), Facts(seed)
    zone = chance.choice(["Asia/Kathmandu", "America/St_Johns", "UTC"])
    await in_zone(house, zone)
    house.clock.now = END - timedelta(hours=12)
    today = windows.local_day(house.clock.now, zone)
    for _ in range(4):
        await record(house, facts, chance, 2)
        await house.drain()
        for _ in range(5):
            kept, stored = await both(house, teams, some_window(chance, today, zone))
            assert_same(kept, stored)
            assert kept.industries == stored.industries


def assert_same(kept: Team, stored: Team) -> None:
    one, other = told(kept), told(stored)
    assert one.keys() == other.keys()
    for agent, sums in one.items():
        assert sums == pytest.approx(other[agent], rel=1e-12, abs=1e-9)


async def busy(house: House, seed: int = 1) -> None:
    house.clock.now = END - timedelta(hours=12)
    await record(house, Facts(seed), random.Random(seed), 6)
    await house.drain()


async def test_without_asking_what_moved_old_sums_are_answered(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    await busy(house)
    teams, window = Teams(), windows.last_days(90, "UTC", house.clock.now)
    assert_same(*await both(house, teams, window))
    then = await in_snapshot(house, known, house.clock.now)
    await record(house, Facts(2), random.Random(2), 3)
    await house.drain()
    with monkeypatch.context() as patched:
        patched.setattr(team_store, "known", lambda _: Reading(select(1), lambda _: (then, house.clock.now)))
        kept, stored = await both(house, teams, window)
        assert told(kept) != told(stored)
    assert_same(*await both(house, teams, window))


async def in_snapshot(house: House, ask: Any, *arguments: Any) -> Any:
    async with house.scoring_database.snapshot() as conn:
        return await ask(conn, *arguments)


async def test_what_did_not_move_is_not_read_again(house: House) -> None:
    await busy(house)
    teams, window = Teams(), windows.last_days(30, "UTC", house.clock.now)
    await both(house, teams, window)
    with recording() as sent:
        async with house.scoring_database.snapshot() as conn:
            await teams.get(conn, [window], await known(conn, house.clock.now))
    assert [s.statement for s in sent if "scoring.agent_day" in s.statement or "scoring.revenue_day" in s.statement] == []
    assert [s.statement for s in sent if "scoring.agent_state" in s.statement] != []


@pytest.mark.parametrize("days", [1, 401, 500])
async def test_too_much_or_too_old_is_not_kept_and_answered_all_the_same(house: House, days: int) -> None:
    await busy(house)
    for teams in (Teams(budget=1), Teams()):
        assert_same(*await both(house, teams, windows.last_days(days, "UTC", house.clock.now)))
    assert_same(*await both(house, Teams(), some_window(random.Random(1), END.date() - timedelta(days=450), "UTC")))


async def test_a_rebuild_in_another_zone_and_a_new_rate_are_seen(house: House) -> None:
    await busy(house)
    teams, window = Teams(), windows.last_days(60, "UTC", house.clock.now)
    assert_same(*await both(house, teams, window))
    rate = ingest_pb.ExchangeRate(from_currency="USD", to_currency="EUR", date=str(END.date() - timedelta(days=40)), rate="2.5")
    await house.ingest.PutExchangeRates(ingest_pb.PutExchangeRatesRequest(rates=[rate]), house.caller)
    assert_same(*await both(house, teams, window))
    request = pb.RebuildRollupsRequest(time_zone="Asia/Kathmandu")
    _ = [m async for m in house.scoring.RebuildRollups(request, house.caller)]
    assert_same(*await both(house, teams, windows.last_days(60, "Asia/Kathmandu", house.clock.now)))


@pytest.mark.parametrize("only", [Only(platforms=(1, 4)), Only(platforms=(0,)), Only(platforms=(77,))])
async def test_platforms_are_told_apart(house: House, only: Only) -> None:
    await busy(house)
    window = windows.last_days(90, "UTC", house.clock.now)
    kept, stored = await both(house, Teams(), window, only)
    assert_same(kept, stored)
    of = ", ".join(map(str, only.platforms))
    first = window.days[0] if window.days else None
    counted = rows(
        house,
        "SELECT agent_id, sum(conversations) FROM scoring.agent_day "
        f"WHERE platform IN ({of}) AND agent_id <> '' AND bucket >= '{first}' GROUP BY 1",
    )
    assert {a: s["conversations"] for a, s in told(kept).items()} == {a: float(n) for a, n in counted if n}


async def test_all_industries_together_are_everything(house: House) -> None:
    await busy(house)
    window = windows.last_days(90, "UTC", house.clock.now)
    names = {name for (name,) in rows(house, "SELECT DISTINCT industry FROM ingest.conversation")}
    names |= {name for (name,) in rows(house, "SELECT DISTINCT industry FROM ingest.agent WHERE industry IS NOT NULL")} | {""}
    everything, _ = await both(house, Teams(), window)
    each = [told((await both(house, Teams(), window, Only(industries=(name,))))[0]) for name in sorted(names)]
    together: dict[str, dict[str, float]] = {}
    for part in each:
        for agent, sums in part.items():
            known = together.setdefault(agent, dict.fromkeys(sums, 0.0))
            together[agent] = {name: known[name] + value for name, value in sums.items()}
    flags = {agent: sums.pop("is_partly_unconverted") > 0 for agent, sums in together.items()}
    expected = told(everything)
    assert flags == {agent: sums.pop("is_partly_unconverted") > 0 for agent, sums in expected.items()}
    assert together.keys() == expected.keys()
    for agent, sums in together.items():
        assert sums == pytest.approx(expected[agent], rel=1e-12, abs=1e-9)


async def test_brief_grades_are_the_whole_ones_without_their_reasons(house: House) -> None:
    await busy(house)
    team, _ = await both(house, Teams(), windows.last_days(90, "UTC", house.clock.now))
    standings = Standings(team, Policy())
    whole, brief = (grade(standings, [*team.active, "nobody"]) for grade in (explained, in_brief))
    assert len(whole) > 2
    for one, other in zip(whole, brief, strict=True):
        assert (one.agent_id, one.n, one.industry, one.rank, one.adjusted) == (
            other.agent_id, other.n, other.industry, other.rank, other.adjusted,
        )  # fmt: skip
        assert (one.grade.grade, one.grade.provisional) == (other.grade.grade, other.grade.provisional)
        assert (one.grade.score, one.grade.coverage) == (pytest.approx(other.grade.score), pytest.approx(other.grade.coverage))
        assert (other.grade.breakdown, other.evidence) == ((), {})


@pytest.mark.parametrize(
    ("asked", "first"), [({}, "agent-0"), ({"platforms": [1]}, "agent-3"), ({"industries": ["retail"]}, "agent-3")]
)
async def test_who_brought_most_revenue(house: House, asked: dict[str, Any], first: str) -> None:
    await in_zone(house, "UTC")
    await busy(house)
    for agent, value, where in (("agent-0", 1000, ("web", "finance")), ("agent-1", 40, SHOP), ("agent-3", 90, SHOP)):
        sale = {"type": "purchase", "value": value, "currency": "EUR"}
        told_of = {"platform": where[0], "industry": where[1], "conversion_event": sale}
        await talked(house, f"sale of {agent}", house.clock.now - timedelta(days=1), agent, "c", **told_of)
    await house.drain()
    window = windows.last_days(120, "UTC", house.clock.now)
    request = pb.ListEarnersRequest(limit=4, **asked)
    request.start_time.FromDatetime(window.start)
    answer = await house.scoring.ListEarners(request, house.caller)
    only = Only(tuple(asked.get("platforms", ())), tuple(asked.get("industries", ())))
    _, stored = await both(house, Teams(), window, only)
    revenue = dict(zip(stored.ids, stored.sums["revenue"].tolist(), strict=True))
    by_revenue = sorted(revenue, key=lambda agent: (-revenue[agent], agent))
    assert list(answer.agent_ids) == [agent for agent in by_revenue if revenue[agent] > 0][:4]
    assert (answer.agent_ids[0], len({each for each in revenue.values() if each > 0}) > 1) == (first, True)


def test_windows_of_any_length_are_added_right() -> None:
    first, length = date(2026, 1, 1), 130
    random_ = np.random.default_rng(1)
    values = random_.integers(0, 10**9, size=(3, len(SUMMED), length)).astype(float)
    values[1, :, 7] = 10.0**30  # large beside all others, in a day of its own
    days = [Days(f"a{n}", np.arange(length), values[n]) for n in range(3)]
    team = TeamDays(first, first + timedelta(days=length), days)
    for begin in range(0, length, 3):
        for end in range(begin + 1, length, 5):
            found = team.between(first + timedelta(days=begin), first + timedelta(days=end))
            for n, name in enumerate(SUMMED[:-1]):
                assert found[name] == pytest.approx(values[:, n, begin:end].sum(axis=1), rel=1e-14)


async def test_benchmarks_are_of_the_agents_asked_for(house: House) -> None:
    await busy(house)
    team, _ = await both(house, Teams(), windows.last_days(90, "UTC", house.clock.now))
    standings, agents = Standings(team, Policy()), team.active[:3]
    own = {g.agent_id: {p.metric: (g.evidence[p.metric].n, p.value) for p in g.grade.breakdown if p.value is not None}
           for g in explained(standings, agents)}  # fmt: skip
    found = benchmarks(standings, [*agents, "nobody"])
    assert len(found) > 3
    for each in found:
        n, values = zip(*(metrics[each.metric] for metrics in own.values() if each.metric in metrics), strict=True)
        assert (each.n, each.mean) == (len(values), pytest.approx(np.mean(values)))
        assert each.quartiles == pytest.approx(np.quantile(values, [0.25, 0.5, 0.75]))
        assert each.pooled == pytest.approx(np.average(values, weights=n))
    assert benchmarks(standings, ["nobody"]) == []
