"""Page tokens of a comparison: where a page begins in an order that every page shares."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rapport.query.v1 import query_service_pb2

from services.runtime.page_tokens import Signer, read_page_token
from services.runtime.tenancy import current_tenant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: What does not change the question.
_NOT_ASKED = ("page_size", "page_token", "consistency_token")


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the order of agents: that of the agent with this adjusted score (None: without one) and id."""

    adjusted_score: float | None
    agent_id: str


@dataclass(frozen=True, slots=True)
class Page:
    """The window that the first page was of, and the agent that this page follows."""

    start: datetime
    end: datetime
    after: Position


class Pages:
    """Signs and reads page tokens. They belong to the tenant and to the question: what is compared, as it was asked for."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._signer = Signer("page", keys)

    @property
    def signer(self) -> Signer:
        """What signs the page tokens of other lists."""
        return self._signer

    def token(self, request: query_service_pb2.CompareAgentsRequest, page: Page) -> str:
        """Return the token of the page."""
        window = [(moment - _EPOCH) // _MICROSECOND for moment in (page.start, page.end)]
        payload = {"window": window, "score": page.after.adjusted_score, "agent": page.after.agent_id}
        return self._signer.sign(payload, *_bound_to(request))

    def read(self, request: query_service_pb2.CompareAgentsRequest) -> Page | None:
        """Return the page that the request's token stands for, None for the first. Raises InvalidArgument."""
        payload = read_page_token(self._signer, request.page_token, *_bound_to(request))
        if payload is None:
            return None
        start, end = (_EPOCH + moment * _MICROSECOND for moment in payload["window"])
        return Page(start, end, Position(payload["score"], payload["agent"]))


def _bound_to(request: query_service_pb2.CompareAgentsRequest) -> tuple[str, str]:
    question = query_service_pb2.CompareAgentsRequest()
    question.CopyFrom(request)
    for field in _NOT_ASKED:
        question.ClearField(field)  # type: ignore[arg-type]  # they are fields
    return current_tenant(), hashlib.sha256(question.SerializeToString(deterministic=True)).hexdigest()
