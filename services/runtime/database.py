"""The database as one service sees it: its role, and one tenant per transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.runtime import deadlines
from services.runtime.driver import open_driver, send
from services.runtime.errors import StartError
from services.runtime.tenancy import current_tenant, set_tenant

#: Oldest PostgreSQL that has `RETURNING old.*, new.*`, as server_version_num.
OLDEST_SERVER = 180000

#: What a network does that swallows everything: a connection is given up after this many seconds without an acknowledgement,
#: and asked for a sign of life after 10 s of silence.
SILENCE_S = 25
_ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": SILENCE_S * 1000}

_BIND = "SELECT set_config('rapport.tenant', %(tenant)s, true), set_config('statement_timeout', %(timeout)s, true)"
_LIMIT = "SELECT set_config('transaction_timeout', %(transaction)s, true), set_config('lock_timeout', %(lock)s, true)"
_SNAPSHOT = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


@dataclass(frozen=True, slots=True)
class Limits:
    """How many seconds a transaction may last, and each of its statements, and its waiting for any one lock."""

    transaction_s: float
    statement_s: float
    lock_s: float


class Database:
    """Transactions of one service's role.

    Readers run at READ COMMITTED unless they ask for a `snapshot`: then every statement sees the same moment. A statement
    ends when the call's deadline does, and a transaction when it has lasted for `transaction_limit`.
    """

    def __init__(self, url: str, role: str, *, pool_size: int = 8, transaction_limit: timedelta | None = None) -> None:
        # To compile a statement, or to start workers for it, takes longer than the statements of these services.
        quick = "-c jit=off -c max_parallel_workers_per_gather=0"
        options = f"-c role={role} -c timezone=UTC {quick} -c idle_in_transaction_session_timeout=60s"
        if transaction_limit is not None:
            options += f" -c transaction_timeout={_milliseconds(transaction_limit.total_seconds())}"
        connect = {"options": options, "connect_timeout": 5} | _ALIVE
        self._pool_size = pool_size
        self._engine: AsyncEngine = _engine(url, connect, pool_size)
        # Pings have a connection of their own: a full pool is no sign that the server is gone.
        self._pings: AsyncEngine = _engine(url, connect, 1)

    @asynccontextmanager
    async def transaction(self, tenant_id: str | None = None, limits: Limits | None = None) -> AsyncIterator[AsyncConnection]:
        """Open a transaction bound to the current call's tenant; commit unless the block raises.

        With `tenant_id` the current task is bound to that tenant first: workers go round. What takes longer than `limits`
        is ended by the server: a statement alone, or the transaction with its connection.
        """
        async with self._bound(tenant_id, {}, limits) as conn:
            yield conn

    @asynccontextmanager
    async def snapshot(self, tenant_id: str | None = None) -> AsyncIterator[AsyncConnection]:
        """Open a read-only transaction whose statements all see the same moment."""
        async with self._bound(tenant_id, _SNAPSHOT) as conn:
            yield conn

    @asynccontextmanager
    async def _bound(
        self, tenant_id: str | None, options: dict[str, Any], limits: Limits | None = None
    ) -> AsyncIterator[AsyncConnection]:
        if tenant_id is not None:
            set_tenant(tenant_id)
        conn = await self._begin(options, limits)
        try:
            yield conn
            await conn.commit()
        finally:
            await conn.close()

    async def _begin(self, options: dict[str, Any], limits: Limits | None) -> AsyncConnection:
        """Return a connection whose transaction has begun.

        Those that were kept while the server restarted are found out by the first statement. Nothing has been done by then, so
        others are tried; asking every connection beforehand would cost each transaction a round trip.
        """
        kept = self._pool_size
        while True:
            conn = await self._engine.connect()
            try:
                await _bind(conn, options, limits)
            except BaseException as error:
                is_cut = isinstance(error, psycopg.Error) and conn.invalidated and kept > 0
                await conn.close()
                if not is_cut:
                    raise
                kept -= 1
            else:
                return conn

    @asynccontextmanager
    async def probe(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction bound to no tenant: row-level security then shows no tenant's rows."""
        async with self._engine.begin() as conn:
            yield conn

    async def check(self) -> None:
        """Raise StartError with a clear sentence unless server and role are what the promises rest on."""
        async with self.probe() as conn:
            version = int((await conn.execute(text("SHOW server_version_num"))).scalar_one())
            if version < OLDEST_SERVER:
                raise StartError(f"PostgreSQL 18 or newer is needed; the server is {version // 10000}")
            mine = text("SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
            role = (await conn.execute(mine)).one()
            if role.rolsuper or role.rolbypassrls:
                raise StartError(f"role {role.rolname} may bypass row-level security; tenants would not be kept apart")

    async def ping(self) -> None:
        """Ask the server for one round trip; raises what the driver raises."""
        async with self._pings.connect() as conn:
            await conn.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Give up every connection."""
        await self._engine.dispose()
        await self._pings.dispose()


async def _bind(conn: AsyncConnection, options: dict[str, Any], limits: Limits | None) -> None:
    """Begin a transaction and bind it to the tenant and to the call's deadline, all in one round trip."""
    if options:
        await conn.execution_options(**options)
    longest = None if limits is None else limits.statement_s
    ends = [seconds for seconds in (deadlines.remaining_s(), longest) if seconds is not None]
    bound = {"tenant": current_tenant(), "timeout": _milliseconds(min(ends)) if ends else "0"}
    await conn.begin()
    async with open_driver(conn) as driver, driver.pipeline():
        await send(conn, driver, _BIND, bound)
        if limits is not None:
            allowed = {"transaction": limits.transaction_s, "lock": limits.lock_s}
            await send(conn, driver, _LIMIT, {name: _milliseconds(seconds) for name, seconds in allowed.items()})


def _milliseconds(seconds: float) -> str:
    """Return a duration as PostgreSQL's settings have it; at least 1 ms, for 0 means without end."""
    return f"{max(round(1000 * seconds), 1)}ms"


def _engine(url: str, connect: dict[str, Any], pool_size: int) -> AsyncEngine:
    return create_async_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        hide_parameters=True,  # errors are logged; what was asked of whom is not
        connect_args=connect,
    )
