"""The recorder over real connections: nothing lost, nothing told twice, bounded, and an end when there is no hope."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from functools import partial

import grpc
import pytest
from rapport.ingest.v1.ingest_service_pb2 import OutcomeCounts
from rapport.insight.v1.conversation_pb2 import ConversationInsight
from rapport.insight.v1.event_pb2 import SyncEvent

from rapport_client import Acknowledged, Backoff, Failure, Item, Limits, Recorder, Rejected, Undelivered, connect, streaming
from rapport_client.outbox import Outbox
from tests.client.servicers import Ingest, Serving, status
from tests.proxy import Proxy
from tests.until import until

LIMITS = Limits(batch=10, linger_s=0.01, stall_s=5.0, patience_s=20.0)
QUICK = Backoff(0.01, 0.1)


def conversation(number: int) -> ConversationInsight:
    return ConversationInsight(conversation_id=f"c-{number}")


def event(number: int) -> SyncEvent:
    return SyncEvent(event_id=f"e-{number}")


def id_of(item: Item) -> str:
    return item.conversation_id if isinstance(item, ConversationInsight) else item.event_id


@dataclass
class Told:
    """What a recorder told its producer."""

    acknowledged: list[str] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    retries: list[tuple[Failure, float]] = field(default_factory=list)
    counts: OutcomeCounts = field(default_factory=OutcomeCounts)
    token: str = ""

    def acknowledge(self, answer: Acknowledged) -> None:
        self.acknowledged += [id_of(item) for item in answer.items]
        self.token = answer.consistency_token
        for name in ("created", "duplicate", "rejected"):
            setattr(self.counts, name, getattr(self.counts, name) + getattr(answer.counts, name))

    def recorder(self, channel: grpc.aio.Channel, limits: Limits = LIMITS) -> Recorder:
        return Recorder(
            channel,
            on_rejected=self.rejected.append,
            on_acknowledged=self.acknowledge,
            on_retry=lambda failure, delay_s: self.retries.append((failure, delay_s)),
            limits=limits,
            backoff=QUICK,
        )


async def test_items_arrive_in_order_in_batches_and_are_acknowledged(channel: grpc.aio.Channel, ingest: Ingest) -> None:
    told = Told()
    async with told.recorder(channel) as recorder:
        for number in range(95):
            await recorder.add(conversation(number))
        await recorder.add(event(1))
        await recorder.flush()
        assert told.acknowledged == [f"c-{n}" for n in range(95)] + ["e-1"]
        assert recorder.unacknowledged == []
    assert max(len(b.conversations) + len(b.events) for b in ingest.batches) == 10
    assert (told.counts.created, told.counts.duplicate, ingest.streams) == (96, 0, 1)
    assert told.token == "token-10"


async def test_few_items_do_not_wait_for_many(channel: grpc.aio.Channel, ingest: Ingest) -> None:
    told = Told()
    async with told.recorder(channel) as recorder:
        await recorder.add(conversation(1))
        await until(lambda: told.acknowledged == ["c-1"])
        await asyncio.sleep(0.1)
        await recorder.add(conversation(2))
        await recorder.add(conversation(3))
        await until(lambda: told.acknowledged == ["c-1", "c-2", "c-3"])
    assert [len(b.conversations) for b in ingest.batches] == [1, 2]


async def test_a_stream_that_breaks_is_begun_again_and_nothing_is_told_twice(channel: grpc.aio.Channel, ingest: Ingest) -> None:
    ingest.swallow = [3, 2, 1]
    told = Told()
    async with told.recorder(channel) as recorder:
        for number in range(60):
            await recorder.add(conversation(number))
    assert told.acknowledged == [f"c-{n}" for n in range(60)]
    assert list(ingest.stored) == told.acknowledged
    assert (told.counts.created + told.counts.duplicate, ingest.streams) == (60, 4)
    assert told.counts.duplicate >= 10
    sequences = [b.sequence for b in ingest.batches]
    assert sequences == sorted(set(sequences))


async def test_what_is_not_sent_again_is_lost(
    channel: grpc.aio.Channel, ingest: Ingest, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the test above: a recorder that takes what it has sent for delivered."""
    monkeypatch.setattr(Outbox, "rewind", lambda box: box._sent.clear())
    ingest.answers.clear()
    told = Told()
    async with told.recorder(channel) as recorder:
        await add_all(recorder, [conversation(number) for number in range(10)])
        await until(lambda: ingest.batches)
        proxy.cut()
        ingest.stored.clear()
        ingest.answers.set()
        await add_all(recorder, [conversation(number) for number in range(10, 20)])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await recorder.flush()
        recorder._outbox.acknowledged = recorder._outbox.added
    assert "c-0" not in {*told.acknowledged, *ingest.stored}


