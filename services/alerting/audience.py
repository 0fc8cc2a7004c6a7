"""All streams of a tenant that want the same: what they are told, and what their tokens are bound to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from services.alerting.alerts import EventKind
from services.alerting.filters import AlertFilter
from services.alerting.log import Bookmark, BookmarkReason, Created, Entry, Head, Message, Position, Told
from services.alerting.log_reader import Opening
from services.alerting.renditions import Renditions
from services.runtime.errors import InvalidArgument
from services.runtime.page_tokens import Signer

#: What a stream sends of a message.
Render = Callable[[Message], bytes]


class Audience:
    """A tenant's streams of one filter and form. One object stands for all of them, so that they share what is made for one."""

    __slots__ = ("__weakref__", "_fingerprint", "_render", "_signer", "tenant_id", "wanted")

    def __init__(self, tenant_id: str, wanted: AlertFilter, render: Render, signer: Signer) -> None:
        self.tenant_id = tenant_id
        self.wanted = wanted
        self._fingerprint = wanted.fingerprint()
        self._render = render
        self._signer = signer

    def read_token(self, token: str) -> Position:
        """Return the position that a token of this tenant and filter stands for. Raises InvalidArgument for any other."""
        payload = self._signer.read(token, self.tenant_id, self._fingerprint)
        if payload is None:
            raise InvalidArgument("INVALID_RESUME_TOKEN", "the resume token was changed, or belongs to another tenant or filter")
        return Position(payload["r"], payload["e"], payload.get("m", ""))

    def created(self, head: Head, position: Position) -> bytes:
        """Return the beginning of a stream that continues after a position."""
        return self._render(Message(position.revision, self._token(position), Created(head)))

    def snapshot(self, opening: Opening) -> Iterator[bytes]:
        """Yield the beginning of a stream, with every alert that is open. Within it there is no token: it cannot be continued."""
        head = opening.head
        yield self._render(Message(head.revision, "", Created(head)))
        for alert in opening.alerts:
            yield self._render(Message(head.revision, "", Told(EventKind.SNAPSHOT, alert, None)))
        yield self.bookmark(BookmarkReason.SNAPSHOT_END, Position(head.revision, head.epoch, head.mark))

    def events(self, renditions: Renditions, entries: list[Entry], epoch: str) -> Iterator[bytes]:
        """Yield what the filter takes of a log whose epoch and renditions these are."""
        tell = partial(self._tell, epoch)
        for entry in entries:
            told = renditions.get(self, entry, tell)
            if told is not None:
                yield told

    def bookmark(self, reason: BookmarkReason, position: Position) -> bytes:
        """Return where the reader stands."""
        return self._render(Message(position.revision, self._token(position), Bookmark(reason)))

    def _tell(self, epoch: str, entry: Entry) -> bytes | None:
        change = entry.change
        kind = self.wanted.event_kind(change)
        if kind is None:
            return None
        told = Told(kind, change.after, entry.at, change.author, change.comment)
        return self._render(Message(entry.revision, self._token(Position(entry.revision, epoch, entry.mark)), told))

    def _token(self, position: Position) -> str:
        told = {"r": position.revision, "e": position.epoch, "m": position.mark}
        return self._signer.sign(told, self.tenant_id, self._fingerprint)
