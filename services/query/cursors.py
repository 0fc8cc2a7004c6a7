"""Page tokens of lists: the window of the first page, what it counted, and the key of the row that the page before ended with.

A token belongs to the tenant and to the question: everything that was asked but how many rows, and which page. What the first
page counted stays what every page tells, so that counting is paid for once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from services.runtime.page_tokens import Signer, read_page_token
from services.runtime.tenancy import current_tenant
from services.runtime.windows import Window, local_day, midnight

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: What does not change the question.
_NOT_ASKED = ("page_size", "page_token", "consistency_token")

#: A row's place in its list: moments, days, numbers, words, None.
Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: after the row of this key. `span` is None for lists without a window."""

    after: Key
    totals: tuple[int, ...]
    span: tuple[datetime, datetime] | None


def read(signer: Signer, request: Any) -> Cursor | None:
    """Return where the request's page begins, None for the first. Raises InvalidArgument (INVALID_PAGE_TOKEN)."""
    payload = read_page_token(signer, request.page_token, *_bound_to(request))
    if payload is None:
        return None
    span = payload.get("span")
    return Cursor(
        after=tuple(map(_value, payload["after"])),
        totals=tuple(payload["totals"]),
        span=(_moment(span[0]), _moment(span[1])) if span else None,
    )


def token(signer: Signer, request: Any, after: Key, totals: tuple[int, ...] = (), window: Window | None = None) -> str:
    """Return the token of the page after the row of this key."""
    payload: dict[str, Any] = {"after": [_json(value) for value in after], "totals": totals}
    if window is not None:
        payload["span"] = [_microseconds(window.start), _microseconds(window.end)]
    return signer.sign(payload, *_bound_to(request))


def window_of(span: tuple[datetime, datetime], zone: str) -> Window:
    """Return the window of a first page. It was right then, however long ago its quarters of an hour are now."""
    start, end = span
    days = local_day(start, zone), local_day(end, zone)
    return Window(start, end, zone, days if (midnight(days[0], zone), midnight(days[1], zone)) == span else None)


def _bound_to(request: Any) -> tuple[str, str, str]:
    question = type(request)()
    question.CopyFrom(request)
    for field in _NOT_ASKED:
        question.ClearField(field)
    asked = hashlib.sha256(question.SerializeToString(deterministic=True)).hexdigest()
    return request.DESCRIPTOR.full_name, current_tenant(), asked


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"at": _microseconds(value)}
    return {"day": value.isoformat()} if isinstance(value, date) else value


def _value(json: Any) -> Any:
    if not isinstance(json, dict):
        return json
    return _moment(json["at"]) if "at" in json else date.fromisoformat(json["day"])


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _moment(microseconds: int) -> datetime:
    return _EPOCH + microseconds * _MICROSECOND