async def test_connections_may_be_cut_at_any_moment(channel: grpc.aio.Channel, ingest: Ingest, proxy: Proxy) -> None:
    told = Told()
    is_done = asyncio.Event()

    async def cutting() -> None:
        while not is_done.is_set():
            known = len(told.acknowledged)
            for _ in range(5):
                await asyncio.sleep(0.05)
                proxy.cut()
            # Where it takes longer to connect than from one cut to the next, nothing would ever get through.
            await until(partial(has_gone_on, known))

    def has_gone_on(known: int) -> bool:
        return is_done.is_set() or len(told.acknowledged) > known

    cutter = asyncio.create_task(cutting())
    async with told.recorder(channel, replace(LIMITS, waiting=50)) as recorder:
        for number in range(2000):
            await recorder.add(conversation(number))
            await asyncio.sleep(0.0005)
        is_done.set()
    await cutter
    assert proxy.cuts > 3
    assert told.acknowledged == [f"c-{n}" for n in range(2000)]
    assert set(ingest.stored) == set(told.acknowledged)


@pytest.mark.parametrize("grace_s", [None, 0.2])
async def test_a_server_may_stop_and_start_again_on_its_port(
    channel: grpc.aio.Channel, serving: Serving, proxy: Proxy, grace_s: float | None
) -> None:
    told = Told()
    async with told.recorder(channel) as recorder:
        for number in range(300):
            await recorder.add(conversation(number))
            if number in {100, 200}:
                await serving.stop(grace_s)
                await recorder.add(conversation(1000 + number))
                await until(partial(is_tried_again, told, len(told.retries)))
                await serving.start()
    assert set(told.acknowledged) == set(serving.servicer.stored)
    assert len(told.acknowledged) == len(set(told.acknowledged)) == 302


def is_tried_again(told: Told, known: int) -> bool:
    """Tell whether there have been more failures than were known."""
    return len(told.retries) > known


async def test_an_idle_recorder_survives_a_restart_and_asks_for_nothing_meanwhile(
    channel: grpc.aio.Channel, serving: Serving
) -> None:
    told = Told()
    async with told.recorder(channel) as recorder:
        await recorder.add(conversation(1))
        await recorder.flush()
        await serving.stop()
        await asyncio.sleep(0.3)
        assert told.retries == []
        await serving.start()
        await recorder.add(conversation(2))
        await recorder.flush()
        # What made requests for the first stream has ended with it.
        await until(lambda: open_streams() == 1)
    assert told.acknowledged == ["c-1", "c-2"]


def open_streams() -> int:
    """Return how many streams are being made requests for."""
    return len([task for task in asyncio.all_tasks() if "_consume_request_iterator" in repr(task)])


async def test_refused_items_come_back_with_their_reason_and_tag_and_the_others_land(
    channel: grpc.aio.Channel, ingest: Ingest
) -> None:
    mismatch = status("ALREADY_EXISTS", "REVISION_CONTENT_MISMATCH", "other content")
    bad = status("INVALID_ARGUMENT", "INVALID_FIELDS", "events[1].source: bad", **{"events[1].source": "bad"})
    ingest.refused = {"c-2": mismatch, "e-1": bad}
    ingest.swallow = [1]
    told = Told()
    async with told.recorder(channel) as recorder:
        items: list[Item] = [conversation(1), event(0), conversation(2), event(1), conversation(3)]
        for row, item in enumerate(items):
            await recorder.add(item, row)
    assert told.acknowledged == ["c-1", "e-0", "c-3"]
    assert [(r.item is items[2], r.failure.reason, r.tag) for r in told.rejected[:1]] == [(True, "REVISION_CONTENT_MISMATCH", 2)]
    assert [(r.item is items[3], r.failure.fields[0].field, r.tag) for r in told.rejected[1:]] == [(True, "source", 3)]
    assert told.counts.rejected == 2


