"""Tokens of pages of what is listed by a time and an id: where a page ended."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.runtime.page_tokens import Signer, read_page_token

End = tuple[datetime, UUID]


def token(signer: Signer, end: End, bound_to: tuple[str, ...]) -> str:
    """Return the token of the page after the one that ends there, for the request that it is bound to."""
    at, of = end
    return signer.sign({"t": at.isoformat(), "id": str(of)}, *bound_to)


def read(signer: Signer, page_token: str, bound_to: tuple[str, ...]) -> End | None:
    """Return where the page before ended, None for the first. Raises InvalidArgument (INVALID_PAGE_TOKEN)."""
    end = read_page_token(signer, page_token, *bound_to)
    return None if end is None else (datetime.fromisoformat(end["t"]), UUID(end["id"]))
