"""The order of agents, its pages, the best and the last, and what all come to."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from services.scoring.agents import explained, in_brief
from services.scoring.policy import Policy
from services.scoring.ranking import MOST_RANKED, Position, rank
from services.scoring.standings import Standings
from services.scoring.team import Sums, team_of


def standings_of(seed: int, agents: int = 60) -> Standings:
    """Return agents of whom some have few conversations, and some none."""
    chance = random.Random(seed)
    sums = [Sums(agent_id=f"nobody-{n}") for n in range(3)]
    for number in range(agents):
        n = chance.choice([1, 5, 30, 200])
        k = chance.randrange(n + 1)
        sums.append(
            Sums(agent_id=f"a{number}", conversations=n, ended=n, completed=k, conversions=k, escalated=n - k, csat_n=n,
                 csat_x100=400 * n, csat_x100_sq=160_000 * n, response_n=n, response_ms=9000 * n)
        )  # fmt: skip
    return Standings(team_of(sums), Policy())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [1, 7, 100])
def test_pages_together_are_the_whole_order(seed: int, size: int) -> None:
    standings = standings_of(seed)
    wanted = [*standings.team.ids, "unknown"]
    random.Random(seed).shuffle(wanted)
    pages, after = [], None
    while True:
        found = rank(standings, wanted, after, size)
        pages += found.page
        after = found.next
        if after is None:
            break
    assert pages == [each.agent_id for each in explained(standings, wanted)]


def test_a_page_may_follow_one_who_is_gone() -> None:
    standings = standings_of(1)
    whole = rank(standings, standings.team.active, None, 100).page
    best = standings.adjusted.score[standings.places[whole[0]]]
    assert rank(standings, standings.team.active, Position(float(best) + 0.5, "gone"), 100).page == whole
    assert rank(standings, standings.team.active, Position(float(best), whole[0] + "."), 100).page == whole[1:]


@pytest.mark.parametrize("seed", range(4))
def test_all_together_are_what_each_is(seed: int) -> None:
    standings = standings_of(seed)
    wanted = random.Random(seed).sample(standings.team.ids, 30)
    each, found = in_brief(standings, wanted), rank(standings, wanted, None, 2)
    assert found.distribution == Counter(g.grade.grade for g in each if g.grade.grade)
    assert found.n == sum(g.n for g in each)
    covered = [g.grade.coverage for g in each if g.grade.coverage is not None]
    assert found.coverage == pytest.approx(sum(covered) / len(covered))


def test_the_best_and_the_last_are_firm_and_nobody_is_both() -> None:
    standings = standings_of(2)
    firm = [g.agent_id for g in in_brief(standings, standings.team.ids) if g.rank and not g.grade.provisional]
    assert len(firm) < len(standings.team.active)
    found = rank(standings, standings.team.ids, None, 1)
    assert (found.leaders, found.trailers) == (firm[:MOST_RANKED], firm[: -MOST_RANKED - 1 : -1])
    few = rank(standings, firm[:7], None, 1)
    assert (few.leaders, few.trailers) == (firm[:5], [firm[6], firm[5]])
    loose = [agent for agent in standings.team.active if agent not in firm]
    assert loose
    assert (rank(standings, loose, None, 1).leaders, rank(standings, loose, None, 1).trailers) == ([], [])


def test_nobody_at_all() -> None:
    found = rank(Standings(team_of([]), Policy()), [], None, 10)
    assert (list(found.page), found.next, found.distribution, found.n, found.coverage) == ([], None, {}, 0, None)
