"""Calls to the services, and how a command ends when one fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import typer

from rapport_client import Failure, RapportError, connect, of_error

#: Seconds that a call may take.
DEADLINE_S = 30.0
#: The largest number that a version can be.
MOST = 2**31 - 1
#: Seconds for which a service that is not there is waited for at first.
REACH_S = 5.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where one service listens, as host:port."""

    service: str
    target: str


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the services that commands call listen."""

    ingest: Address
    scoring: Address
    query: Address
    alerting: Address


class CommandFailed(Exception):
    """A command that cannot go on; its text is one line for the person at the terminal."""


class CallFailed(CommandFailed):
    """A call that a service refused, or that reached none."""

    def __init__(self, address: Address, failure: Failure) -> None:
        super().__init__(_explained(address, failure))
        self.failure = failure


def _explained(address: Address, failure: Failure) -> str:
    if failure.status == "UNAVAILABLE" and not failure.reason:
        return (
            f"the {address.service} service cannot be reached at {address.target}: start the services with `make run`, "
            f"or name another address with --{address.service}-address or RAPPORT_{address.service.upper()}_ADDRESS"
        )
    return failure.sentence()


@asynccontextmanager
async def connected(address: Address) -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel; what a call over it fails with leaves the block as CallFailed."""
    async with connect(address.target) as channel:
        try:
            yield channel
        except grpc.aio.AioRpcError as error:
            raise CallFailed(address, of_error(error)) from error
        except RapportError as error:
            raise CallFailed(address, error.failure) from error


async def reach(channel: grpc.aio.Channel, address: Address) -> None:
    """Wait for the service, but not for long: one that was never there is not waited for as one that went away is."""
    try:
        await asyncio.wait_for(channel.channel_ready(), REACH_S)
    except TimeoutError:
        raise CallFailed(address, Failure("UNAVAILABLE", "", "")) from None


def run(work: Coroutine[Any, Any, int]) -> None:
    """Do a command's work and exit with what it returns; a failure is told in one line on stderr and exits with 1."""
    try:
        code = asyncio.run(work)
    except BrokenPipeError:
        raise
    except (CommandFailed, OSError) as failure:
        typer.echo(f"rapport: {failure}", err=True)
        code = 1
    except KeyboardInterrupt:
        code = 130
    if code:
        raise typer.Exit(code)
