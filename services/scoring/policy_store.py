"""SQL that keeps the versions of a tenant's scoring policy."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Integer, Row, bindparam, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT, current_tenant
from services.scoring.policy import Policy, PolicyVersion, of_body, to_body
from services.storage import locks, schema
from services.storage.readings import Prepared, Reading, read

#: Version of the published default. It is never stored: a tenant's own versions begin with the next.
DEFAULT_VERSION = 1

#: Advisory lock of whoever makes a version.
_LOCK = text(f"SELECT pg_advisory_xact_lock({locks.POLICY}, hashtext(:tenant))")
_COLUMNS = [c for c in schema.policy.c if c.name != "tenant_id"]


async def get_policy(conn: AsyncConnection, version: int = 0) -> Policy | None:
    """Return a version of the tenant's policy, the newest for 0; None for one that there never was."""
    found = await get_version(conn, version)
    return None if found is None else found.policy


async def get_newest(conn: AsyncConnection, before: datetime | None = None) -> PolicyVersion:
    """Return the newest version of the tenant's policy, of those made before a moment if one is given.

    It is the published default while the tenant has made none.
    """
    c = schema.policy.c
    newest = select(*_COLUMNS).where(c.tenant_id == THIS_TENANT).order_by(c.version.desc()).limit(1)
    row = (await conn.execute(newest if before is None else newest.where(c.created_at < before))).one_or_none()
    return PolicyVersion() if row is None else _version(row)


async def get_version(conn: AsyncConnection, version: int = 0) -> PolicyVersion | None:
    """Return a version of the tenant's policy with how it came about, the newest for 0; None for one that there never was."""
    return await read(conn, version_of(version))


def version_of(version: int = 0) -> Reading[PolicyVersion | None]:
    """Read a version of the tenant's policy with how it came about, like get_version."""
    otherwise = PolicyVersion() if version in (0, DEFAULT_VERSION) else None
    return Reading(_VERSION, lambda rows: _version(rows[0]) if rows else otherwise, {"asked": version})


async def list_versions(conn: AsyncConnection, before: int | None, limit: int) -> list[PolicyVersion]:
    """Return up to `limit` versions, the newest first; those before a version, or all for None."""
    c = schema.policy.c
    query = select(*_COLUMNS).where(c.tenant_id == THIS_TENANT).order_by(c.version.desc()).limit(limit)
    found = [_version(row) for row in await conn.execute(query if before is None else query.where(c.version < before))]
    ends = len(found) < limit and (before is None or before > DEFAULT_VERSION)
    return [*found, PolicyVersion()] if ends else found


async def lock_versions(conn: AsyncConnection) -> None:
    """Keep others from making a version until the transaction ends."""
    await conn.execute(_LOCK, {"tenant": current_tenant()})


async def insert_version(conn: AsyncConnection, version: PolicyVersion) -> None:
    """Keep a new version."""
    values = {
        "tenant_id": current_tenant(),
        "version": version.policy.version,
        "body": to_body(version.policy),
        "changed_paths": list(version.changed_paths),
        "comment": version.comment,
        "created_by": version.created_by,
        "created_at": version.created_at,
    }
    await conn.execute(insert(schema.policy).values(values))


def _versions() -> Prepared:
    version, asked = schema.policy.c.version, bindparam("asked", type_=Integer)
    meant = select(*_COLUMNS).where(schema.policy.c.tenant_id == THIS_TENANT, (version == asked) | (asked == 0))
    return Prepared(meant.order_by(version.desc()).limit(1))


def _version(row: Row[Any]) -> PolicyVersion:
    return PolicyVersion(
        policy=of_body(row.version, row.body),
        created_at=row.created_at,
        created_by=row.created_by,
        comment=row.comment,
        changed_paths=tuple(row.changed_paths),
    )


_VERSION = _versions()
