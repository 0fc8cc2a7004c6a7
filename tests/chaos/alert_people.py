"""People who act about alerts over whatever way is open, and write down what they sent and what was answered."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from rapport.alerting.v1 import act_pb2
from rapport.alerting.v1.alert_pb2 import Alert, AlertFilter
from rapport.alerting.v1.alerting_service_pb2 import ListAlertsRequest

from rapport_client import Kind, of_error, passes
from services.alerting.alerts import EventKind
from tests.chaos.alert_acts import Sent

_CALLS: Mapping[int, tuple[str, Any]] = {
    EventKind.ACKNOWLEDGED: ("AcknowledgeAlert", act_pb2.AcknowledgeAlertRequest),
    EventKind.UNACKNOWLEDGED: ("UnacknowledgeAlert", act_pb2.UnacknowledgeAlertRequest),
    EventKind.RESOLVED: ("ResolveAlert", act_pb2.ResolveAlertRequest),
    EventKind.NOTED: ("AddAlertNote", act_pb2.AddAlertNoteRequest),
}
_WEIGHTS = (8, 6, 1, 6)

#: Seconds between acts, before an act is sent again, and for which an answer is waited for.
_ACT_S, _AGAIN_S, _PATIENCE_S = (0.0, 0.1), (0.0, 0.3), 5.0
#: Of so many first attempts one is not waited for so long that it is sure to be answered.
_HASTE_EVERY, _HASTE_S = 4, (0.02, 0.25)
#: Of so many acts one says which revision of the alert it is about; of so many looks one is at alerts that are over, too.
_CAREFUL_EVERY, _BACK_EVERY = 5, 4
#: Acts after which it is looked what is open.
_LOOK_EVERY = 6


class Person:
    """Acts from each `run` to the next `stop`, and keeps what was sent until that is taken.

    Who does not get an answer sends the act again, anywhere, with the same id; one who `renews`, as another act.
    """

    def __init__(self, name: str, stubs: Sequence[Any], chance: random.Random, *, renews: bool = False) -> None:
        self._name = name
        self._stubs = stubs
        self._chance = chance
        self._renews = renews
        self._stop = asyncio.Event()
        self._known: list[Alert] = []
        self._count = 0
        self._sent: list[Sent] = []

    def take_sent(self) -> list[Sent]:
        """Return what was sent since this was last asked."""
        sent, self._sent = self._sent, []
        return sent

    def stop(self) -> None:
        """Let the act that was begun come to its end."""
        self._stop.set()

    async def run(self) -> None:
        """Act until stopped."""
        self._stop.clear()
        while not self._stop.is_set():
            if self._count % _LOOK_EVERY == 0 or not self._known:
                await self._look()
            if self._known:
                await self._act(self._chance.choice(self._known))
            await asyncio.sleep(self._chance.uniform(*_ACT_S))

    async def _look(self) -> None:
        """Look which alerts there are; wait when nobody tells."""
        wanted = AlertFilter() if self._chance.randrange(_BACK_EVERY) == 0 else AlertFilter(states=["ALERT_STATE_FIRING"])
        try:
            call = self._chance.choice(self._stubs).ListAlerts(ListAlertsRequest(filter=wanted), timeout=_PATIENCE_S)
            self._known = list((await call).alerts)
        except grpc.aio.AioRpcError as error:
            if not passes(of_error(error), Kind.REPEATABLE):
                raise
            await asyncio.sleep(self._chance.uniform(*_AGAIN_S))

    async def _act(self, alert: Alert) -> None:
        (kind,) = self._chance.choices(list(_CALLS), _WEIGHTS)
        self._count += 1
        sent = Sent(f"{self._name}, act {self._count}", kind, alert.alert_id, self._name, alert.revision)
        self._sent.append(sent)
        call, made = _CALLS[kind]
        request = made(alert_id=alert.alert_id, author=self._name, comment=sent.words, request_id=sent.words)
        if kind != EventKind.NOTED and self._chance.randrange(_CAREFUL_EVERY) == 0:
            request.expected_revision = alert.revision
        while sent.answered is None and not sent.refused:
            await self._send(call, request, sent)

    async def _send(self, call: str, request: Any, sent: Sent) -> None:
        """Send an act once, and write down what came of it."""
        is_hasty = not sent.attempts and self._chance.randrange(_HASTE_EVERY) == 0
        sent.attempts += 1
        if self._renews:
            request.request_id = f"{sent.words}, attempt {sent.attempts}"
        timeout_s = self._chance.uniform(*_HASTE_S) if is_hasty else _PATIENCE_S
        try:
            answer = await getattr(self._chance.choice(self._stubs), call)(request, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            failure = of_error(error)
            if passes(failure, Kind.REPEATABLE):
                await asyncio.sleep(self._chance.uniform(*_AGAIN_S))
            else:
                sent.refused = f"{failure.status} {failure.reason}"
        else:
            sent.answered = answer.alert.revision
