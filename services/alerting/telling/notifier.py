"""Goes round the tenants that tell of alerts: gathers, makes notifications, and delivers them."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

from services.alerting.telling import group_store, notification_store, sending
from services.alerting.telling.attempts import LEASE, Attempt, Outcome, next_attempt, state_after
from services.alerting.telling.channels import Channel
from services.alerting.telling.delivery import Delivery
from services.alerting.telling.grouping import advance
from services.alerting.telling.notices import Pending
from services.alerting.telling.turns import Turns
from services.runtime import process
from services.runtime.database import Database
from services.runtime.failures import as_service_error
from services.runtime.outage import Outage

#: Deliveries under way at once: in all, of one tenant, and of one of its channels. Who does not answer holds its own only.
MOST, MOST_OF_TENANT, MOST_OF_CHANNEL = 200, 20, 2
#: How long what is done is kept, how often it is looked for what is older, and how much one transaction deletes.
KEPT = timedelta(days=30)
CLEAN_EVERY = timedelta(hours=1)
OLD = 1000
#: How long a tenant rests that could not be looked after.
REST = timedelta(seconds=1)

_BUSY_S, _IDLE_S = 0.01, 0.5
#: How long deliveries that are under way may last once the end has begun.
_SETTLE_S = 4.0

_log = logging.getLogger(__name__)


class Notifier:
    """Tells of alerts. Any number may run: one puts a tenant's alerts into groups at a time, and each delivery is one's."""

    def __init__(
        self,
        database: Database,
        delivery: Delivery,
        clock: Callable[[], datetime],
        new_id: Callable[[], UUID],
        *,
        chance: Callable[[], float] = random.random,
        turns: Turns | None = None,
    ) -> None:
        self._database = database
        self._delivery = delivery
        self._clock = clock
        self._new_id = new_id
        self._chance = chance
        self._turns = turns or Turns()
        self._under_way: set[asyncio.Task[None]] = set()
        self._of_channel: Counter[tuple[str, str]] = Counter()
        self._of_tenant: Counter[str] = Counter()
        self._resting: dict[str, datetime] = {}
        self._cleaned: dict[str, datetime] = {}
        self._outage = Outage(_log, "notifications wait for the database")
        self._is_ending = False
        self._claiming = asyncio.Lock()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then give deliveries that are under way four seconds. What is given up is taken up later."""
        try:
            while not stop.is_set():
                worked = await self._outage.attempt(self.go_round)
                await process.wait(stop, _BUSY_S if worked else _IDLE_S)
        finally:
            self._is_ending = True
            await self._settle()
            self._is_ending = False

    async def go_round(self) -> bool:
        """Look after those whose turn it is; tell whether there was anything to do. Deliveries that begin go on by themselves."""
        now = self._clock()
        async with self._database.probe() as conn:
            tenants = await group_store.list_tenants(conn)
            due = await group_store.list_due_tenants(conn, now)
        self._resting = {tenant: until for tenant, until in self._resting.items() if until > now}
        self._cleaned = {tenant: self._cleaned.get(tenant, now) for tenant in tenants}
        turns = due.union(self._turns.are_due(tenants, now))
        # Each in a task of its own: the tenant that a task is bound to stays its tenant.
        worked = [await asyncio.create_task(self._visit(t)) for t in tenants if t in turns and t not in self._resting]
        return any(worked)

    async def deliver_all(self) -> None:
        """Wait until what is being delivered was."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _visit(self, tenant: str) -> bool:
        try:
            has_gathered, next_at = await self._gather(tenant)
            now = self._clock()
            if has_gathered or (next_at is not None and next_at <= now):
                self._turns.was_busy(tenant)
                return await self._send(tenant) or has_gathered
            self._turns.was_quiet(tenant, now, next_at)
        except Exception as exc:  # noqa: BLE001 whatever it was, other tenants must not wait for it
            if as_service_error(exc) is None:
                _log.exception("a tenant could not be told of alerts", extra={"fields": {"tenant": tenant}})
            self._resting[tenant] = self._clock() + REST
        return False

    async def _gather(self, tenant: str) -> tuple[bool, datetime | None]:
        """Take one step in putting the tenant's alerts into groups.

        Return whether there was one to take, and when a notification of before was to be sent next.
        """
        now = self._clock()
        async with self._database.transaction(tenant) as conn:
            if now - self._cleaned[tenant] >= CLEAN_EVERY:
                old = await notification_store.list_old(conn, now - KEPT, OLD)
                await notification_store.delete_attempts(conn, old)
                await notification_store.delete_notifications(conn, old)
                self._cleaned[tenant] = self._cleaned[tenant] if len(old) == OLD else now
            has_moved, next_at = await group_store.look(conn, now)
            return has_moved and await advance(conn, now, self._new_id), next_at

    async def _send(self, tenant: str) -> bool:
        """Begin to deliver what is due, as far as there is room; tell whether there was any."""
        # One at a time: what two find room for at once would be too much.
        async with self._claiming:
            return await self._claim(tenant)

    async def _claim(self, tenant: str) -> bool:
        room = min(MOST - len(self._under_way), MOST_OF_TENANT - self._of_tenant[tenant])
        if room <= 0 or self._is_ending:
            return False
        now = self._clock()
        busy = [channel for (owner, channel), n in self._of_channel.items() if owner == tenant and n >= MOST_OF_CHANNEL]
        async with self._database.transaction(tenant) as conn:
            taken = await sending.take(conn, now, now + LEASE, busy, room)
        for pending, channel in taken.sent:
            self._begin(tenant, pending, channel)
        return bool(taken.sent) or taken.has_more

    def _begin(self, tenant: str, pending: Pending, channel: Channel | None) -> None:
        self._of_channel[tenant, pending.channel_id] += 1
        self._of_tenant[tenant] += 1
        task = asyncio.create_task(self._deliver(tenant, pending, channel))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _deliver(self, tenant: str, pending: Pending, channel: Channel | None) -> None:
        """Try once and note what came of it, then begin with what waited for that. What cannot be noted is tried again later."""
        try:
            await self._attempt(tenant, pending, channel)
        except Exception as exc:  # noqa: BLE001 whatever it was, the lease ends and it is tried again
            known = as_service_error(exc) is not None
            fields = {"tenant": tenant, "notification": str(pending.notice.notification_id), "because": type(exc).__name__}
            _log.warning("a delivery could not be noted", extra={"fields": fields}, exc_info=None if known else exc)
            return
        finally:
            # What is at nothing is taken out: tenants and channels come and go.
            self._of_channel += Counter({(tenant, pending.channel_id): -1})
            self._of_tenant += Counter({tenant: -1})
            # When it is tried again may be soon.
            self._turns.was_busy(tenant)
        with suppress(Exception):  # the next round finds it, too, and tells what is wrong
            await self._send(tenant)

    async def _attempt(self, tenant: str, pending: Pending, channel: Channel | None) -> None:
        goal = pending.goes_to(channel)
        if isinstance(goal, Channel):
            outcome, attempt = await self._delivery.attempt(goal, pending.notice)
        else:
            outcome, attempt = Outcome(False, error=goal, is_final=True), Attempt(self._clock(), 0, None, goal)
        next_at = next_attempt(outcome, pending.attempts + 1, pending.created_at, self._clock(), self._chance())
        async with self._database.transaction(tenant) as conn:
            state = state_after(outcome, next_at)
            await notification_store.save_state(conn, pending, state, next_at, may_have_arrived=outcome.may_have_arrived)
            await notification_store.append_attempt(conn, pending.notice.notification_id, attempt)

    async def _settle(self) -> None:
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_SETTLE_S)
        for task in tuple(self._under_way):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
