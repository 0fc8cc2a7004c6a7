"""Batching and resending as decisions: nothing is lost, doubled or reordered, whatever happens in whatever order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rapport_client.outbox import Outbox


def drained(box: Outbox[int], now_s: float = 1e9) -> list[list[int]]:
    batches = []
    while (batch := box.take(now_s)) is not None:
        batches.append(list(batch.items))
    return batches


def test_a_batch_goes_when_it_is_full_by_count_or_by_bytes() -> None:
    box: Outbox[int] = Outbox(3, 100, 10.0)
    assert [box.add(i, 10, 0.0) for i in range(4)] == [False, False, True, False]
    assert box.add(4, 95, 0.0) is True
    assert drained(box, 0.0) == [[0, 1, 2], [3]]
    assert (box.waiting, box.size) == (5, 135)


def test_a_batch_lingers_no_longer_than_it_may() -> None:
    box: Outbox[int] = Outbox(3, 100, 10.0)
    assert box.due_in_s(0.0) is None
    box.add(1, 1, 5.0)
    assert (box.due_in_s(6.0), box.take(14.9)) == (9.0, None)
    assert drained(box, 15.0) == [[1]]
    box.add(2, 1, 20.0)
    box.seal()
    assert (box.due_in_s(20.0), drained(box, 20.0)) == (0.0, [[2]])


def test_what_is_sent_again_has_its_order_and_new_sequences() -> None:
    box: Outbox[int] = Outbox(2, 100, 0.0)
    for i in range(6):
        box.add(i, 1, 0.0)
    first = [box.take(0.0), box.take(0.0)]
    assert [b.sequence for b in first if b] == [1, 2]
    assert [b.items for b in box.acknowledge(1)] == [[0, 1]]
    box.rewind()
    assert list(box.items()) == [2, 3, 4, 5]
    again = [box.take(0.0), box.take(0.0)]
    assert [(b.sequence, b.items) for b in again if b] == [(3, [2, 3]), (4, [4, 5])]
    assert box.acknowledge(2) == []


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 60)),
        st.tuples(st.sampled_from(["take", "acknowledge", "seal", "cut"]), st.integers(0, 5)),
    ),
    max_size=200,
)


@given(STEPS, st.integers(1, 5))
def test_whatever_happens_every_item_is_acknowledged_once_and_in_order(steps: list[tuple[str, int]], batch: int) -> None:
    box: Outbox[int] = Outbox(batch, 100, 0.0)
    acknowledged: list[int] = []
    sent: list[int] = []
    added = 0
    for step, number in steps:
        if step == "add":
            box.add(added, number, 0.0)
            added += 1
        elif step == "take":
            taken = box.take(0.0)
            if taken is not None:
                assert len(taken.items) <= batch
                assert not sent or taken.sequence > sent[-1]
                sent.append(taken.sequence)
        elif step == "acknowledge" and sent:
            done = box.acknowledge(sent[min(number, len(sent) - 1)])
            acknowledged += [item for b in done for item in b.items]
        elif step == "seal":
            box.seal()
        elif step == "cut":
            box.rewind()
            assert not box.is_in_flight
        assert acknowledged + list(box.items()) == list(range(added))
        assert (box.waiting, box.acknowledged) == (added - len(acknowledged), len(acknowledged))
    box.rewind()
    box.seal()
    while (last := box.take(0.0)) is not None:
        acknowledged += [item for b in box.acknowledge(last.sequence) for item in b.items]
    assert acknowledged == list(range(added))
    assert (box.size, box.waiting) == (0, 0)
