"""What a producer has given and the service has not acknowledged yet, in batches and in order: decisions only.

A batch is sealed when it is full, when it has been open for as long as it may linger, or when somebody wants it gone. It
stays as it is from then on: what is sent again is sent in the same batches, under sequences of their own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class Batch(Generic[T]):
    """Items that travel together. `sequence` is that of its last sending, 0 before the first; `due_s` when it goes at last."""

    due_s: float
    items: list[T] = field(default_factory=list)
    size: int = 0
    sequence: int = 0


class Outbox(Generic[T]):
    """Items that wait: in the open batch, sealed but not sent, or sent but not acknowledged.

    `added` and `acknowledged` count items since the beginning; what is acknowledged is always what was added first.
    """

    def __init__(self, batch: int, batch_bytes: int, linger_s: float) -> None:
        self._batch = batch
        self._batch_bytes = batch_bytes
        self._linger_s = linger_s
        self._open: Batch[T] | None = None
        self._sealed: deque[Batch[T]] = deque()
        self._sent: deque[Batch[T]] = deque()
        self._sequence = 0
        #: Whether nothing will be added any more.
        self.is_closed = False
        self.added = 0
        self.acknowledged = 0
        self.size = 0

    @property
    def waiting(self) -> int:
        """How many items are not acknowledged."""
        return self.added - self.acknowledged

    @property
    def is_in_flight(self) -> bool:
        """Whether anything is sent and not acknowledged."""
        return bool(self._sent)

    def items(self) -> Iterator[T]:
        """Yield every item that is not acknowledged, in the order in which they were added."""
        last = () if self._open is None else (self._open,)
        return chain.from_iterable(batch.items for batch in (*self._sent, *self._sealed, *last))

    def add(self, item: T, size: int, now_s: float) -> bool:
        """Take an item of `size` bytes; tell whether a batch has become full."""
        filled = self._open is not None and self._open.size + size > self._batch_bytes
        if filled:
            self.seal()
        if self._open is None:
            self._open = Batch(now_s + self._linger_s)
        self._open.items.append(item)
        self._open.size += size
        self.added += 1
        self.size += size
        if len(self._open.items) >= self._batch:
            self.seal()
            filled = True
        return filled

    def seal(self) -> None:
        """Let the open batch go without waiting for company."""
        if self._open is not None:
            self._sealed.append(self._open)
            self._open = None

    def due_in_s(self, now_s: float) -> float | None:
        """Return the seconds until a batch is there to be sent, at least 0; None while there is nothing to send."""
        if self._sealed:
            return 0.0
        return None if self._open is None else max(self._open.due_s - now_s, 0.0)

    def take(self, now_s: float) -> Batch[T] | None:
        """Return the next batch to send, under a new sequence, and count it as sent; None while none is due."""
        if not self._sealed and self._open is not None and self._open.due_s <= now_s:
            self.seal()
        if not self._sealed:
            return None
        batch = self._sealed.popleft()
        self._sequence += 1
        batch.sequence = self._sequence
        self._sent.append(batch)
        return batch

    def acknowledge(self, sequence: int) -> list[Batch[T]]:
        """Forget the sent batches up to a sequence, and return them in order."""
        done = []
        while self._sent and self._sent[0].sequence <= sequence:
            batch = self._sent.popleft()
            self.acknowledged += len(batch.items)
            self.size -= batch.size
            done.append(batch)
        return done

    def rewind(self) -> None:
        """Take what was sent and not acknowledged for not sent: its stream is gone."""
        self._sealed.extendleft(reversed(self._sent))
        self._sent.clear()
