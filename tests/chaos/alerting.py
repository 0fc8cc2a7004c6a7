"""Kill -9 of two alerting replicas, of PostgreSQL and of the gateway while readers follow alerts: `make chaos-alerting`.

In each round alerts come, change and go, people act about them and send again what was not answered, customers are erased,
readers leave and come back at any replica with their last token, things are killed or restarted at random moments, and the log
is deleted behind everybody; then writers end and every reader must reach the end. What each saw, and what people were answered,
is held against every revision that was ever committed, one validator for each promise. The control, an alerting whose revisions
come from a sequence and people who send again under another id, must be objected to: else the rounds would not show anything.
The last line is JSON; exits with 1 when any of that does not hold.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from tests.chaos import alert_careless, running
from tests.chaos.alert_crowd import crowd, staff
from tests.chaos.alert_house import GATEWAY, REPLICAS, AlertHouse
from tests.chaos.alert_judge import Seen, judge
from tests.chaos.alert_people import Person
from tests.chaos.alert_readers import Reader
from tests.chaos.alert_rounds import NAMES, STREAMS, Round, line_of, sums, table_of, together
from tests.chaos.alert_writers import Writers
from tests.chaos.running import Say

#: What a blow may hit; each round begins with another of them. All but `restart` are kill -9.
KINDS = ("alerting", "postgres", "gateway", "restart", "alerting-2", "replicas", "everything")
CONTROL_ROUNDS = 6

#: What people break who send an act again as another one.
_CONTROLLED = "once"

_BLOWS = (2, 4)
#: Messages that show that readers go on, and the seconds until a blow after that, and for which what was hit stays away.
_GOING_ON, _BETWEEN_S, _AWAY_S = 300, (0.0, 1.0), (0.0, 0.6)
#: Seconds in which these must come, and in which every reader has to have everything, once nobody writes any more.
_WITHIN_S = 60.0

Tasks = Sequence[asyncio.Task[None]]


@dataclass
class Chaos:
    """Rounds with one house, and what came of them so far."""

    house: AlertHouse
    writers: Writers
    people: list[Person]
    readers: list[Reader]
    chance: random.Random
    rounds: list[Round] = field(default_factory=list)

    async def run(self, kinds: Iterable[str], say: Callable[[str], None]) -> None:
        """Do a round that begins with each kind of blow."""
        for kind in kinds:
            done = await self._round(kind)
            self.rounds.append(done)
            say(f"{len(self.rounds):>3} {line_of(done)}")

    async def _round(self, first: str) -> Round:
        began = time.monotonic()
        blows = (first, *self.chance.choices(KINDS, k=self.chance.randint(*_BLOWS) - 1))
        erased = len(self.writers.erasures)
        for reader in self.readers:
            reader.calm.clear()
        workers = [asyncio.create_task(each.run()) for each in (self.writers, *self.people)]
        readers = [asyncio.create_task(reader.run()) for reader in self.readers]
        try:
            failures = await self._suffer(blows, workers, readers)
        finally:
            for task in (*workers, *readers):
                task.cancel()
            await asyncio.gather(*workers, *readers, return_exceptions=True)
        seen = Seen(
            {reader: reader.take_calls() for reader in self.readers},
            [sent for person in self.people for sent in person.take_sent()],
            list(self.writers.erasures)[erased:],
        )
        known = together(self.rounds).newest
        judged = await asyncio.to_thread(judge, self.house, seen, self.writers.erasures, known)
        return replace(judged, blows=blows, failures=[*failures, *judged.failures], seconds=time.monotonic() - began)

    async def _suffer(self, blows: Iterable[str], workers: Tasks, readers: Tasks) -> list[str]:
        """Hit what is to be hit while everybody works, then let all come to the end. Return what went wrong with that."""
        if not self.rounds:
            await self.house.lengthen_messages()
        for blow in blows:
            await self._until_going_on((*workers, *readers))
            await asyncio.sleep(self.chance.uniform(*_BETWEEN_S))
            await self._hit(blow)
        await self._until_going_on((*workers, *readers))
        return await self._end(workers, readers)

    async def _hit(self, blow: str) -> None:
        """Kill, wait a little, and start again; of everything, PostgreSQL first."""
        if blow == "restart":
            await self.house.restart(self.chance.choice(REPLICAS))
        else:
            hit = {"replicas": REPLICAS, "everything": (*REPLICAS, GATEWAY), "postgres": ()}.get(blow, (blow,))
            if blow in {"postgres", "everything"}:
                await self.house.kill_postgres()
            for service in hit:
                self.house.kill(service)
            await asyncio.sleep(self.chance.uniform(*_AWAY_S))
            if blow in {"postgres", "everything"}:
                await self.house.start_postgres()
            for service in hit:
                self.house.start_service(service)
        await asyncio.gather(*map(self.house.until_up, (*REPLICAS, GATEWAY)))

    async def _until_going_on(self, work: Tasks) -> None:
        enough, give_up = self._changes() + _GOING_ON, time.monotonic() + _WITHIN_S
        while self._changes() < enough:
            if time.monotonic() > give_up:
                raise TimeoutError(f"nothing is told any more\n{self.house.last_words()}")
            await _pause(work)

    def _changes(self) -> int:
        return sum(reader.changes for reader in self.readers)

    async def _end(self, workers: Tasks, readers: Tasks) -> list[str]:
        """Let all who write end, wait until every reader has everything, and name those that have not."""
        for each in (self.writers, *self.people):
            each.stop()
        async with asyncio.timeout(_WITHIN_S):
            await asyncio.gather(*workers)
        newest = await self.house.settled()
        for reader in self.readers:
            reader.calm.set()
        give_up = time.monotonic() + _WITHIN_S
        while behind := [reader for reader in self.readers if reader.position < newest]:
            if time.monotonic() > give_up:
                return [f"{reader.name} is at {reader.position} of {newest}" for reader in behind]
            await _pause(readers)
        return []


async def _pause(work: Tasks) -> None:
    """Wait a little; raise what failed meanwhile."""
    await asyncio.sleep(0.05)
    for task in work:
        if task.done():
            task.result()


async def run_rounds(
    house: AlertHouse, kinds: Callable[[Chaos], Iterable[str]], seed: int, say: Callable[[str], None], *, renews: bool = False
) -> Chaos:
    """Start a house, do rounds as `kinds` has them, and return what came of them. People may renew what they send again."""
    await house.start()
    try:
        async with AsyncExitStack() as stack:
            people, readers = await staff(house, seed, stack, renews=renews), await crowd(house, seed, stack)
            chaos = Chaos(house, Writers(house.url, seed), people, readers, random.Random(f"alerting chaos {seed}"))
            await chaos.run(kinds(chaos), say)
    finally:
        with suppress(ProcessLookupError):
            await house.stop()
    return chaos


async def everything(folder: Path, rounds: int, seed: int, say: Say) -> dict[str, object]:
    """Run rounds and control, and return the figures of the last line."""
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)  # connections are lost all the time
    planned = [KINDS[(seed + number) % len(KINDS)] for number in range(rounds)]
    say(f"seed {seed}")
    with Progress(console=Console(stderr=True)) as bars:
        bar = bars.add_task("rounds", total=rounds)

        def tell(line: str) -> None:
            bars.advance(bar)
            say(f"round {line}")

        real = await run_rounds(AlertHouse(folder, "alerts", "tests.chaos.alert_service"), lambda _: planned, seed, tell)
    careless = AlertHouse(folder, "control", "tests.chaos.alert_careless", alert_careless.SEQUENCE)
    control = await run_rounds(
        careless, _until_objected, seed, lambda line: say(f"control {line} ({CONTROL_ROUNDS} at most)"), renews=True
    )
    _tell(real, control, say)
    return {
        "seed": seed,
        "readers": len(real.readers),
        "people": len(real.people),
        "facts": real.writers.facts,
        **sums(real.rounds),
        "control_rounds": len(control.rounds),
        "control_objections": {promise: sum(r.count(promise) for r in control.rounds) for promise in NAMES.values()},
    }


def _tell(real: Chaos, control: Chaos, say: Say) -> None:
    """Tell what came of all rounds, and what was objected to."""
    say(table_of([*(("round", done) for done in real.rounds), *(("control", done) for done in control.rounds)]))
    for done in (*real.rounds, *control.rounds):
        lines = [f"{promise}: {line}" for promise, found in done.said.items() for line in found[:5]]
        for line in [*done.failures, *lines][:20]:
            say(line)
    say(f"rounds  {line_of(together(real.rounds))}")
    say(f"control {line_of(together(control.rounds))}")


def holds(figures: Mapping[str, Any]) -> bool:
    """Tell whether the figures are as promised, and the control shows that they could be otherwise."""
    objections = figures["control_objections"]
    shows = sum(objections[promise] for promise in STREAMS) > 0 and objections[_CONTROLLED] > 0
    return all(figures[name] == 0 for name in (*NAMES, "failures")) and shows


def _until_objected(control: Chaos) -> Iterator[str]:
    """Yield blows until streams, and what people do, were objected to."""
    for number in range(CONTROL_ROUNDS):
        if not all(any(done.count(*promises) for done in control.rounds) for promises in (STREAMS, (_CONTROLLED,))):
            yield KINDS[number % len(KINDS)]


if __name__ == "__main__":
    running.main(everything, holds)
