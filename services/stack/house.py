"""The whole stack, up within a block: database, migrations, services, gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from services.stack import postgres, table
from services.stack.errors import StackError
from services.stack.home import Home
from services.stack.progress import Progress
from services.stack.settings import require_free
from services.stack.supervisor import Supervisor
from services.storage import migrate

DATABASE = "rapport"

_LOOK_EVERY_S = 1


@asynccontextmanager
async def running(home: Home, ports: Mapping[str, int], database_url: str, progress: Progress) -> AsyncIterator[Supervisor]:
    """Start everything, and end it with the block. An empty `database_url` stands for the embedded PostgreSQL.

    The caller holds the home's lock. Raises StackError.
    """
    if left := home.end_leftovers():
        progress.say(f"ended what a killed run had left running: {', '.join(left)}", style="yellow")
    require_free(ports)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(_database(home, database_url, progress))
        with progress.step("migrations", "bring the database to the newest schema"):
            await _migrate(url)
        supervisor = Supervisor(home, progress)
        stack.push_async_callback(supervisor.stop)
        await supervisor.start(table.processes(home, ports, url))
        yield supervisor


async def _migrate(url: str) -> None:
    try:
        await asyncio.to_thread(migrate.upgrade, url)
    except migrate.MigrationError as error:
        raise StackError(str(error)) from None


@asynccontextmanager
async def _database(home: Home, url: str, progress: Progress) -> AsyncIterator[str]:
    """Have a database within the block and give its URL."""
    if url:
        with progress.step("postgres", "answers at RAPPORT_DATABASE_URL"):
            await asyncio.to_thread(postgres.check_version, url)
        yield url
        return
    with progress.step("postgres", "accepts connections"):
        server = await _start(home)
    if server.found_running:
        progress.say("took over the PostgreSQL that a killed run had left running", style="yellow")
    stopping = asyncio.Event()
    keeper = asyncio.create_task(_keep(home, progress, stopping))
    try:
        await asyncio.to_thread(postgres.ensure_database, server.url, DATABASE)
        yield server.url_of(DATABASE)
    finally:
        stopping.set()
        await keeper
        await asyncio.to_thread(server.stop)


async def _start(home: Home) -> postgres.Server:
    """Start the server. When we are told to stop meanwhile, it is stopped too, once it is there to be stopped."""
    starting = asyncio.create_task(asyncio.to_thread(postgres.start, home.postgres, log=home.log("postgres")))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        (await starting).stop()
        raise


async def _keep(home: Home, progress: Progress, stopping: asyncio.Event) -> None:
    """Start the server again whenever it is gone. It is nobody's child, so it is looked for."""
    while not stopping.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _LOOK_EVERY_S)
        if not stopping.is_set() and not await asyncio.to_thread(postgres.is_running, home.postgres):
            progress.say("postgres is gone; it is started again", style="red")
            try:
                await _start(home)
            except postgres.PostgresError as error:
                progress.say(str(error), style="red")
            else:
                progress.say("postgres is back", style="green")
