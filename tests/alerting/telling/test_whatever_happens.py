"""Whatever happens to alerts and receivers: nobody is paged for what is not so, nothing that fires is forgotten, all ends."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from services.alerting.alerts import Alert, EventKind
from services.alerting.telling import sending, waiting
from services.alerting.telling.judging import Verdict
from tests.alerting.notifying import MINUTE, Receiver, Seen, TellingHouse, an_alert
from tests.alerting.paging import REPEAT

NAMES = ("a", "b", "c")
CHANNELS: dict[str, Any] = {"channelIds": ["pager", "hook"], "groupWait": "0s"}
ROUTES = (
    ({**CHANNELS, "routeId": "one"},),
    ({**CHANNELS, "routeId": "two", "groupBy": ["customer_id"]},),
    ({**CHANNELS, "routeId": "one", "continues": True}, {**CHANNELS, "routeId": "more", "groupWait": "60s"}),
)


class World:
    """Alerts that come, change and go, and receivers that are there, fail or are away."""

    def __init__(self, house: TellingHouse, seed: int, receivers: list[Receiver]) -> None:
        self.house, self.chance, self.receivers = house, random.Random(seed), receivers
        self.open: dict[str, Alert] = {}
        self.episodes = 0
        self.away: set[int] = set()
        self.wrong: list[Any] = []
        for receiver in receivers:
            self.answer(receiver, fails=False)

    async def live(self, steps: int) -> None:
        for _ in range(steps):
            await self.chance.choice((self.change, self.change, self.change, self.plug, self.route))()
            await self.house.tell(timedelta(seconds=self.chance.choice((1, 20, 120, 400, 5000, 30_000))))

    async def change(self) -> None:
        name = self.chance.choice(NAMES)
        alert = self.open.get(name)
        if alert is None:
            self.episodes += 1
            (self.open[name],) = await self.house.fire(an_alert(name, episode=self.episodes))
        elif self.chance.random() < 0.4:
            await self.house.resolve(self.open.pop(name))
        elif self.chance.random() < 0.5:
            await self.acknowledge(alert, None if alert.acknowledged_at else self.house.clock())
        else:
            await self.silence(alert, () if alert.silence_ids else ("s",))

    async def acknowledge(self, alert: Alert, at: Any) -> None:
        kind = EventKind.ACKNOWLEDGED if at else EventKind.UNACKNOWLEDGED
        self.open[alert.subject_id] = await self.house.become(alert, kind, acknowledged_at=at)

    async def silence(self, alert: Alert, by: tuple[str, ...]) -> None:
        kind = EventKind.SUPPRESSED if by else EventKind.UNSUPPRESSED
        self.open[alert.subject_id] = await self.house.become(alert, kind, silence_ids=by)

    async def plug(self) -> None:
        which = self.chance.randrange(2)
        receiver = self.receivers[which]
        self.answer(receiver, fails=self.chance.random() < 0.3)
        if which in self.away:
            self.away.discard(which)
            await receiver.plug()
        elif self.chance.random() < 0.7:
            self.away.add(which)
            await receiver.unplug()

    def answer(self, receiver: Receiver, *, fails: bool) -> None:
        """Let a receiver fail, or not, and note the pages that it should not have been sent."""

        def judge(seen: Seen) -> bool:
            self.wrong += [seen.json] if self.is_wrong(seen) else []
            return fails

        receiver.fails = judge

    async def route(self) -> None:
        await self.house.put_routes(*self.chance.choice(ROUTES))

    async def calm(self) -> None:
        """Let everybody listen, and nothing hold anything back."""
        for which, receiver in enumerate(self.receivers):
            self.answer(receiver, fails=False)
            if which in self.away:
                await receiver.plug()
        self.away.clear()
        for name in tuple(self.open):
            await self.acknowledge(self.open[name], None)
            await self.silence(self.open[name], ())
        for _ in range(3):
            await self.house.tell(20 * MINUTE)
        await self.house.tell(REPEAT)

    def is_wrong(self, seen: Seen) -> bool:
        """Tell whether a page is of what nobody has to be paged for."""
        alert = self.open.get(seen.json.get("payload", {}).get("source", ""))
        return seen.json.get("event_action") == "trigger" and (alert is None or bool(alert.acknowledged_at or alert.silence_ids))


def open_incidents(pager: Receiver) -> set[str]:
    """Whom the incidents concern that PagerDuty has open, by what it took."""
    found: dict[str, str] = {}
    for seen in pager.seen:
        if seen.json["event_action"] == "trigger":
            found[seen.json["dedup_key"]] = seen.json["payload"]["source"]
        elif seen.json["event_action"] == "resolve":
            found.pop(seen.json["dedup_key"], None)
    return set(found.values())


def ends_alone(pager: Receiver, hook: Receiver) -> set[str]:
    """Return the incidents and alerts of which somebody was told that they are over who was never told that they began."""
    begun, alone = set[str](), set[str]()
    for seen in pager.seen:
        if seen.json["event_action"] == "trigger":
            begun.add(seen.json["dedup_key"])
        alone |= {seen.json["dedup_key"]} - begun
    for alert in (alert for seen in hook.seen for alert in seen.json["alerts"]):
        if alert["state"] == "ALERT_STATE_FIRING":
            begun.add(alert["alertId"])
        alone |= {alert["alertId"]} - begun
    return alone


@pytest.fixture(params=[1000, 2])
def narrow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Let only so many notifications wait for a channel."""
    with monkeypatch.context() as changed:
        changed.setattr(waiting, "MOST_WAITING", request.param)
        changed.setattr(waiting.surplus, "__defaults__", (request.param, waiting.MOST_ENDS))
        yield changed


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens(house: TellingHouse, pager: Receiver, hook: Receiver, narrow: pytest.MonkeyPatch, seed: int):
    """Also where hardly anything may wait, and receivers are away for days."""
    world = World(house, seed, [pager, hook])
    await world.route()
    await world.live(40)
    assert world.wrong == []
    assert ends_alone(pager, hook) == set()
    narrow.undo()
    await world.calm()
    assert open_incidents(pager) == set(world.open)
    last = {a["subjectId"]: a["alertId"] for s in hook.seen for a in s.json["alerts"] if a["state"] == "ALERT_STATE_FIRING"}
    assert {name: last.get(name) for name in world.open} == {name: str(a.alert_id) for name, a in world.open.items()}
    for name in tuple(world.open):
        await house.resolve(world.open.pop(name))
    await house.tell(20 * MINUTE)
    await house.tell(20 * MINUTE)
    assert open_incidents(pager) == set()
    assert ends_alone(pager, hook) == set()
    assert await house.facts.rows("SELECT * FROM alerting.alert_group") == []


async def test_without_what_judges_again_somebody_is_paged_for_nothing(
    house: TellingHouse, pager: Receiver, hook: Receiver, monkeypatch: pytest.MonkeyPatch
):
    """The control."""
    monkeypatch.setattr(sending, "judged", lambda pending, alerts, *, fires: Verdict(pending.notice))
    world = World(house, 0, [pager, hook])
    await world.route()
    await world.live(40)
    assert world.wrong != []