async def test_no_more_waits_than_may(channel: grpc.aio.Channel, ingest: Ingest) -> None:
    ingest.answers.clear()
    told = Told()
    added = 0
    async with told.recorder(channel, replace(LIMITS, waiting=25)) as recorder:

        async def produce() -> None:
            nonlocal added
            for number in range(100):
                await recorder.add(conversation(number))
                added += 1

        producing = asyncio.create_task(produce())
        await until(lambda: added == 25)
        await asyncio.sleep(0.1)
        assert added == 25
        ingest.answers.set()
        await producing
    assert len(told.acknowledged) == 100


async def test_no_more_bytes_wait_than_may_but_one_item_always_does(channel: grpc.aio.Channel, ingest: Ingest) -> None:
    ingest.answers.clear()
    told = Told()
    limits = replace(LIMITS, batch_bytes=10_000, waiting_bytes=20_000)
    async with told.recorder(channel, limits) as recorder:
        large = [ConversationInsight(conversation_id=f"c-{n}", agent_id="a" * 8000) for n in range(5)]
        producing = asyncio.create_task(add_all(recorder, large))
        await until(lambda: len(recorder.unacknowledged) == 2)
        await asyncio.sleep(0.1)
        assert len(recorder.unacknowledged) == 2
        ingest.answers.set()
        await producing
        with pytest.raises(ValueError, match="larger than a batch"):
            await recorder.add(ConversationInsight(agent_id="a" * 11_000))
    assert [len(b.conversations) for b in ingest.batches] == [1] * 5
    assert len(told.acknowledged) == 5


async def add_all(recorder: Recorder, items: list[ConversationInsight]) -> None:
    for item in items:
        await recorder.add(item)


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "PERMISSION_DENIED", "UNIMPLEMENTED"])
async def test_a_failure_that_comes_again_ends_it_with_what_is_unacknowledged(
    channel: grpc.aio.Channel, ingest: Ingest, code: str
) -> None:
    ingest.failures = [status(code, "INVALID_FIELDS")]
    told = Told()

    async def produce() -> None:
        async with told.recorder(channel) as recorder:
            await add_all(recorder, [conversation(number) for number in range(15)])

    with pytest.raises(Undelivered, match=code) as caught:
        await produce()
    assert [id_of(i) for i in caught.value.unacknowledged] == [f"c-{n}" for n in range(15)]
    assert (told.acknowledged, told.retries, ingest.streams) == ([], [], 1)
    with pytest.raises(RuntimeError, match="async with"):
        await told.recorder(channel).add(conversation(1))


