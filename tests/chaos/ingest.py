"""Load under kill -9 of ingest and of PostgreSQL and under cut connections: `make chaos-ingest`.

Producers of every kind send facts through a proxy that cuts. Each round kills something at a random moment and starts it
again; what producers were told is then compared with what the database holds. Nothing acknowledged may be missing, nothing
may have happened twice. The control, an ingest that acknowledges before it commits, must lose something: else the rounds
would not show anything. The last line is JSON; exits with 1 when any of that does not hold.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos import database, ledger, running
from tests.chaos.house import House
from tests.chaos.producers import Producers
from tests.chaos.running import Say
from tests.proxy import Proxy, proxying

#: What a round may do, besides cutting connections.
KINDS = ("ingest", "postgres", "cuts", "both")
SERVICES = {"ingest": "services.ingest", "scoring": "services.scoring"}
CONTROL = SERVICES | {"ingest": "tests.chaos.early"}
CONTROL_ROUNDS = 6

#: Seconds of load before a round's blow.
_BETWEEN_S = (0.5, 3.0)
_CUTS = 3
#: Acknowledgements that show that producers go on, and the seconds in which they must come.
_GOING_ON, _WITHIN_S = 200, 90.0
#: Seconds after which a commit that comes later than its acknowledgement is done, when nothing stops it.
_SETTLED_S = 1.0


@dataclass
class Result:
    """What rounds came to. `lost` and `doubled` name facts, and what was counted wrongly in the end."""

    rounds: int = 0
    acknowledged: int = 0
    cuts: int = 0
    lost: set[str] = field(default_factory=set)
    doubled: set[str] = field(default_factory=set)


class Chaos:
    """One run of rounds, and what came of it so far."""

    def __init__(self, house: House, proxy: Proxy, seed: int) -> None:
        self.result = Result()
        self._house = house
        self._proxy = proxy
        self._chance = random.Random(f"chaos {seed}")
        self._producers = Producers(proxy.address, seed)

    async def run(self, kinds: Iterable[str], say: Say) -> None:
        """Do a round of each kind, then let producers end and look at everything once more."""
        producing = asyncio.create_task(self._producers.run())
        try:
            await self._until_going_on(producing)
            for number, kind in enumerate(kinds, 1):
                began = time.monotonic()
                await self._round(kind, producing)
                self.result.rounds = number
                say(f"{number:>3} {kind:<8} {self._figures()} · {time.monotonic() - began:.1f} s")
            self._producers.stop()
            await producing
        finally:
            producing.cancel()
            await asyncio.gather(producing, return_exceptions=True)
        await asyncio.sleep(_SETTLED_S)
        await self._compare()
        self.result.doubled |= {f"refused: {sentence}" for sentence in self._producers.ledger.refused[:10]}

    async def count(self) -> None:
        """Wait until scoring has counted everything, and compare its numbers with the facts and with the ledger."""
        self.result.doubled |= await asyncio.to_thread(database.miscounted, self._house.url, self._producers.ledger)
        self.result.doubled |= {f"{service} ended unasked" for service in self._house.ended()}

    async def _round(self, kind: str, producing: asyncio.Task[None]) -> None:
        for _ in range(self._chance.randint(0, _CUTS) if kind != "cuts" else _CUTS):
            await asyncio.sleep(self._chance.uniform(0.05, 0.5))
            self._proxy.cut()
        await asyncio.sleep(self._chance.uniform(*_BETWEEN_S))
        if kind in {"ingest", "both"}:
            self._house.kill("ingest")
            # Nobody writes now: whatever was acknowledged has to be there.
            await self._compare()
        if kind in {"postgres", "both"}:
            await self._house.kill_postgres()
            await self._house.start_postgres()
        if kind in {"ingest", "both"}:
            self._house.start_service("ingest")
        await self._until_going_on(producing)
        if kind not in {"ingest", "both"}:
            await self._compare()

    async def _compare(self) -> None:
        """Compare the acknowledgements so far with the database as it is then."""
        told = self._producers.ledger.copy()
        stored = await asyncio.to_thread(database.read, self._house.url)
        self.result.acknowledged, self.result.cuts = told.acknowledged, self._proxy.cuts
        self.result.lost |= ledger.lost(told, stored)
        self.result.doubled |= ledger.doubled(told, stored)

    async def _until_going_on(self, producing: asyncio.Task[None]) -> None:
        enough = self._producers.ledger.acknowledged + _GOING_ON
        give_up = time.monotonic() + _WITHIN_S
        while self._producers.ledger.acknowledged < enough:
            if producing.done():
                producing.result()
            if time.monotonic() > give_up or self._house.ended():
                raise TimeoutError(f"nothing is acknowledged any more\n{self._house.last_words()}")
            await asyncio.sleep(0.05)

    def _figures(self) -> str:
        r = self.result
        return f"{r.acknowledged:>9,} acknowledged · {r.cuts:,} cuts · lost {len(r.lost)} · doubled {len(r.doubled)}"


async def run_rounds(folder: Path, rounds: int, seed: int, say: Say) -> Result:
    """Do rounds with the product, of every kind in turn, and return what came of them."""
    house = House(folder, "chaos", SERVICES)
    await house.start()
    try:
        async with proxying(house.port) as proxy:
            chaos = Chaos(house, proxy, seed)
            kinds = [KINDS[(seed + number) % len(KINDS)] for number in range(rounds)]
            await chaos.run(kinds, lambda line: say(f"round {line} (of {rounds})"))
        say("scoring counts the rest")
        await chaos.count()
    finally:
        await house.stop()
    return chaos.result


async def run_control(folder: Path, seed: int, say: Say) -> Result:
    """Do rounds with an ingest that acknowledges before it commits, until it has lost something."""
    house = House(folder, "control", CONTROL)
    await house.start()
    try:
        async with proxying(house.port) as proxy:
            chaos = Chaos(house, proxy, seed)
            kinds = ("ingest" for _ in range(CONTROL_ROUNDS) if not chaos.result.lost)
            await chaos.run(kinds, lambda line: say(f"control {line}"))
    finally:
        await house.stop()
    return chaos.result


async def everything(folder: Path, rounds: int, seed: int, say: Say) -> dict[str, object]:
    """Run rounds and control, and return the figures of the last line."""
    real = await run_rounds(folder, rounds, seed, say)
    for line in sorted(real.lost)[:10] + sorted(real.doubled)[:10]:
        say(line)
    control = await run_control(folder, seed, say)
    return {
        "rounds": real.rounds,
        "seed": seed,
        "acknowledged": real.acknowledged,
        "cuts": real.cuts,
        "lost": len(real.lost),
        "doubled": len(real.doubled),
        "control_rounds": control.rounds,
        "control_acknowledged": control.acknowledged,
        "control_lost": len(control.lost),
    }


def holds(figures: Mapping[str, Any]) -> bool:
    """Tell whether the figures are as promised, and the control shows that they could be otherwise."""
    return figures["lost"] == figures["doubled"] == 0 and figures["control_lost"] > 0


if __name__ == "__main__":
    running.main(everything, holds)
