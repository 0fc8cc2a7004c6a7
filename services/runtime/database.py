"""The database as one service sees it: its role, and one tenant per transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.runtime.errors import StartError
from services.runtime.tenancy import current_tenant, set_tenant

#: Oldest PostgreSQL that has `RETURNING old.*, new.*`, as server_version_num.
OLDEST_SERVER = 180000

_SET_TENANT = text("SELECT set_config('rapport.tenant', :tenant, true)")


class Database:
    """Transactions of one service's role.

    Readers run at READ COMMITTED unless they ask for a `snapshot`: then every statement sees the same moment.
    """

    def __init__(self, url: str, role: str, *, pool_size: int = 8) -> None:
        options = f"-c role={role} -c timezone=UTC -c idle_in_transaction_session_timeout=60s"
        connect = {"options": options, "connect_timeout": 5}
        self._engine: AsyncEngine = _engine(url, connect, pool_size)
        # Pings have a connection of their own: a full pool is no sign that the server is gone.
        self._pings: AsyncEngine = _engine(url, connect, 1)

    @asynccontextmanager
    async def transaction(self, tenant_id: str | None = None) -> AsyncIterator[AsyncConnection]:
        """Open a transaction bound to the current call's tenant; commit unless the block raises.

        With `tenant_id` the current task is bound to that tenant first: workers go round.
        """
        if tenant_id is not None:
            set_tenant(tenant_id)
        async with self._engine.begin() as conn:
            await conn.execute(_SET_TENANT, {"tenant": current_tenant()})
            yield conn

    @asynccontextmanager
    async def snapshot(self, tenant_id: str | None = None) -> AsyncIterator[AsyncConnection]:
        """Open a read-only transaction whose statements all see the same moment."""
        if tenant_id is not None:
            set_tenant(tenant_id)
        async with self._engine.connect() as conn:
            await conn.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            async with conn.begin():
                await conn.execute(_SET_TENANT, {"tenant": current_tenant()})
                yield conn

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


def _engine(url: str, connect: dict[str, Any], pool_size: int) -> AsyncEngine:
    return create_async_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=True,
        hide_parameters=True,  # errors are logged; what was asked of whom is not
        connect_args=connect,
    )
