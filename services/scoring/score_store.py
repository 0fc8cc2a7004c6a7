"""SQL that keeps what customers' scores are as of a day, and their going from one segment to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.tenancy import current_tenant
from services.scoring.lifetime import Array
from services.scoring.scores import Scores


@dataclass(frozen=True, slots=True)
class Move:
    """A customer's going to another segment, and why; None for a customer who has never engaged after all."""

    customer_id: str
    segment: int | None
    reason: str


#: A segment is left for none without a note: what was noted of it rested on facts that were taken back. Two moves at the
#: same moment are one.
_MOVE = text(
    """
    WITH new AS (
        SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:segments AS smallint[]), CAST(:reasons AS text[]))
            AS r(customer_id, segment, reason)
    ), changed AS (
        UPDATE scoring.customer_state AS s
        SET segment = new.segment, segment_since = CASE WHEN new.segment IS NOT NULL THEN CAST(:now AS timestamptz) END
        FROM new WHERE s.tenant_id = :tenant AND s.customer_id = new.customer_id
        RETURNING new.customer_id, old.segment AS previous, new.segment, new.reason
    )
    INSERT INTO scoring.segment_transition (tenant_id, customer_id, at, previous, segment, reason)
    SELECT :tenant, customer_id, :now, previous, segment, reason FROM changed WHERE segment IS NOT NULL
    ON CONFLICT (tenant_id, customer_id, at) DO UPDATE SET segment = EXCLUDED.segment, reason = EXCLUDED.reason
    """
)
_PUT_SCORES = text(
    """
    INSERT INTO scoring.customer_score AS s
        (tenant_id, customer_id, scored_on, churn_risk, p_alive, upsell_potential, predicted_value, model_version, policy_version)
    SELECT :tenant, customer_id, :day, churn_risk, p_alive, upsell_potential, predicted_value, :model, :policy
    FROM unnest(
        CAST(:ids AS text[]), CAST(:churn AS float8[]), CAST(:alive AS float8[]), CAST(:upsell AS float8[]),
        CAST(:predicted AS float8[])
    ) AS r(customer_id, churn_risk, p_alive, upsell_potential, predicted_value)
    ON CONFLICT (tenant_id, customer_id) DO UPDATE SET
        scored_on = EXCLUDED.scored_on, churn_risk = EXCLUDED.churn_risk, p_alive = EXCLUDED.p_alive,
        upsell_potential = EXCLUDED.upsell_potential, predicted_value = EXCLUDED.predicted_value,
        model_version = EXCLUDED.model_version, policy_version = EXCLUDED.policy_version
    WHERE (s.scored_on, s.churn_risk, s.p_alive, s.upsell_potential, s.predicted_value, s.model_version, s.policy_version)
        IS DISTINCT FROM (EXCLUDED.scored_on, EXCLUDED.churn_risk, EXCLUDED.p_alive, EXCLUDED.upsell_potential,
            EXCLUDED.predicted_value, EXCLUDED.model_version, EXCLUDED.policy_version)
    """
)
_DROP_SCORES = text(
    """
    DELETE FROM scoring.customer_score AS c USING scoring.customer_state AS s
    WHERE c.tenant_id = :tenant AND s.tenant_id = :tenant AND s.customer_id = c.customer_id AND s.first_day IS NULL
    """
)


async def put_moves(conn: AsyncConnection, moves: Sequence[Move], now: datetime) -> None:
    """Move customers to other segments, and note each move."""
    if moves:
        columns: dict[str, list[Any]] = {
            "ids": [m.customer_id for m in moves],
            "segments": [m.segment for m in moves],
            "reasons": [m.reason for m in moves],
        }
        await conn.execute(_MOVE, {"tenant": current_tenant(), "now": now} | columns)


async def put_scores(conn: AsyncConnection, scores: Scores, day: date, model_version: int, policy_version: int) -> None:
    """Keep what was foretold of customers who have engaged; rows that say the same already are left alone."""
    engaged = np.flatnonzero(scores.rules)
    columns = {
        "churn": scores.churn_risk,
        "alive": scores.p_alive,
        "upsell": scores.upsell_potential,
        "predicted": scores.predicted_value,
    }
    told: dict[str, Any] = {"tenant": current_tenant(), "day": day, "model": model_version, "policy": policy_version}
    ids = [scores.customers.ids[i] for i in engaged.tolist()]
    await conn.execute(_PUT_SCORES, {**told, "ids": ids} | {n: _plain(column[engaged]) for n, column in columns.items()})


async def drop_scores(conn: AsyncConnection) -> None:
    """Forget what was foretold of customers who have never engaged after all."""
    await conn.execute(_DROP_SCORES, {"tenant": current_tenant()})


def _plain(column: Array) -> list[float | None]:
    """Return numbers, None where there are none."""
    return [None if value != value else value for value in column.tolist()]  # noqa: PLR0124  # only NaN differs from itself
