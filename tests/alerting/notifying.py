"""Notifications as tests run them: the service's parts, alerts that are made by hand, and receivers on this machine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web
from google.protobuf import json_format
from rapport.alerting.v1 import alerting_service_pb2_grpc
from rapport.alerting.v1 import notification_pb2 as npb

from services.alerting.alerts import Alert, AlertState, EventKind
from services.alerting.evaluation import append
from services.alerting.lifecycle import Change
from services.alerting.rules import AlertType, Severity, SubjectKind
from services.alerting.servicer_channels import ChannelCalls
from services.alerting.telling.delivery import Delivery, Receivers
from services.alerting.telling.notices import Notice
from services.alerting.telling.notifier import Notifier
from services.alerting.telling.turns import Turns
from services.runtime.page_tokens import Signer
from services.runtime.tenancy import set_tenant
from tests.alerting.house import KEYS, TENANT, Clock, House

SECRET = "a secret of sixteen and more"
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
BEGAN = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


class ChannelServicer(ChannelCalls, alerting_service_pb2_grpc.AlertingServiceServicer):
    """The calls about channels, alone."""


@dataclass
class Seen:
    """A request that a receiver was sent."""

    headers: dict[str, str]
    body: bytes
    path: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["Rapport-Notification-Id"]


@dataclass
class Receiver:
    """A web server that keeps what it is sent. It answers with the next of `statuses`, with 200 when there is none.

    What `fails` says is answered with 500.
    """

    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    gate: asyncio.Event | None = None
    fails: Callable[[Seen], bool] = lambda _: False
    host: str = "127.0.0.1"
    port: int = 0
    runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/hook"

    async def plug(self) -> None:
        """Listen, at the same port as before."""
        assert self.runner is not None
        await web.TCPSite(self.runner, self.host, self.port).start()
        self.port = self.runner.addresses[0][1]

    async def unplug(self) -> None:
        """Refuse every connection from now on."""
        assert self.runner is not None
        for site in tuple(self.runner.sites):
            await site.stop()

    async def take(self, request: web.Request) -> web.Response:
        self.seen.append(Seen(dict(request.headers), await request.read(), request.path))
        if self.gate is not None:
            await self.gate.wait()
        status = 500 if self.fails(self.seen[-1]) else self.statuses.pop(0) if self.statuses else 200
        return web.Response(status=status, headers=self.headers)


def told(receiver: Receiver) -> list[tuple[str, list[str]]]:
    """What a webhook was told: status, and whom the alerts concern."""
    return [(s.json["status"], sorted(a["subjectId"] for a in s.json["alerts"])) for s in receiver.seen]


@asynccontextmanager
async def receiving(**options: Any) -> AsyncIterator[Receiver]:
    """A receiver on this machine, for the block."""
    receiver = Receiver(**options)
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", receiver.take)
    receiver.runner = runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await receiver.plug()
    try:
        yield receiver
    finally:
        if receiver.gate is not None:
            receiver.gate.set()
        await runner.cleanup()


def an_alert(subject: str = "c", **different: Any) -> Alert:
    """An alert of a customer that fires."""
    alert = Alert(
        alert_id=uuid4(),
        rule_id="customer-satisfaction",
        rule_version=1,
        episode=1,
        type=AlertType.SATISFACTION,
        severity=Severity.HIGH,
        subject_kind=SubjectKind.CUSTOMER,
        subject_id=subject,
        state=AlertState.FIRING,
        message="Customer satisfaction below 3.0",
        value=2.0,
        threshold=3.0,
        fired_at=BEGAN,
    )
    return replace(alert, **different)


def a_notice(*alerts: Alert, **more: Any) -> Notice:
    """A notification of some alerts."""
    return Notice(uuid4(), **{"route_id": "r", "names": {"team": "north"}, "status": "firing", "alerts": alerts} | more)


def local(**more: Any) -> Delivery:
    """Deliveries of a tenant to this machine."""
    set_tenant(TENANT)
    return Delivery(Receivers(allow_local=True, **more), Clock())


@dataclass
class TellingHouse(House):
    """The service's parts with those that notify; time passes for all of them when the clock is moved."""

    receivers: Receivers = field(default_factory=lambda: Receivers(allow_local=True))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.delivery = Delivery(self.receivers, self.clock)
        self.servicer = ChannelServicer(self.database, self.streams, Signer("page", KEYS), self.clock, delivery=self.delivery)
        self.notifier = self.new_notifier()

    def new_notifier(self, new_id: Callable[[], UUID] = uuid4) -> Notifier:
        return Notifier(self.database, self.delivery, self.clock, new_id, chance=lambda: 0.0, turns=Turns(timedelta()))

    async def put_channel(self, channel_id: str, *, tenant: str = TENANT, **kind: Any) -> None:
        told = {"channelId": channel_id, **kind}
        await self._call(tenant, "PutChannel", npb.PutChannelRequest(channel=json_format.ParseDict(told, npb.Channel())))

    async def put_webhook(self, channel_id: str, receiver: Receiver, *, tenant: str = TENANT, **more: Any) -> None:
        await self.put_channel(channel_id, tenant=tenant, webhook={"url": receiver.url, "secret": SECRET}, **more)

    async def put_routes(self, *routes: dict[str, Any], tenant: str = TENANT) -> None:
        told = [json_format.ParseDict({"routeId": f"route-{n}", **route}, npb.Route()) for n, route in enumerate(routes)]
        await self._call(tenant, "PutRoutes", npb.PutRoutesRequest(routes=told, clear=not told))

    async def _call(self, tenant: str, method: str, request: Any) -> Any:
        async def call() -> Any:
            set_tenant(tenant)
            return await getattr(self.servicer, method)(request, None)

        return await asyncio.create_task(call())

    async def change(self, *changes: Change, tenant: str = TENANT) -> list[Alert]:
        """Let changes be logged as any are; return the alerts after them."""

        async def act() -> list[Alert]:
            async with self.database.transaction(tenant) as conn:
                return [c.after for c in await append(conn, changes, {}, self.clock(), uuid4)]

        return await asyncio.create_task(act())

    async def fire(self, *alerts: Alert, tenant: str = TENANT) -> list[Alert]:
        return await self.change(*(Change(EventKind.FIRED, None, alert) for alert in alerts), tenant=tenant)

    async def become(self, alert: Alert, kind: int = EventKind.UPDATED, *, tenant: str = TENANT, **different: Any) -> Alert:
        (after,) = await self.change(Change(kind, alert, replace(alert, **different)), tenant=tenant)
        return after

    async def resolve(self, alert: Alert, *, tenant: str = TENANT) -> Alert:
        over = {"state": AlertState.RESOLVED, "resolved_at": self.clock()}
        return await self.become(alert, EventKind.RESOLVED, tenant=tenant, **over)

    async def tell(self, after: timedelta = timedelta()) -> None:
        """Let time pass, and let everything be told that is due."""
        self.clock.move(after)
        await self.go_on(self.notifier)

    @staticmethod
    async def go_on(notifier: Notifier) -> None:
        await notifier.deliver_all()
        while await asyncio.create_task(notifier.go_round()):
            await notifier.deliver_all()

    async def notifications(self) -> list[tuple[Any, ...]]:
        return await self.facts.rows(
            "SELECT notification_id::text, channel_id, state, next_at FROM alerting.notification ORDER BY created_at, next_at"
        )

    async def attempts(self) -> list[tuple[Any, ...]]:
        return await self.facts.rows("SELECT notification_id::text, number, status, error FROM alerting.attempt ORDER BY 1, 2")
