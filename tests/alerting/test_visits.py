"""Visits to tenants: few at once, nobody twice at once, and nobody waits for one that lasts while there is room."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict

from services.alerting.visits import Visits


class Hosts:
    """Tenants that are visited until each lets its visitor go; a visit finds something to do where `busy` says so."""

    def __init__(self, busy: str = "") -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.doors: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._busy = busy
        self._there: Counter[str] = Counter()
        self.most_at_once = self.most_of_one = 0

    async def visit(self, tenant: str) -> bool:
        self.begun.append(tenant)
        self._there[tenant] += 1
        self.most_at_once = max(self.most_at_once, self._there.total())
        self.most_of_one = max(self.most_of_one, self._there[tenant])
        try:
            await self.doors[tenant].wait()
        finally:
            self._there[tenant] -= 1
        self.ended.append(tenant)
        return tenant in self._busy

    def let_go(self, tenants: str) -> None:
        for tenant in tenants:
            self.doors[tenant].set()


async def settled() -> None:
    """Let everything happen that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_there_is_room_for_few_and_the_others_come_in_their_order():
    hosts = Hosts(busy="d")
    visits = Visits(2, hosts.visit)
    asked = visits.begin("abcde")
    await settled()
    assert hosts.begun == ["a", "b"]
    hosts.let_go("b")
    await settled()
    assert hosts.begun == ["a", "b", "c"], "the place of one that is over is taken at once"
    assert not visits.has_worked.is_set()
    hosts.let_go("acde")
    assert await asyncio.gather(*asked) == [False, False, False, True, False]
    assert (hosts.begun, hosts.most_at_once) == (list("abcde"), 2)
    assert visits.has_worked.is_set()


async def test_nobody_is_visited_twice_at_once_and_anybody_again():
    hosts = Hosts()
    visits = Visits(2, hosts.visit)
    visits.begin("abc")
    await settled()
    assert visits.begin("abc") == [], "two are visited, one waits"
    hosts.let_go("abc")
    await settled()
    await asyncio.gather(*visits.begin("abc"))
    assert (hosts.begun, hosts.most_of_one) == (list("abcabc"), 1)


async def test_one_that_lasts_keeps_nobody_else():
    hosts = Hosts()
    visits = Visits(2, hosts.visit)
    visits.begin("a")
    hosts.let_go("bc")
    for _ in range(3):
        await asyncio.gather(*visits.begin("abc"))
    assert hosts.ended == list("bcbcbc")
    await visits.settle(0)


async def test_at_the_end_who_is_visited_is_waited_for_and_nobody_else_is_visited():
    hosts = Hosts()
    visits = Visits(2, hosts.visit)
    asked = visits.begin("abcd")
    await settled()
    settling = asyncio.create_task(visits.settle(0.2))
    await settled()
    hosts.let_go("a")
    await settling
    assert [(each.cancelled(), not each.cancelled() and each.result()) for each in asked[1:]] == [
        (True, False),  # it lasted longer
        (False, False),
        (False, False),
    ]
    assert (hosts.begun, hosts.ended) == (["a", "b"], ["a"])
    hosts.let_go("b")
    await asyncio.gather(*visits.begin("b"))
    assert hosts.ended == ["a", "b"], "it may begin again"


async def test_an_end_that_is_given_up_gives_up_the_visits():
    hosts = Hosts()
    visits = Visits(1, hosts.visit)
    asked = visits.begin("ab")
    await settled()
    settling = asyncio.create_task(visits.settle(60))
    await settled()
    settling.cancel()
    await asyncio.gather(settling, return_exceptions=True)
    assert [each.cancelled() for each in asked] == [True, True]
