"""Goes round the tenants that tell of alerts: gathers, makes notifications, and delivers them."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext, suppress
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from services.alerting.telling import group_store, sending
from services.alerting.telling.attempts import LEASE, next_attempt
from services.alerting.telling.channels import Channel
from services.alerting.telling.delivery import Delivery
from services.alerting.telling.grouping import advance
from services.alerting.telling.notices import Pending
from services.alerting.telling.sending import Taken
from services.alerting.telling.turns import Turns
from services.alerting.visits import Locks, Visits
from services.runtime import process
from services.runtime.database import Database
from services.runtime.outage import Outage, note

#: Deliveries under way at once: in all, of one tenant, and of one of its channels. Who does not answer holds its own only.
MOST, MOST_OF_TENANT, MOST_OF_CHANNEL = 200, 20, 2
#: Tenants that a process looks after at once, a connection each.
AT_ONCE = 4
#: How long a tenant rests that could not be looked after.
REST = timedelta(seconds=1)

_BUSY_S, _IDLE_S = 0.01, 0.5
#: How long deliveries that are under way may last once the end has begun.
_SETTLE_S = 4.0
#: How long visits may last then: what one has taken by then it gives back.
_VISITS_SETTLE_S = 1.0
#: Who looks for deliveries that may begin, at once.
_SEEKERS = 2

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
        self._outage = Outage(_log, "notifications wait for the database")
        self._is_ending = False
        self._visits = Visits(AT_ONCE, self._visit)
        #: Deliveries that may be begun by whoever looks for them at this moment.
        self._sought = 0
        self._seeking = Locks()
        self._seekers = asyncio.Semaphore(_SEEKERS)
        self._noting = Locks()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; then give what is under way four seconds. What is given up is taken up later."""
        try:
            while not stop.is_set():
                worked = self._visits.has_worked.is_set()
                self._visits.has_worked.clear()
                is_away = await self._outage.attempt(self._begin_visits) is None
                # After work not at once: every visit that ends would be a reason to look again.
                await process.wait(stop if worked or is_away else self._visits.has_worked, _BUSY_S if worked else _IDLE_S)
        finally:
            self._is_ending = True
            # First, for they begin deliveries.
            await self._visits.settle(_VISITS_SETTLE_S)
            await self._settle()
            self._is_ending = False

    async def go_round(self) -> bool:
        """Look after those whose turn it is; tell whether there was anything to do. Deliveries that begin go on by themselves."""
        return any(await asyncio.gather(*await self._begin_visits()))

    async def _begin_visits(self) -> list[asyncio.Task[bool]]:
        """Begin to look after those whose turn it is and who are not looked after already."""
        now = self._clock()
        async with self._database.probe() as conn:
            tenants = await group_store.list_tenants(conn)
            due = await group_store.list_due_tenants(conn, now)
        self._resting = {tenant: until for tenant, until in self._resting.items() if until > now}
        turns = due.union(self._turns.are_due(tenants, now))
        return self._visits.begin(tenant for tenant in tenants if tenant in turns and tenant not in self._resting)

    async def deliver_all(self) -> None:
        """Wait until what is being delivered was."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _visit(self, tenant: str) -> bool:
        worked = None
        try:
            worked = await self._outage.attempt(partial(self._look_after, tenant))
        except Exception as exc:  # noqa: BLE001 whatever it was, other tenants must not wait for it
            note(_log, "a tenant could not be told of alerts", exc, tenant=tenant)
        if worked is None:
            self._resting[tenant] = self._clock() + REST
        return bool(worked)

    async def _look_after(self, tenant: str) -> bool:
        has_gathered, next_at = await self._gather(tenant)
        now = self._clock()
        if has_gathered or (next_at is not None and next_at <= now):
            self._turns.was_busy(tenant)
            return await self._send(tenant) or has_gathered
        self._turns.was_quiet(tenant, now, next_at)
        return False

    async def _gather(self, tenant: str) -> tuple[bool, datetime | None]:
        """Take one step in putting the tenant's alerts into groups.

        Return whether there was one to take, and when a notification of before was to be sent next.
        """
        now = self._clock()
        async with self._database.transaction(tenant) as conn:
            has_moved, next_at = await group_store.look(conn, now)
            return has_moved and await advance(conn, now, self._new_id), next_at

    async def _send(self, tenant: str) -> bool:
        """Begin to deliver what is due, as far as there is room; tell whether there was any."""
        # One at a time of a tenant: what two find room for at once would be too much.
        async with self._seeking.of(tenant):
            room = min(MOST - len(self._under_way) - self._sought, MOST_OF_TENANT - self._of_tenant[tenant])
            if room <= 0 or self._is_ending:
                return False
            self._sought += room
            try:
                taken = await self._take(tenant, room)
            finally:
                self._sought -= room
            for pending, goal in taken.sent:
                self._begin(tenant, pending, goal)
        return bool(taken.sent) or taken.has_more

    async def _take(self, tenant: str, room: int) -> Taken:
        now = self._clock()
        busy = [channel for (owner, channel), n in self._of_channel.items() if owner == tenant and n >= MOST_OF_CHANNEL]
        async with self._seekers, self._database.transaction(tenant) as conn:
            return await sending.take(conn, now, now + LEASE, busy, room)

    def _begin(self, tenant: str, pending: Pending, goal: Channel) -> None:
        self._of_channel[tenant, pending.channel_id] += 1
        self._of_tenant[tenant] += 1
        task = asyncio.create_task(self._deliver(tenant, pending, goal))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _deliver(self, tenant: str, pending: Pending, goal: Channel) -> None:
        """Try once and note what came of it, then begin with what waited for that. What cannot be noted is tried again later."""
        try:
            await self._attempt(tenant, pending, goal)
        except Exception as exc:  # noqa: BLE001 whatever it was, the lease ends and it is tried again
            notification_id = str(pending.notice.notification_id)
            note(_log, "a delivery could not be noted", exc, tenant=tenant, notification=notification_id)
            return
        finally:
            # What is at nothing is taken out: tenants and channels come and go.
            self._of_channel += Counter({(tenant, pending.channel_id): -1})
            self._of_tenant += Counter({tenant: -1})
            # When it is tried again may be soon.
            self._turns.was_busy(tenant)
        with suppress(Exception):  # the next round finds it, too, and tells what is wrong
            await self._send(tenant)

    async def _attempt(self, tenant: str, pending: Pending, goal: Channel) -> None:
        outcome, attempt = await self._delivery.attempt(goal, pending.notice)
        next_at = next_attempt(outcome, pending.attempts + 1, pending.created_at, self._clock(), self._chance())
        # What is given up waits for its tenant's groups, so that one holds no more than a connection while it does.
        is_given_up = next_at is None and not outcome.is_delivered
        async with self._noting.of(tenant) if is_given_up else nullcontext(), self._database.transaction(tenant) as conn:
            await sending.note(conn, pending, outcome, attempt, next_at)

    async def _settle(self) -> None:
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_SETTLE_S):
                    await self.deliver_all()
        finally:
            late = tuple(self._under_way)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
