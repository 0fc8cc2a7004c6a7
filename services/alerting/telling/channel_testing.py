"""Tests channels: tells each that this is a test, and keeps what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from services.alerting.telling import channel_store, notification_store
from services.alerting.telling.attempts import Attempt, Outcome, State
from services.alerting.telling.channel_putting import found
from services.alerting.telling.delivery import Delivery
from services.alerting.telling.notices import TEST, Notice
from services.runtime.database import Database
from services.runtime.errors import ResourceExhausted
from services.runtime.tenancy import current_tenant

#: Tests under way at once, in all and of one tenant; who comes then is asked to come again.
_TESTS, _TESTS_OF_TENANT = 8, 2
_RETRY_S = 5.0


class ChannelTests:
    """The tests of channels that this process makes."""

    def __init__(self, database: Database, delivery: Delivery, new_id: Callable[[], UUID]) -> None:
        self._database = database
        self._delivery = delivery
        self._new_id = new_id
        self._under_way: Counter[str] = Counter()

    async def test(self, channel_id: str) -> tuple[Outcome, Attempt]:
        """Tell a channel that this is a test. Raises NotFound (CHANNEL_NOT_FOUND) and ResourceExhausted (OVERLOADED)."""
        with self._one_of_few():
            # No transaction lasts as long as a receiver may take.
            async with self._database.transaction() as conn:
                channel = found(await channel_store.get_channel(conn, channel_id))
            notice = Notice(self._new_id(), route_id="", names={}, status=TEST)
            outcome, attempt = await self._delivery.attempt(channel, notice)
            state = State.DELIVERED if outcome.is_delivered else State.FAILED
            async with self._database.transaction() as conn:
                await notification_store.insert_test(conn, channel_id, notice, state, attempt.at)
                await notification_store.append_attempt(conn, notice.notification_id, attempt)
        return outcome, attempt

    @contextmanager
    def _one_of_few(self) -> Iterator[None]:
        """Be one of the tests under way for as long as the block lasts. Raises ResourceExhausted (OVERLOADED)."""
        tenant = current_tenant()
        if self._under_way.total() >= _TESTS or self._under_way[tenant] >= _TESTS_OF_TENANT:
            raise ResourceExhausted("OVERLOADED", "too many channels are being tested; try again", retry_after_s=_RETRY_S)
        self._under_way[tenant] += 1
        try:
            yield
        finally:
            self._under_way -= Counter({tenant: 1})
