"""Who is there in the rounds: people who act, and readers with filters of every kind, over every way.

One reader stops reading, and one goes over things again.
"""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from itertools import cycle, islice

import httpx
from rapport.alerting.v1.alert_pb2 import AlertFilter, Matcher
from rapport.alerting.v1.alerting_service_pb2_grpc import AlertingServiceStub

from rapport_client import connect
from tests.chaos.alert_house import GATEWAY, REPLICAS, AlertHouse
from tests.chaos.alert_people import Person
from tests.chaos.alert_readers import Reader, Way, Wish, over_grpc, over_sse
from tests.chaos.alert_writers import AGENTS, CUSTOMERS

#: People, who go any way; readers over gRPC, straight to the replicas or through the gateway; and over Server-Sent Events.
PEOPLE, OVER_GRPC, OVER_SSE = 6, 12, 6

#: Some of the customers of any time.
SOME = CUSTOMERS[::5]

_AGENT, _CUSTOMER, _HIGH, _FIRING = 1, 2, 3, 1
#: Filters of every kind; alerts enter and leave those by their state and by who takes care of them.
WISHES = (
    Wish("everything", AlertFilter(), lambda _: True),
    Wish("what fires", AlertFilter(states=[_FIRING]), lambda s: s["state"] == _FIRING),
    Wish("what somebody takes care of", AlertFilter(acknowledged=True), lambda s: s["acknowledged_at"] is not None),
    Wish("what nobody takes care of", AlertFilter(acknowledged=False), lambda s: s["acknowledged_at"] is None),
    Wish("high severity", AlertFilter(severities=[_HIGH]), lambda s: s["severity"] == _HIGH),
    Wish(
        "some customers",
        AlertFilter(customer_ids=SOME),
        lambda s: s["subject_kind"] == _CUSTOMER and s["subject_id"] in SOME,
    ),
    Wish("one agent", AlertFilter(agent_ids=AGENTS[:1]), lambda s: (s["subject_kind"], s["subject_id"]) == (_AGENT, AGENTS[0])),
)
#: A filter that Server-Sent Events cannot name.
NOT_ONE_AGENT = Wish(
    "not one agent",
    AlertFilter(matchers=[Matcher(name="agent_id", values=AGENTS[:1], negated=True)]),
    lambda s: (s["subject_kind"], s["subject_id"]) != (_AGENT, AGENTS[0]),
)
#: A reader that takes little before it is asked for more.
_SMALL_WINDOW = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65536))
#: Whoever waits for a service that was killed looks for it often.
_SOON = (("grpc.max_reconnect_backoff_ms", 500),)


async def staff(house: AlertHouse, seed: int, stack: AsyncExitStack, *, renews: bool = False) -> list[Person]:
    """Return the people of a house. Those who renew send an act that was not answered as another one."""
    channels = [connect(house.address(target), options=_SOON) for target in (*REPLICAS, GATEWAY)]
    stubs = [AlertingServiceStub(await stack.enter_async_context(channel)) for channel in channels]
    return [Person(f"person {number}", stubs, random.Random(f"{seed} {number}"), renews=renews) for number in range(PEOPLE)]


async def crowd(house: AlertHouse, seed: int, stack: AsyncExitStack) -> list[Reader]:
    """Return the readers of a house: those over gRPC, those over Server-Sent Events, who stops reading, and who doubts."""

    async def ways(*targets: str, options: tuple[tuple[str, int], ...] = ()) -> list[Way]:
        channels = [connect(house.address(target), options=(*_SOON, *options)) for target in targets]
        return [over_grpc(await stack.enter_async_context(channel)) for channel in channels]

    def chance(name: str) -> random.Random:
        return random.Random(f"{seed} {name}")

    anywhere, slowly = await ways(*REPLICAS, GATEWAY), await ways(*REPLICAS, options=_SMALL_WINDOW)
    http = httpx.AsyncClient(base_url=f"http://{house.address(GATEWAY)}", timeout=httpx.Timeout(5, read=None))
    sse = [over_sse(await stack.enter_async_context(http))]
    names = [f"gRPC {number}" for number in range(OVER_GRPC)]
    wishes = islice(cycle((*WISHES, NOT_ONE_AGENT)), OVER_GRPC)
    readers = [Reader(name, wish, anywhere, chance(name)) for name, wish in zip(names, wishes, strict=True)]
    names = [f"SSE {number}" for number in range(OVER_SSE)]
    readers += [Reader(name, wish, sse, chance(name)) for name, wish in zip(names, WISHES, strict=False)]
    readers.append(Reader("stalled", WISHES[0], slowly, chance("stalled"), stalls=True))
    return [*readers, Reader("doubting", WISHES[0], anywhere, chance("doubting"), doubts=True)]
