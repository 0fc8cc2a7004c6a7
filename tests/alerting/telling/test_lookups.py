"""Names are looked up without one tenant's holding up another's, whatever their name servers do."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from services.alerting.telling import lookups, posting
from services.alerting.telling.attempts import Outcome
from services.alerting.telling.lookups import MOST, MOST_OF_TENANT, Lookups
from services.alerting.telling.posting import Post, Poster
from services.runtime.tenancy import set_tenant
from tests.alerting.notifying import receiving
from tests.leaping import leaping
from tests.until import until


class Names:
    """Name servers: names that begin with `hang` get no answer until it ends; counts the look-ups at work, and the most."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.asked: list[str] = []
        self.at_work = self.most = 0
        self._lock = threading.Lock()

    def lookup(self, host: str, family: int) -> list[tuple[str, int]]:
        with self._lock:
            self.asked.append(host)
            self.at_work += 1
            self.most = max(self.most, self.at_work)
        if host.startswith("hang"):
            self.over.wait(20)
        with self._lock:
            self.at_work -= 1
        if host.startswith("none"):
            raise OSError("no such name")
        return [("127.0.0.1", 2)]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    made = Names()
    monkeypatch.setattr(lookups, "lookup", made.lookup)
    yield made
    made.over.set()


async def post(poster: Poster, tenant: str, url: str) -> Outcome:
    async def one() -> Outcome:
        set_tenant(tenant)
        return await poster.post(Post(url, b"{}"))

    return await asyncio.create_task(one())


async def test_tenants_whose_names_hang_keep_nobody_else_waiting(names: Names, monkeypatch: pytest.MonkeyPatch):
    leap, poster = leaping(monkeypatch), Poster(allow_local=True)
    hanging = [
        asyncio.create_task(post(poster, tenant, f"http://hang-{n}.example.com/"))
        for tenant in ("a", "b", "c")
        for n in range(20)
    ]
    await until(lambda: names.at_work == 3 * MOST_OF_TENANT)
    async with receiving() as receiver:
        outcome = await post(poster, "other", f"http://well.example.com:{receiver.port}/")
    assert outcome.is_delivered
    assert not any(each.done() for each in hanging)
    assert names.most == 3 * MOST_OF_TENANT + 1
    leap(posting.TIMEOUT_S + 1)
    assert {(await each).error for each in hanging} == {"the receiver did not answer within 10 s"}


async def test_what_nobody_waits_for_any_more_still_counts(names: Names, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(posting, "TIMEOUT_S", 0.3)
    poster = Poster(allow_local=True)
    for round_ in range(3):
        await asyncio.gather(*(post(poster, "a", f"http://hang-{round_}-{n}.example.com/") for n in range(5)))
    await until(lambda: names.at_work == MOST_OF_TENANT)
    assert names.most == MOST_OF_TENANT
    async with receiving() as receiver:
        names.over.set()
        monkeypatch.setattr(posting, "TIMEOUT_S", 10)
        outcome = await post(poster, "a", f"http://well.example.com:{receiver.port}/")
    assert outcome.is_delivered


async def test_a_name_is_looked_up_once_at_a_time_and_anew_the_next_time(names: Names):
    found = Lookups()
    waiting = [asyncio.create_task(found.find("a", "hang", 0)) for _ in range(10)]
    other = asyncio.create_task(found.find("b", "hang", 0))
    await until(lambda: names.at_work == 2)
    waiting[0].cancel()
    names.over.set()
    assert [await each for each in (*waiting[1:], other)] == [[("127.0.0.1", 2)]] * 10
    await found.find("a", "hang", 0)
    assert names.asked == ["hang"] * 3


async def test_a_name_that_stands_for_nothing_is_said_so_to_everybody(names: Names):
    found = Lookups()
    failed = await asyncio.gather(*(found.find("a", "none", 0) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in failed] == [OSError] * 3


async def test_all_look_ups_together_are_bounded(names: Names, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lookups, "MOST", 5)
    found = Lookups()
    waiting = [asyncio.create_task(found.find(f"tenant-{n}", "hang", 0)) for n in range(20)]
    await until(lambda: names.at_work == 5)
    await asyncio.sleep(0.1)
    assert names.most == 5
    names.over.set()
    await asyncio.gather(*waiting)
    assert MOST >= 20 * MOST_OF_TENANT


async def test_real_names_are_found():
    assert await Lookups().find("a", "localhost", 2) == [("127.0.0.1", 2)]
    # An address of the other family: the system finds nothing, and asks no name server, which may say anything.
    with pytest.raises(OSError):  # noqa: PT011  # what the system says differs
        await Lookups().find("a", "127.0.0.1", socket.AF_INET6)


def test_threads_keep_no_process_from_ending(names: Names):
    async def begin() -> Any:
        waiting = asyncio.create_task(Lookups().find("a", "hang", 0))
        await until(lambda: names.at_work == 1)
        return waiting.cancel()

    asyncio.run(begin())
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "names")
    assert any(thread.name == "names" for thread in threading.enumerate())
