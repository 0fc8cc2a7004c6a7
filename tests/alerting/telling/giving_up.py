"""What became of notifications that were not delivered, as tests look at it."""

from __future__ import annotations

from services.alerting.telling.attempts import TRIED_FOR, State
from tests.alerting.notifying import TellingHouse

_GIVEN_UP = (
    "SELECT DISTINCT ON (notification_id) error, state FROM alerting.notification JOIN alerting.attempt USING (notification_id)"
    " WHERE state IN (3, 4) AND next_at IS NULL ORDER BY notification_id, number DESC"
)


async def given_up(house: TellingHouse) -> list[tuple[str, State]]:
    """Return why notifications were given up, by their last attempts, and whether they failed or were dropped."""
    return sorted((error, State(state)) for error, state in await house.facts.rows(_GIVEN_UP))


async def a_day(house: TellingHouse) -> None:
    """Let a day pass, and what waited all the time be tried for the last time."""
    for _ in range(4):
        await house.tell(TRIED_FOR / 4)