@pytest.mark.parametrize("metadata", [None, {"authorization": "Bearer x"}])
async def test_a_refusal_amid_writing_is_told_as_the_service_told_it(
    serving: Serving, ingest: Ingest, metadata: dict[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "_STATUS_WITHIN_S", 10.0)

    async def produce(told: Told) -> None:
        async with connect(f"127.0.0.1:{serving.port}", metadata=metadata) as channel, told.recorder(channel) as recorder:
            await add_all(recorder, [conversation(number) for number in range(500)])

    for _ in range(20):
        ingest.failures = [status("INTERNAL", "INTERNAL", "a defect")]
        told = Told()
        with pytest.raises(Undelivered, match="a defect"):
            await produce(told)
        assert told.retries == []


async def test_it_gives_up_when_nothing_is_acknowledged_for_too_long(channel: grpc.aio.Channel, serving: Serving) -> None:
    told = Told()
    began = 0.0

    async def produce() -> None:
        nonlocal began
        async with told.recorder(channel, replace(LIMITS, patience_s=2.5)) as recorder:
            await recorder.add(conversation(1))
            await recorder.flush()
            await serving.stop()
            recorder._progress_s -= 60  # long ago: patience counts from when there is something to wait for
            began = time.monotonic()
            await recorder.add(conversation(2))
            with pytest.raises(Undelivered):
                await recorder.flush()
            with pytest.raises(Undelivered):
                await recorder.add(conversation(3))

    with pytest.raises(Undelivered) as caught:
        await produce()
    assert 1 < time.monotonic() - began < 15
    assert [id_of(i) for i in caught.value.unacknowledged] == ["c-2"]
    assert caught.value.status == "UNAVAILABLE"
    assert told.retries


async def test_a_connection_that_swallows_everything_is_cut_and_replaced(channel: grpc.aio.Channel, proxy: Proxy) -> None:
    told = Told()
    async with told.recorder(channel, replace(LIMITS, stall_s=0.3)) as recorder:
        await recorder.add(conversation(1))
        await recorder.flush()
        proxy.passes.clear()
        known = len(told.retries)
        await recorder.add(conversation(2))
        await until(lambda: len(told.retries) > known)
        proxy.passes.set()
    assert told.acknowledged == ["c-1", "c-2"]
    assert told.retries[known][0].status == "DEADLINE_EXCEEDED"


async def test_a_suggested_delay_is_waited_for(channel: grpc.aio.Channel, ingest: Ingest) -> None:
    ingest.failures = [status("RESOURCE_EXHAUSTED", "OVERLOADED", retry_s=0.4)]
    told = Told()
    began = time.monotonic()
    async with told.recorder(channel) as recorder:
        await recorder.add(conversation(1))
    assert time.monotonic() - began >= 0.4
    assert told.acknowledged == ["c-1"]


async def test_pauses_grow_while_nothing_is_acknowledged_and_begin_anew_after(
    channel: grpc.aio.Channel, ingest: Ingest, proxy: Proxy
) -> None:
    ingest.failures = [status("UNAVAILABLE")] * 4
    delays: list[float] = []
    recorder = Recorder(
        channel,
        on_rejected=print,
        on_retry=lambda _, delay_s: delays.append(delay_s),
        limits=LIMITS,
        backoff=Backoff(0.01, 0.05),
        chance=lambda: 1.0,
    )
    async with recorder:
        await recorder.add(conversation(1))
        await recorder.flush()
        proxy.cut()
        await until(lambda: open_streams() == 0)
        ingest.failures = [status("UNAVAILABLE")]
        await recorder.add(conversation(2))
    assert delays == [0.01, 0.02, 0.04, 0.05, 0.01]


async def test_a_block_that_raises_is_left_at_once(channel: grpc.aio.Channel, ingest: Ingest) -> None:
    ingest.answers.clear()
    told = Told()
    recorder = told.recorder(channel)
    began = time.monotonic()

    async def produce() -> None:
        async with recorder:
            await recorder.add(conversation(1))
            raise KeyError

    with pytest.raises(KeyError):
        await produce()
    assert time.monotonic() - began < 10
    assert [id_of(i) for i in recorder.unacknowledged] == ["c-1"]


async def test_a_callback_that_raises_ends_the_recorder_with_that(channel: grpc.aio.Channel, ingest: Ingest) -> None:
    ingest.refused = {"c-1": status("INVALID_ARGUMENT")}

    def on_rejected(_: Rejected) -> None:
        raise LookupError("the producer's own")

    with pytest.raises(LookupError):
        async with Recorder(channel, on_rejected=on_rejected, limits=LIMITS) as recorder:
            await recorder.add(conversation(1))


async def test_several_producers_share_a_recorder(channel: grpc.aio.Channel, ingest: Ingest) -> None:
    told = Told()
    async with told.recorder(channel, replace(LIMITS, waiting=30)) as recorder:

        async def produce(producer: int) -> None:
            for number in range(200):
                await recorder.add(conversation(1000 * producer + number))

        async with asyncio.TaskGroup() as tasks:
            for producer in range(5):
                tasks.create_task(produce(producer))
    assert len(told.acknowledged) == len(set(told.acknowledged)) == len(ingest.stored) == 1000
