"""`rapport freshness`: how far the numbers are behind what was recorded."""

from __future__ import annotations

import asyncio
import math
from contextlib import ExitStack
from typing import Annotated

import typer
from rapport.scoring.v1.scoring_service_pb2 import GetFreshnessRequest, GetFreshnessResponse
from rapport.scoring.v1.scoring_service_pb2_grpc import ScoringServiceStub
from rich.live import Live
from rich.table import Table

from rapport_client import Failure, call
from services.cli.calling import DEADLINE_S, Address, Addresses, connected, reach, run
from services.cli.layout import ERR, NOTHING, OUT, moment, number, pairs, print_json, span


def freshness(
    context: typer.Context,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Go on until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.1, max=3600, metavar="SECONDS", help="How often to look, with --watch.")] = 2.0,
    json: Annotated[
        bool, typer.Option("--json", help="Print what the HTTP surface answers; with --watch a line a look.")
    ] = False,
) -> None:
    """How far the numbers are behind what was recorded.

    What waits to be counted and for how long, what could not be counted, and which policy and models are in use.
    """
    addresses: Addresses = context.obj
    run(_watch(addresses.scoring, every, json) if watch else _once(addresses.scoring, json))


async def _once(address: Address, json: bool) -> int:
    async with connected(address) as channel:
        answer = await ScoringServiceStub(channel).GetFreshness(GetFreshnessRequest(), timeout=DEADLINE_S)
    print_json(answer) if json else OUT.print(_table(answer))
    return 0


async def _watch(address: Address, every_s: float, json: bool) -> int:
    """Look again and again: a live table on a terminal, else a line a look. A service that goes away is waited for."""
    with ExitStack() as screen:
        live = screen.enter_context(Live(console=OUT, auto_refresh=False)) if OUT.is_terminal and not json else None
        async with connected(address) as channel:
            await reach(channel, address)
            method = ScoringServiceStub(channel).GetFreshness
            while True:
                waiting = _Waiting()
                answer = await call(
                    method, GetFreshnessRequest(), deadline_s=math.inf, attempt_s=DEADLINE_S, on_retry=waiting.tell
                )
                if live is not None:
                    live.update(_table(answer), refresh=True)
                elif json:
                    print_json(answer, indent=None)
                else:
                    typer.echo(_line(answer))
                await asyncio.sleep(every_s)


class _Waiting:
    """Tells once that the service does not answer."""

    def __init__(self) -> None:
        self._is_told = False

    def tell(self, failure: Failure, _delay_s: float) -> None:
        if not self._is_told:
            ERR.print(f"waiting for the service: {failure.sentence()}", style="yellow", soft_wrap=True)
        self._is_told = True


def _table(answer: GetFreshnessResponse) -> Table:
    return pairs("Freshness", [
        ("everything is counted up to", moment(answer.watermark)),
        ("changes that wait", number(answer.queue_depth)),
        ("the oldest waits for", _lag(answer)),
        ("could not be counted", _set_aside(answer)),
        ("counted last", moment(answer.counted_at)),
        ("waits for its time", f"{number(answer.awaiting_time)}, such as open carts"),
        ("daily sweep", answer.swept_on or NOTHING),
        ("policy / models", f"version {answer.policy_version} / version {answer.model_version}"),
    ])  # fmt: skip


def _line(answer: GetFreshnessResponse) -> str:
    return (
        f"counted up to {moment(answer.watermark)} · {number(answer.queue_depth)} wait · lag {_lag(answer)} · "
        f"{number(answer.quarantined)} set aside"
    )


def _lag(answer: GetFreshnessResponse) -> str:
    if not answer.HasField("lag"):
        return NOTHING
    seconds = answer.lag.ToTimedelta().total_seconds()
    return span(seconds) if seconds >= 1 else number(1000 * seconds, 0, "ms")


def _set_aside(answer: GetFreshnessResponse) -> str:
    hint = " (see `rapport quarantine list`)" if answer.quarantined else ""
    return f"{number(answer.quarantined)}{hint}"
