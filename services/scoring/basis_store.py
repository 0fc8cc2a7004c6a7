"""SQL that reads what scores of customers rest on: one statement for what is of the tenant, whoever is scored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import THIS_TENANT
from services.scoring.customer_store import SWEEP, Sweep, sweep_of
from services.scoring.model_store import NEWEST, Newest
from services.scoring.policy import Policy, of_body
from services.storage import schema
from services.storage.reading import SETTINGS, WAITING_SINCE, Settings, beside, settings_of, watermark

_policy = schema.policy.c
_POLICY = select(_policy.version, _policy.body).where(_policy.tenant_id == THIS_TENANT).order_by(_policy.version.desc()).limit(1)
_PARTS = SETTINGS, SWEEP, _POLICY, NEWEST
_BASIS = beside(WAITING_SINCE, *_PARTS)


@dataclass(frozen=True, slots=True)
class Basis:
    """What the tenant has chosen, how far its facts are counted, and what was found of all its customers.

    `newest` tells the version of the models in use, None while none was fitted.
    """

    settings: Settings
    watermark: datetime
    policy: Policy
    sweep: Sweep
    newest: Newest | None


async def get_basis(conn: AsyncConnection, now: datetime) -> Basis:
    """Return what scores rest on."""
    waiting_since, *columns = (await conn.execute(_BASIS)).one()
    told = iter(columns)
    settings, swept, policy, newest = ([next(told) for _ in part.selected_columns] for part in _PARTS)
    return Basis(
        settings=settings_of(settings),
        watermark=watermark(waiting_since, now),
        policy=Policy() if policy[0] is None else of_body(*policy),
        sweep=Sweep() if swept[0] is None else sweep_of(*swept),
        newest=None if newest[0] is None else Newest(*newest),
    )
