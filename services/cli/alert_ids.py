"""Which alert a person means who types the beginning of its id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from uuid import UUID

from rapport.alerting.v1.alert_pb2 import ALERT_STATE_FIRING, AlertFilter
from rapport.alerting.v1.alerting_service_pb2 import ListAlertsRequest
from rapport.alerting.v1.alerting_service_pb2_grpc import AlertingServiceStub

from services.cli.calling import DEADLINE_S, CommandFailed

#: Characters of an id that are shown where there is little room.
SHOWN = 8

_BEGINNING = re.compile(r"[0-9a-f-]{4,36}")
_PAGE = 1000
#: Open alerts that are looked through; of those that are over, the newest thousand.
_MOST_OPEN = 20_000
_MOST_NAMED = 5


def short(id_: str) -> str:
    """Return as much of an id as is shown in tables and lines."""
    return id_[:SHOWN]


def is_whole(told: str) -> bool:
    """Tell whether it is a whole id."""
    try:
        return str(UUID(told)) == told.lower()
    except ValueError:
        return False


def meant(told: str, known: Iterable[str], what: str) -> str:
    """Return the id that begins so. Raises CommandFailed unless there is exactly one; `what` names what is looked for."""
    beginning = told.lower()
    if is_whole(beginning):
        return beginning
    if not _BEGINNING.fullmatch(beginning):
        raise CommandFailed(f"{told!r} is not the beginning of an id: give at least 4 of its characters, 0 to 9 and a to f")
    found = sorted({id_ for id_ in known if id_.startswith(beginning)})
    if not found:
        raise CommandFailed(f"no {what} has an id that begins with {beginning}")
    if len(found) > 1:
        more = " and others" if len(found) > _MOST_NAMED else ""
        raise CommandFailed(f"{beginning} may be each of {', '.join(found[:_MOST_NAMED])}{more}: give more characters")
    return found[0]


async def alert_ids(stub: AlertingServiceStub, told: Sequence[str], *, is_open: bool) -> list[str]:
    """Return the whole ids of alerts, each once, in their order. Raises CommandFailed when one of them is not clear."""
    found = await clear_ids(stub, told, is_open=is_open)
    for each in found:
        if isinstance(each, CommandFailed):
            raise each
    return [each for each in found if isinstance(each, str)]


async def clear_ids(stub: AlertingServiceStub, told: Sequence[str], *, is_open: bool) -> list[str | CommandFailed]:
    """Return the whole ids of alerts, each once, in their order, and in the place of what is not clear why it is not.

    Beginnings are looked for among the open alerts and, unless the alert must be open, among the newest thousand of all.
    """
    known: list[str] = []
    if not all(map(is_whole, told)):
        known = await _known(stub, AlertFilter(states=[ALERT_STATE_FIRING]), _MOST_OPEN)
        known += [] if is_open else await _known(stub, AlertFilter(), _PAGE)
    what = "open alert" if is_open else "alert that is open or among the newest 1,000"
    return list(dict.fromkeys(_meant(each, known, what) for each in dict.fromkeys(told)))


def _meant(told: str, known: Iterable[str], what: str) -> str | CommandFailed:
    try:
        return meant(told, known, what)
    except CommandFailed as why:
        return why


async def _known(stub: AlertingServiceStub, filter_: AlertFilter, most: int) -> list[str]:
    ids: list[str] = []
    request = ListAlertsRequest(filter=filter_, page_size=_PAGE)
    while True:
        answer = await stub.ListAlerts(request, timeout=DEADLINE_S)
        ids += [alert.alert_id for alert in answer.alerts]
        if len(ids) >= most or not answer.next_page_token:
            return ids
        request.page_token = answer.next_page_token
