"""Kill -9 of two scoring processes and of PostgreSQL while facts are changed, deleted and erased: `make chaos-scoring`.

In each round senders send, things are killed at random moments and started again, senders end, and scoring counts the rest;
then every rollup is recomputed from the stored facts and compared: no difference may be left. The control, a scoring that
takes its work in a transaction of its own, must show differences, but none before something is killed: else the rounds would
not show anything. The last line is JSON; exits with 1 when any of that does not hold.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from tests.chaos import database, running
from tests.chaos.changes import Senders
from tests.chaos.house import House
from tests.chaos.running import Say

WORKERS = ("scoring", "scoring-2")
#: What a blow may hit; each round begins with another of them.
KINDS = ("scoring", "postgres", "scoring-2", "workers", "everything")
CALM = "nothing"
SERVICES = {"ingest": "services.ingest"} | dict.fromkeys(WORKERS, "services.scoring")
CONTROL = SERVICES | dict.fromkeys(WORKERS, "tests.chaos.apart")
CONTROL_ROUNDS = 6

_BLOWS = (2, 5)
#: Seconds of work before a blow, and for which what was hit stays away: what waits by then is then counted in one go.
_BETWEEN_S, _AWAY_S = (0.0, 1.0), (0.0, 0.6)
#: Facts that show that senders go on after the last blow, and the seconds in which they must come.
_GOING_ON, _WITHIN_S = 100, 90.0


@dataclass(frozen=True, slots=True)
class Round:
    """One round: what was hit, how much was taken, deleted and erased meanwhile, and how the numbers were at its end.

    `wrong` names what else went wrong: what was refused, or not counted, and services that ended unasked.
    """

    blows: tuple[str, ...]
    facts: int
    deleted: int
    erased: int
    verified: database.Verified
    wrong: frozenset[str]
    seconds: float


@dataclass
class Chaos:
    """Rounds with one house, and what came of them so far."""

    house: House
    senders: Senders
    chance: random.Random
    rounds: list[Round] = field(default_factory=list)

    async def run(self, kinds: Iterable[str], say: Callable[[str], None]) -> None:
        """Do a round that begins with each kind of blow; one of CALM has none."""
        for kind in kinds:
            done = await self._round(kind)
            self.rounds.append(done)
            say(f"{len(self.rounds):>3} {_figures(done)}")

    async def _round(self, first: str) -> Round:
        began, s = time.monotonic(), self.senders
        before = (s.facts, s.deleted, s.erased)
        blows = () if first == CALM else (first, *self.chance.choices(KINDS, k=self.chance.randint(*_BLOWS) - 1))
        sending = asyncio.create_task(s.run())
        try:
            for blow in blows:
                # One that has not begun to work has nothing to lose.
                await asyncio.gather(*map(self.house.until_up, WORKERS))
                await asyncio.sleep(self.chance.uniform(*_BETWEEN_S))
                await self._hit(blow)
            await self._until_going_on(sending)
            s.stop()
            await sending
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        verified = await asyncio.to_thread(database.verify, self.house.url)
        wrong = verified.uncounted | {f"refused: {sentence}" for sentence in s.refused[:10]}
        if ended := self.house.ended():
            wrong |= {f"{', '.join(ended)} ended unasked\n{self.house.last_words()}"}
        facts, deleted, erased = (now - then for now, then in zip((s.facts, s.deleted, s.erased), before, strict=True))
        took_s = time.monotonic() - began
        return Round(blows, facts, deleted, erased, verified, frozenset(wrong), took_s)

    async def _hit(self, blow: str) -> None:
        """Kill, wait a little, and start again; of everything, PostgreSQL first."""
        hit = {"workers": WORKERS, "everything": WORKERS, "postgres": ()}.get(blow, (blow,))
        if blow in {"postgres", "everything"}:
            await self.house.kill_postgres()
        for service in hit:
            self.house.kill(service)
        await asyncio.sleep(self.chance.uniform(*_AWAY_S))
        if blow in {"postgres", "everything"}:
            await self.house.start_postgres()
        for service in hit:
            self.house.start_service(service)

    async def _until_going_on(self, sending: asyncio.Task[None]) -> None:
        enough, give_up = self.senders.facts + _GOING_ON, time.monotonic() + _WITHIN_S
        while self.senders.facts < enough:
            if sending.done():
                sending.result()
            if time.monotonic() > give_up:
                raise TimeoutError(f"nothing is taken any more\n{self.house.last_words()}")
            await asyncio.sleep(0.05)


async def run_rounds(house: House, kinds: Callable[[Chaos], Iterable[str]], seed: int, say: Callable[[str], None]) -> Chaos:
    """Start a house, do rounds as `kinds` has them, and return what came of them."""
    await house.start()
    chaos = Chaos(house, Senders(f"127.0.0.1:{house.port}", seed), random.Random(f"scoring chaos {seed}"))
    try:
        await chaos.run(kinds(chaos), say)
    finally:
        with suppress(ProcessLookupError):
            await house.stop()
    return chaos


async def everything(folder: Path, rounds: int, seed: int, say: Say) -> dict[str, object]:
    """Run rounds and control, and return the figures of the last line."""
    planned = [KINDS[(seed + number) % len(KINDS)] for number in range(rounds)]
    say(f"seed {seed}")
    real = await run_rounds(
        House(folder, "scoring", SERVICES), lambda _: planned, seed, lambda line: say(f"round {line} (of {rounds})")
    )
    control = await run_rounds(
        House(folder, "control", CONTROL),
        _until_different,
        seed,
        lambda line: say(f"control {line} (of {CONTROL_ROUNDS + 1} at most)"),
    )
    say(_table([*(("round", done) for done in real.rounds), *(("control", done) for done in control.rounds)]))
    for done in real.rounds:
        for line in [*sorted(done.wrong), *sorted(done.verified.examples)][:20]:
            say(line)
    return {
        "rounds": len(real.rounds),
        "seed": seed,
        "kills": sum(_kills(done) for done in real.rounds),
        "facts": real.senders.facts,
        "deleted": real.senders.deleted,
        "erased": real.senders.erased,
        "differences": sum(done.verified.different for done in real.rounds),
        "failures": sum(len(done.wrong) for done in real.rounds),
        "control_rounds": len(control.rounds),
        "control_calm_differences": sum(_shown(done) for done in control.rounds if not done.blows),
        "control_differences": sum(_shown(done) for done in control.rounds if done.blows),
    }


def holds(figures: Mapping[str, Any]) -> bool:
    """Tell whether the figures are as promised, and the control shows that they could be otherwise."""
    shows = figures["control_differences"] > 0 == figures["control_calm_differences"]
    return figures["differences"] == figures["failures"] == 0 and shows


def _until_different(control: Chaos) -> Iterator[str]:
    """Yield calm, and then blows, until they show something."""
    yield CALM
    for number in range(CONTROL_ROUNDS):
        if not any(map(_shown, control.rounds)):
            yield KINDS[number % 2]


def _shown(done: Round) -> int:
    """Return how many differences a round shows: none while anything is not counted."""
    return 0 if done.verified.uncounted else done.verified.different


def _kills(done: Round) -> int:
    """Return how many processes were killed; PostgreSQL counts as one."""
    return sum({"workers": 2, "everything": 3}.get(blow, 1) for blow in done.blows)


def _figures(done: Round) -> str:
    verified = done.verified
    return (
        f"{_kills(done):>2} kills ({', '.join(done.blows) or CALM}) · {done.facts:,} facts · {done.deleted} deleted · "
        f"{done.erased} erased · {verified.compared:,} rows compared · {verified.different} different · {done.seconds:.1f} s"
    )


def _table(rounds: Iterable[tuple[str, Round]]) -> Table:
    made = Table(title="Scoring under kill -9", title_justify="left")
    made.add_column("")
    for name in ("Kills", "Facts", "Deleted", "Erased", "Rows", "Different", "Seconds"):
        made.add_column(name, justify="right")
    for kind, done in rounds:
        counts = (_kills(done), done.facts, done.deleted, done.erased, done.verified.compared, done.verified.different)
        made.add_row(kind, *(f"{count:,}" for count in counts), f"{done.seconds:.1f}")
    return made


if __name__ == "__main__":
    running.main(everything, holds)
