"""Kill -9 of two alerting replicas, of PostgreSQL and of the gateway while readers follow alerts: `make chaos-alerting`.

In each round alerts come, change and go, readers leave and come back at any replica with their last token, things are killed
or restarted at random moments, and the log is deleted behind everybody; then writers end and every reader must reach the end.
What each saw is held against every revision that was ever committed, one validator for each promise. The control, an alerting
whose revisions come from a sequence, must be objected to: else the rounds would not show anything. The last line is JSON;
exits with 1 when any of that does not hold.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rich.console import Console
from rich.progress import Progress

from services.alerting import store
from tests.alerting.histories import History
from tests.alerting.validators import VALIDATORS, objections
from tests.chaos import alert_careless, running
from tests.chaos.alert_crowd import crowd
from tests.chaos.alert_house import GATEWAY, REPLICAS, AlertHouse
from tests.chaos.alert_readers import Reader
from tests.chaos.alert_rounds import NAMES, Round, line_of, sums, table_of, together
from tests.chaos.alert_writers import Writers
from tests.chaos.running import Say

#: What a blow may hit; each round begins with another of them. All but `restart` are kill -9.
KINDS = ("alerting", "postgres", "gateway", "restart", "alerting-2", "replicas", "everything")
CONTROL_ROUNDS = 6

_BLOWS = (2, 4)
#: Messages that show that readers go on, and the seconds until a blow after that, and for which what was hit stays away.
_GOING_ON, _BETWEEN_S, _AWAY_S = 300, (0.0, 1.0), (0.0, 0.6)
#: Seconds in which these must come, and in which every reader has to have everything, once nobody writes any more.
_WITHIN_S = 60.0
#: How streams may end. What the services do not say themselves is of the way there: it has no reason.
_ENDS = {"LEFT", "OK", "OUT_OF_RANGE RESUME_TOKEN_EXPIRED", "RESOURCE_EXHAUSTED SLOW_CONSUMER"}
_ENDS |= {"UNAVAILABLE", "UNAVAILABLE DATABASE_UNAVAILABLE", "DEADLINE_EXCEEDED DEADLINE_EXCEEDED"}
_ENDS |= {"INTERNAL", "UNKNOWN", "CANCELLED"}


@dataclass
class Chaos:
    """Rounds with one house, and what came of them so far."""

    house: AlertHouse
    writers: Writers
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
        for reader in self.readers:
            reader.calm.clear()
        work = [asyncio.create_task(each) for each in (self.writers.run(), *(reader.run() for reader in self.readers))]
        try:
            failures = await self._suffer(blows, work)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        if ended := self.house.ended():
            failures.append(f"{', '.join(ended)} ended unasked\n{self.house.last_words()}")
        histories = [reader.take_history() for reader in self.readers]
        return await asyncio.to_thread(self._judge, blows, histories, failures, began)

    async def _suffer(self, blows: Iterable[str], work: Sequence[asyncio.Task[None]]) -> list[str]:
        """Hit what is to be hit while everybody works, then let all come to the end. Return what went wrong with that."""
        if not self.rounds:
            await self.house.lengthen_messages()
        for blow in blows:
            await self._until_going_on(work)
            await asyncio.sleep(self.chance.uniform(*_BETWEEN_S))
            await self._hit(blow)
        await self._until_going_on(work)
        return await self._end(work)

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

    async def _until_going_on(self, work: Iterable[asyncio.Task[None]]) -> None:
        enough, give_up = self._changes() + _GOING_ON, time.monotonic() + _WITHIN_S
        while self._changes() < enough:
            if time.monotonic() > give_up:
                raise TimeoutError(f"nothing is told any more\n{self.house.last_words()}")
            await _pause(work)

    def _changes(self) -> int:
        return sum(reader.changes for reader in self.readers)

    async def _end(self, work: Sequence[asyncio.Task[None]]) -> list[str]:
        """Let writers end, wait until every reader has everything, and name those that have not."""
        self.writers.stop()
        await work[0]
        newest = await self.house.settled()
        for reader in self.readers:
            reader.calm.set()
        give_up = time.monotonic() + _WITHIN_S
        while behind := [reader for reader in self.readers if reader.position < newest]:
            if time.monotonic() > give_up:
                return [f"{reader.name} is at {reader.position} of {newest}" for reader in behind]
            await _pause(work[1:])
        return []

    def _judge(self, blows: tuple[str, ...], histories: Sequence[History], failures: list[str], began: float) -> Round:
        """Hold what readers saw against the log, which must have no gaps itself."""
        log, known = self.house.log(), sum(done.revisions for done in self.rounds)
        said: dict[str, list[str]] = {}
        if log.revisions != list(range(1, len(log.revisions) + 1)):
            failures = [*failures, f"the log has {len(log.revisions)} revisions up to {log.revisions[-1]}"]
        for history in histories:
            for promise, lines in objections(history, log).items():
                said.setdefault(promise, []).extend(f"{history.reader}: {line}" for line in lines)
        streams = [stream for history in histories for stream in history.streams]
        ends = Counter(f"{stream.end.status} {stream.end.reason}".strip() for stream in streams if stream.end)
        failures = [*failures, *(f"{times} streams ended with {end}" for end, times in ends.items() if end not in _ENDS)]
        messages = sum(len(stream.seen) for stream in streams)
        return Round(blows, len(log.revisions) - known, messages, ends, said, failures, time.monotonic() - began)


async def _pause(work: Iterable[asyncio.Task[None]]) -> None:
    """Wait a little; raise what failed meanwhile."""
    await asyncio.sleep(0.05)
    for task in work:
        if task.done():
            task.result()


async def run_rounds(house: AlertHouse, kinds: Callable[[Chaos], Iterable[str]], seed: int, say: Callable[[str], None]) -> Chaos:
    """Start a house, do rounds as `kinds` has them, and return what came of them."""
    await house.start()
    writers = Writers(house.url, seed)
    try:
        async with AsyncExitStack() as stack:
            readers = await crowd(house, seed, stack)
            chaos = Chaos(house, writers, readers, random.Random(f"alerting chaos {seed}"))
            await chaos.run(kinds(chaos), say)
    finally:
        await writers.close()
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
    with patch.object(store, "advance_log", alert_careless.advance_log):
        control = await run_rounds(
            careless, _until_objected, seed, lambda line: say(f"control {line} ({CONTROL_ROUNDS} at most)")
        )
    say(table_of([*(("round", done) for done in real.rounds), *(("control", done) for done in control.rounds)]))
    for done in (*real.rounds, *control.rounds):
        lines = [f"{promise}: {line}" for promise, found in done.said.items() for line in found[:5]]
        for line in [*done.failures, *lines][:20]:
            say(line)
    say(f"rounds  {line_of(together(real.rounds))}")
    say(f"control {line_of(together(control.rounds))}")
    return {
        "seed": seed,
        "readers": len(real.readers),
        "facts": real.writers.facts,
        "acts": real.writers.acts,
        **sums(real.rounds),
        "control_rounds": len(control.rounds),
        "control_objections": {promise: sum(r.count(promise) for r in control.rounds) for promise in VALIDATORS},
    }


def holds(figures: Mapping[str, Any]) -> bool:
    """Tell whether the figures are as promised, and the control shows that they could be otherwise."""
    return all(figures[name] == 0 for name in (*NAMES, "failures")) and sum(figures["control_objections"].values()) > 0


def _until_objected(control: Chaos) -> Iterator[str]:
    for number in range(CONTROL_ROUNDS):
        if not any(done.count() for done in control.rounds):
            yield KINDS[number % len(KINDS)]


if __name__ == "__main__":
    running.main(everything, holds)
